{{ config(materialized='table') }}
WITH seen AS (
    SELECT channel, min(occurred_at) AS first_seen_at, max(occurred_at) AS last_seen_at
    FROM {{ ref('int_touches__channelled') }} AS touch
    GROUP BY channel
)

SELECT
    mapped.channel,
    min(mapped.channel_group) AS channel_group,
    max(CASE WHEN mapped.is_paid THEN 1 ELSE 0 END) = 1 AS is_paid,
    max(CASE WHEN mapped.is_direct THEN 1 ELSE 0 END) = 1 AS is_direct,
    min(seen.first_seen_at) AS first_seen_at,
    max(seen.last_seen_at) AS last_seen_at
FROM {{ ref('int_channels__mapped') }} AS mapped
LEFT JOIN seen ON seen.channel = mapped.channel
GROUP BY mapped.channel
