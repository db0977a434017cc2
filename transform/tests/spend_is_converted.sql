-- Spend without an exchange rate is missing in every sum of fct_channel_daily.
WITH {{ rates(ref('fx_rates')) }},

{{ paid(ref('spend')) }}

SELECT spent_on, channel, original_amount AS amount, original_currency AS currency
FROM paid
WHERE original_amount IS NOT NULL
    AND amount IS NULL
    AND EXISTS (SELECT 1 FROM {{ ref('fct_channel_daily') }} AS daily)
