{{ config(materialized='table', meta={'requires': ['int_touches__unioned']}) }}
SELECT
    touch.touch_key,
    touch.source,
    -- a touch without an id, as with `pii: drop`, gets a separate person
    coalesce(person.person_key, touch.source_id, 'touch:' || touch.touch_key) AS person_key,
    touch.occurred_at,
    channel.channel,
    channel.channel_group,
    channel.is_paid,
    channel.is_direct,
    channel.rule_priority,
    touch.medium,
    touch.traffic_source,
    touch.campaign
FROM {{ ref('int_touches__unioned') }} AS touch
JOIN {{ ref('int_channels__mapped') }} AS channel
    ON channel.vendor = touch.source
    AND channel.channel_raw = touch.channel_raw
    AND channel.medium = touch.medium
    AND channel.traffic_source = touch.traffic_source
    AND channel.campaign = touch.campaign
LEFT JOIN {{ ref('int_persons__stitched') }} AS person
    ON person.source = touch.source AND person.source_id = touch.source_id
