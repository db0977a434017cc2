-- An amount without an exchange rate is null, so it is missing in every sum.
SELECT conversion_key, original_amount, original_currency
FROM {{ ref('int_conversions__unioned') }} AS conversion
WHERE original_amount IS NOT NULL AND amount IS NULL
