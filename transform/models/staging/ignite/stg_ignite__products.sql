{{ config(materialized='view') }}
SELECT
    product.website,
    product.product_key,
    product.url,
    product.title,
    product.item_condition,
    product.color,
    product.created_at,
    product.updated_at,
    product.year,
    product.make,
    product.model,
    product.trim,
    product.stock,
    product.vin,
    product.feature_image_url,
    product.window_start
FROM {{ loaded('tap_ignite', 'products') }} AS product
