{{ config(materialized='table') }}
SELECT
    CAST(message_id AS varchar) || ':' || coalesce(channel_raw, '') AS message_key,
    message_id,
    channel_raw,
    min(message_type) AS message_type,
    count(*) AS orders,
    min(ordered_at) AS first_order_at,
    max(ordered_at) AS last_order_at
FROM {{ ref('stg_ecdp__orders') }} AS orders
WHERE message_id IS NOT NULL
GROUP BY message_id, channel_raw
