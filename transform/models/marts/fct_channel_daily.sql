{{ config(materialized='table') }}
-- Credit and spend by day. A day with spend and without credit has a row for every
-- model too, so that sums over days are right.
WITH credited AS (
    SELECT
        conversion.converted_on,
        credit.channel,
        credit.model,
        credit.currency,
        sum(credit.credit) AS conversions,
        sum(credit.amount) AS amount
    FROM {{ ref('fct_credits') }} AS credit
    JOIN {{ ref('int_conversions__unioned') }} AS conversion ON conversion.conversion_key = credit.conversion_key
    GROUP BY conversion.converted_on, credit.channel, credit.model, credit.currency
),

{{ rates(ref('fx_rates')) }},

{{ paid(ref('spend')) }},

part AS (
    SELECT converted_on, channel, model, currency, conversions, amount, CAST(NULL AS double precision) AS spend
    FROM credited
    UNION ALL
    SELECT paid.spent_on, paid.channel, model.model, paid.currency, 0, NULL, paid.amount
    FROM paid
    CROSS JOIN (SELECT DISTINCT model FROM credited) AS model
),

daily AS (
    SELECT
        converted_on, channel, model, currency,
        sum(conversions) AS conversions,
        CASE WHEN sum(conversions) = 0 THEN 0 ELSE sum(amount) END AS amount,
        sum(spend) AS spend
    FROM part
    GROUP BY converted_on, channel, model, currency
)

SELECT
    converted_on,
    channel,
    model,
    currency,
    conversions,
    amount,
    spend,
    amount / nullif(spend, 0) AS roas,
    spend / nullif(conversions, 0) AS cpa
FROM daily
