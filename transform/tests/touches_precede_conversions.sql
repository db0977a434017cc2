SELECT journey.conversion_key, journey.touch_key
FROM {{ ref('int_journeys') }} AS journey
JOIN {{ ref('fct_conversions') }} AS conversion ON conversion.conversion_key = journey.conversion_key
WHERE journey.occurred_at > conversion.converted_at
