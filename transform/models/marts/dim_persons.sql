{{ config(materialized='table') }}
-- Persons as groups of linked ids, without the ids themselves.
WITH counted AS (
    SELECT
        person_key,
        count(*) AS ids,
        count(DISTINCT source) AS sources,
        max(hops) AS hops
    FROM {{ ref('int_persons__stitched') }} AS stitched
    GROUP BY person_key
),

touched AS (
    SELECT person_key, count(*) AS touches, min(occurred_at) AS first_touch_at
    FROM {{ ref('int_touches__channelled') }} AS touch
    GROUP BY person_key
),

converted AS (
    SELECT person_key, count(*) AS conversions, min(converted_at) AS first_conversion_at
    FROM {{ ref('int_conversions__unioned') }} AS conversion
    GROUP BY person_key
)

SELECT
    counted.person_key,
    counted.ids,
    counted.sources,
    counted.hops,
    coalesce(touched.touches, 0) AS touches,
    coalesce(converted.conversions, 0) AS conversions,
    touched.first_touch_at,
    converted.first_conversion_at
FROM counted
LEFT JOIN touched ON touched.person_key = counted.person_key
LEFT JOIN converted ON converted.person_key = counted.person_key
