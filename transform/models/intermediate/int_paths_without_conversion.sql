{{ config(materialized='table', meta={'requires': ['int_touches__channelled']}) }}
-- Touches that are in no journey's look-back, as paths of a person. A pause of more than the
-- look-back begins a new path.
WITH unused AS (
    SELECT touch.person_key, touch.touch_key, touch.channel, touch.occurred_at
    FROM {{ ref('int_touches__channelled') }} AS touch
    LEFT JOIN (
        SELECT DISTINCT touch_key FROM {{ ref('int_journeys') }} AS journey WHERE in_lookback
    ) AS used ON used.touch_key = touch.touch_key
    WHERE used.touch_key IS NULL
),

paused AS (
    SELECT
        unused.*,
        CASE WHEN {{ epoch_seconds('occurred_at') }} - {{ epoch_seconds('lag(occurred_at) OVER following') }}
            <= {{ var('lookback_days') }} * 86400.0 THEN 0 ELSE 1 END AS begins
    FROM unused
    WINDOW following AS (PARTITION BY person_key ORDER BY occurred_at, length(touch_key), touch_key)
),

numbered AS (
    SELECT
        paused.*,
        sum(begins) OVER (
            PARTITION BY person_key ORDER BY occurred_at, length(touch_key), touch_key
            ROWS BETWEEN UNBOUNDED PRECEDING AND CURRENT ROW
        ) AS path_number
    FROM paused
)

SELECT
    person_key || ':' || CAST(CAST(path_number AS bigint) AS varchar) AS path_key,
    touch_key,
    channel,
    row_number() OVER (PARTITION BY person_key, path_number ORDER BY occurred_at, length(touch_key), touch_key)
        AS position,
    count(*) OVER (PARTITION BY person_key, path_number) AS touches
FROM numbered
