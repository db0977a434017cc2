{{ config(materialized='view') }}
SELECT
    sale.website,
    sale.sale_key
FROM {{ loaded('tap_ignite', 'matched_sales') }} AS sale
