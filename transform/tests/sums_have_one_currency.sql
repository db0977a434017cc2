{{ config(severity='warn') }}
-- In mmm_weekly, revenue is null if conversions are in several currencies, and spend is null if it is in
-- several: set `reporting_currency` or `mmm_currency`.
SELECT currencies
FROM (
    SELECT count(DISTINCT coalesce(currency, '')) AS currencies
    FROM (
        SELECT currency FROM {{ ref('int_conversions__unioned') }} AS conversion WHERE amount IS NOT NULL
        UNION ALL
        SELECT {{ converted_currency('upper(spend.currency)') }} FROM {{ ref('spend') }} AS spend
    ) AS used
) AS counted
WHERE currencies > 1 AND '{{ currency_of('mmm_currency') }}' = '' AND EXISTS (SELECT 1 FROM {{ ref('mmm_weekly') }} AS weekly)
