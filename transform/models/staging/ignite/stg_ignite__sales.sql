{{ config(materialized='view') }}
SELECT
    sale.website,
    sale.sale_key
FROM {{ loaded('tap_ignite', 'sales') }} AS sale
