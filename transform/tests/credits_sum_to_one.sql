-- The credit of a conversion and model is 1. Vendors may give less, which `fct_conversions` lists as
-- partial, but not more.
SELECT conversion_key, model, sum(credit) AS credit
FROM {{ ref('fct_credits') }} AS credit
GROUP BY conversion_key, model, source
HAVING (source = 'sql' AND abs(sum(credit) - 1) > 0.000000001)
    OR (source <> 'sql' AND sum(credit) > 1 + 0.000001 * count(*))
