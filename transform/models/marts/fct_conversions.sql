{{ config(materialized='table') }}
WITH touched AS (
    SELECT conversion_key, max(touches) AS touches, {{ json_list('channel', 'position') }} AS path
    FROM {{ ref('int_journeys') }} AS journey
    WHERE in_lookback
    GROUP BY conversion_key
),

shared AS (
    SELECT conversion_key, model, source, sum(credit) AS credit, count(*) AS shares
    FROM {{ ref('fct_credits') }} AS credit
    GROUP BY conversion_key, model, source
),

modelled AS (
    SELECT conversion_key, {{ json_list('model', 'model') }} AS models_present
    FROM shared
    GROUP BY conversion_key
),

partial AS (
    -- vendors do not assign the complete credit of some conversions
    SELECT conversion_key, {{ json_list('model', 'model') }} AS partial_models
    FROM shared
    WHERE source <> 'sql' AND credit < 1 - 0.000001 * shares
    GROUP BY conversion_key
)

SELECT
    conversion.conversion_key,
    conversion.source,
    conversion.person_key,
    conversion.converted_at,
    conversion.converted_on,
    conversion.amount,
    conversion.net_amount,
    conversion.currency,
    conversion.is_first_of_person,
    conversion.matched_key,
    conversion.match_rule,
    coalesce(touched.touches, 0) AS touches,
    coalesce(touched.path, '[]') AS path,
    coalesce(modelled.models_present, '[]') AS models_present,
    coalesce(partial.partial_models, '[]') AS partial_models
FROM {{ ref('int_conversions__unioned') }} AS conversion
LEFT JOIN touched ON touched.conversion_key = conversion.conversion_key
LEFT JOIN modelled ON modelled.conversion_key = conversion.conversion_key
LEFT JOIN partial ON partial.conversion_key = conversion.conversion_key
