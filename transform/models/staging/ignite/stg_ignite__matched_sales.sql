{{ config(materialized='view') }}
SELECT
    sale.website,
    sale.sale_key,
    sale.window_start
FROM {{ loaded('tap_ignite', 'matched_sales') }} AS sale
