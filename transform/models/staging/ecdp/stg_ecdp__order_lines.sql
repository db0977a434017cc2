{{ config(materialized='view') }}
SELECT
    CAST(line.website_id AS varchar) || ':' || line.order_id AS order_key,
    line.website_id,
    line.order_id,
    line.line_number,
    line.id AS product_id,
    line.name,
    line.category,
    CAST(line.price AS double precision) AS unit_price,
    CAST(line.quantity AS double precision) AS quantity,
    CAST(coalesce(line.returned, 0) AS double precision) AS returned_quantity,
    CAST(line.price AS double precision)
    * (CAST(line.quantity AS double precision) - CAST(coalesce(line.returned, 0) AS double precision))
        AS net_amount,
    {{ json_member('line.recommendation_attribution', 'scope') }} AS recommendation_scope,
    {{ json_member('line.recommendation_attribution', 'type') }} AS recommendation_type,
    {{ json_member('line.recommendation_attribution', 'channel') }} AS recommendation_channel
FROM {{ loaded('tap_ecdp', 'attributed_order_lines') }} AS line
