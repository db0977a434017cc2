-- Spend without an exchange rate is missing in every sum of fct_channel_daily.
WITH {{ rates(ref('fx_rates')) }}

SELECT spend.spent_on, spend.channel, spend.amount, spend.currency
FROM {{ ref('spend') }} AS spend
{{ join_rate('upper(spend.currency)', 'spend.spent_on') }}
WHERE spend.amount IS NOT NULL
    AND {{ converted('spend.amount', 'upper(spend.currency)') }} IS NULL
    AND EXISTS (SELECT 1 FROM {{ ref('fct_channel_daily') }} AS daily)
