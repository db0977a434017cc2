{{ config(materialized='table', meta={'requires': ['int_touches__channelled']}) }}
-- A journey consists of the touches of a person before one of their conversions. Each conversion has
-- its own journey, so a touch can be in several. Touches at the same instant are ordered by id.
WITH before AS (
    SELECT
        conversion.conversion_key,
        touch.touch_key,
        touch.occurred_at,
        touch.channel,
        touch.channel_group,
        touch.is_direct,
        {{ epoch_seconds('conversion.converted_at') }} - {{ epoch_seconds('touch.occurred_at') }} AS seconds_before
    FROM {{ ref('int_conversions__unioned') }} AS conversion
    JOIN {{ ref('int_touches__channelled') }} AS touch
        ON touch.person_key = conversion.person_key AND touch.occurred_at <= conversion.converted_at
),

flagged AS (
    SELECT before.*, seconds_before <= {{ var('lookback_days') }} * 86400.0 AS in_lookback
    FROM before
),

placed AS (
    SELECT
        flagged.*,
        row_number() OVER (
            PARTITION BY conversion_key, in_lookback ORDER BY occurred_at, length(touch_key), touch_key
        ) AS position,
        count(*) OVER (PARTITION BY conversion_key, in_lookback) AS touches,
        count(*) OVER (PARTITION BY conversion_key, in_lookback, channel) AS channel_touches
    FROM flagged
),

ranked AS (
    SELECT
        placed.*,
        max(CASE WHEN NOT is_direct THEN position END)
            OVER (PARTITION BY conversion_key, in_lookback) AS last_non_direct_position
    FROM placed
)

SELECT
    conversion_key,
    touch_key,
    channel,
    channel_group,
    is_direct,
    occurred_at,
    seconds_before,
    in_lookback,
    CASE WHEN in_lookback THEN position END AS position,
    CASE WHEN in_lookback THEN touches END AS touches,
    CASE WHEN in_lookback THEN channel_touches END AS channel_touches,
    in_lookback AND position = 1 AS is_first,
    in_lookback AND position = touches AS is_last,
    in_lookback AND position = coalesce(last_non_direct_position, touches) AS is_last_non_direct
FROM ranked
