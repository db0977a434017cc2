{{ config(severity='warn') }}
-- mmm_weekly has no revenue where conversions are in several currencies: set `reporting_currency`, or
-- `mmm_currency`.
SELECT currencies
FROM (
    SELECT count(DISTINCT coalesce(currency, '')) AS currencies
    FROM {{ ref('int_conversions__unioned') }} AS conversion
    WHERE amount IS NOT NULL
) AS counted
WHERE currencies > 1 AND '{{ var('mmm_currency') }}' = ''
