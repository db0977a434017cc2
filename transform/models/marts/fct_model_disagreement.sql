{{ config(materialized='table') }}
-- Two models are compared on the conversions that both have. Conversions are grouped by month, currency
-- and the models that have them, before models are paired.
WITH credited AS (
    SELECT
        {{ month_of('conversion.converted_on') }} AS period,
        conversion.currency,
        conversion.models_present,
        credit.model,
        credit.channel,
        sum(credit.credit) AS credit,
        sum(credit.amount) AS amount
    FROM {{ ref('fct_credits') }} AS credit
    JOIN {{ ref('fct_conversions') }} AS conversion ON conversion.conversion_key = credit.conversion_key
    GROUP BY
        {{ month_of('conversion.converted_on') }}, conversion.currency, conversion.models_present,
        credit.model, credit.channel
),

cohort AS (
    SELECT {{ month_of('converted_on') }} AS period, currency, models_present, count(*) AS conversions
    FROM {{ ref('fct_conversions') }} AS conversion
    GROUP BY {{ month_of('converted_on') }}, currency, models_present
),

present AS (
    SELECT DISTINCT period, currency, models_present, model FROM credited
),

pair AS (
    SELECT one.period, one.currency, one.models_present, one.model AS model_a, other.model AS model_b
    FROM present AS one
    JOIN present AS other
        ON other.period = one.period
        AND other.models_present = one.models_present
        AND coalesce(other.currency, '') = coalesce(one.currency, '')
        AND other.model > one.model
),

compared AS (
    SELECT pair.period, pair.currency, pair.model_a, pair.model_b, CAST(sum(cohort.conversions) AS bigint) AS conversions
    FROM pair
    JOIN cohort
        ON cohort.period = pair.period
        AND cohort.models_present = pair.models_present
        AND coalesce(cohort.currency, '') = coalesce(pair.currency, '')
    GROUP BY pair.period, pair.currency, pair.model_a, pair.model_b
),

side AS (
    SELECT pair.period, pair.currency, pair.model_a, pair.model_b, credited.channel,
        sum(CASE WHEN credited.model = pair.model_a THEN credited.credit ELSE 0 END) AS credit_a,
        sum(CASE WHEN credited.model = pair.model_b THEN credited.credit ELSE 0 END) AS credit_b,
        sum(CASE WHEN credited.model = pair.model_a THEN credited.amount END) AS amount_a,
        sum(CASE WHEN credited.model = pair.model_b THEN credited.amount END) AS amount_b
    FROM pair
    JOIN credited
        ON credited.period = pair.period
        AND credited.models_present = pair.models_present
        AND coalesce(credited.currency, '') = coalesce(pair.currency, '')
        AND credited.model IN (pair.model_a, pair.model_b)
    GROUP BY pair.period, pair.currency, pair.model_a, pair.model_b, credited.channel
),

shared AS (
    SELECT
        side.*,
        credit_a / nullif(sum(credit_a) OVER (PARTITION BY period, currency, model_a, model_b), 0) AS share_a,
        credit_b / nullif(sum(credit_b) OVER (PARTITION BY period, currency, model_a, model_b), 0) AS share_b
    FROM side
)

SELECT
    shared.period,
    shared.channel,
    shared.model_a,
    shared.model_b,
    shared.currency,
    shared.share_a,
    shared.share_b,
    shared.share_b - shared.share_a AS delta,
    CASE WHEN shared.credit_a = 0 THEN 0 ELSE shared.amount_a END AS amount_a,
    CASE WHEN shared.credit_b = 0 THEN 0 ELSE shared.amount_b END AS amount_b,
    compared.conversions,
    sum(abs(shared.share_b - shared.share_a))
        OVER (PARTITION BY shared.period, shared.currency, shared.model_a, shared.model_b) / 2 AS total_variation
FROM shared
JOIN compared
    ON compared.period = shared.period
    AND compared.model_a = shared.model_a
    AND compared.model_b = shared.model_b
    AND coalesce(compared.currency, '') = coalesce(shared.currency, '')
