{{ config(materialized='view', meta={'requires': ['int_touches__channelled']}) }}
-- The journeys that `tap-ihc` sends: those of Attribution.io's conversions, the same as in every model.
--
-- `holder_engagement` and `closer_engagement` follow the example rules of the vendor's document: the
-- session has three pageviews or more, or contains the conversion. A session lasts from a touch of a
-- person to their next touch.
WITH session AS (
    SELECT
        touch.touch_key,
        touch.person_key,
        touch.occurred_at AS began_at,
        lead(touch.occurred_at) OVER (
            PARTITION BY touch.person_key ORDER BY touch.occurred_at, length(touch.touch_key), touch.touch_key
        ) AS next_began_at
    FROM {{ ref('int_touches__channelled') }} AS touch
    WHERE touch.source = 'attribution_io'
),

pageview AS (
    SELECT pageview.id, coalesce(person.person_key, pageview.source_id) AS person_key, pageview.occurred_at
    FROM (
        SELECT id, occurred_at, {{ person_id('attribution_io', 'client_id') }} AS source_id
        FROM {{ ref('stg_attribution_io__pageviews') }} AS pageview
    ) AS pageview
    LEFT JOIN {{ ref('int_persons__stitched') }} AS person
        ON person.source = 'attribution_io' AND person.source_id = pageview.source_id
),

engagement AS (
    SELECT session.touch_key, count(pageview.id) AS views
    FROM session
    JOIN pageview
        ON pageview.person_key = session.person_key
        AND pageview.occurred_at >= session.began_at
        AND (pageview.occurred_at < session.next_began_at OR session.next_began_at IS NULL)
    GROUP BY session.touch_key
)

SELECT
    conversion.event_id AS conversion_id,
    replace(journey.touch_key, 'attribution_io:', '') AS session_id,
    journey.occurred_at AS "timestamp",
    journey.channel AS channel_label,
    CASE WHEN engagement.views >= 3 THEN 1 ELSE 0 END AS holder_engagement,
    CASE WHEN journey.is_last THEN 1 ELSE 0 END AS closer_engagement,
    CASE WHEN journey.is_last THEN 1 ELSE 0 END AS conversion,
    conversion.converted_at
FROM {{ ref('int_journeys') }} AS journey
JOIN {{ ref('int_conversions__unioned') }} AS conversion ON conversion.conversion_key = journey.conversion_key
LEFT JOIN engagement ON engagement.touch_key = journey.touch_key
WHERE journey.in_lookback AND conversion.source = 'attribution_io'
