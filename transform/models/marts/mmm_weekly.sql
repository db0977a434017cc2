{{ config(materialized='table') }}
{% set channels = var('mmm_channels') %}
-- The input of Meridian and Robyn: one row per week (from Monday), from the first week with a
-- conversion or spend to the last. Empty weeks have zeros. The variable `mmm_currency` selects the
-- conversions. If it is not set, all are counted, with revenue if they share one currency. The same
-- applies to spend.
{% set currency = currency_of('mmm_currency') %}
WITH RECURSIVE {{ rates(ref('fx_rates')) }},

typed AS (
    -- each conversion type of IHC is a model: a conversion with several types has their mean
    SELECT conversion_key, count(DISTINCT model) AS models
    FROM {{ ref('fct_credits') }} AS credit
    WHERE model = 'ihc' OR model LIKE 'ihc:%'
    GROUP BY conversion_key
),

credited AS (
    SELECT {{ week_of('conversion.converted_on') }} AS week, credit.channel_group, sum(credit.credit / typed.models) AS credit
    FROM {{ ref('fct_credits') }} AS credit
    JOIN typed ON typed.conversion_key = credit.conversion_key
    JOIN {{ ref('int_conversions__unioned') }} AS conversion ON conversion.conversion_key = credit.conversion_key
    WHERE (credit.model = 'ihc' OR credit.model LIKE 'ihc:%') {% if currency %}AND credit.currency = '{{ currency }}'{% endif %}

    GROUP BY {{ week_of('conversion.converted_on') }}, credit.channel_group
),

{{ paid(ref('spend')) }},

spent AS (
    SELECT {{ week_of('paid.spent_on') }} AS week, coalesce(channel.channel_group, paid.channel) AS channel_group,
        sum(paid.amount) AS spend, sum(paid.impressions) AS impressions,
        min(coalesce(paid.currency, '')) AS lowest_currency, max(coalesce(paid.currency, '')) AS highest_currency
    FROM paid
    LEFT JOIN {{ ref('dim_channels') }} AS channel ON channel.channel = paid.channel
    {% if currency %}WHERE paid.currency = '{{ currency }}'{% endif %}

    GROUP BY {{ week_of('paid.spent_on') }}, coalesce(channel.channel_group, paid.channel)
),

converted AS (
    SELECT {{ week_of('converted_on') }} AS week, count(*) AS kpi, sum(amount) AS revenue,
        -- conversions without an amount, such as IHC's, add nothing in another currency
        min(CASE WHEN amount IS NOT NULL THEN coalesce(currency, '') END) AS lowest_currency,
        max(CASE WHEN amount IS NOT NULL THEN coalesce(currency, '') END) AS highest_currency
    FROM {{ ref('int_conversions__unioned') }} AS conversion
    {% if currency %}WHERE currency = '{{ currency }}'{% endif %}

    GROUP BY {{ week_of('converted_on') }}
),

currencies AS (
    SELECT converted.lowest, converted.highest, coalesce(spent.lowest, '') = coalesce(spent.highest, '') AS adds_spend
    FROM (SELECT min(lowest_currency) AS lowest, max(highest_currency) AS highest FROM converted) AS converted
    CROSS JOIN (SELECT min(lowest_currency) AS lowest, max(highest_currency) AS highest FROM spent) AS spent
),

span AS (
    SELECT min(week) AS first_week, max(week) AS last_week
    FROM (SELECT week FROM converted UNION SELECT week FROM spent) AS any_week
),

calendar (week, last_week) AS (
    SELECT first_week, last_week FROM span WHERE first_week IS NOT NULL
    UNION ALL
    SELECT {{ week_after('week') }}, last_week FROM calendar WHERE week < last_week
),

spend_of AS (
    SELECT week
        {% for channel in channels %}
        , sum(CASE WHEN channel_group = {{ literal(channel) }} THEN spend ELSE 0 END) AS spend_{{ loop.index }}
        , sum(CASE WHEN channel_group = {{ literal(channel) }} THEN impressions ELSE 0 END) AS impressions_{{ loop.index }}
        {% endfor %}
    FROM spent
    GROUP BY week
),

credit_of AS (
    SELECT week
        {% for channel in channels %}
        , sum(CASE WHEN channel_group = {{ literal(channel) }} THEN credit ELSE 0 END) AS credit_{{ loop.index }}
        {% endfor %}
    FROM credited
    GROUP BY week
)

SELECT
    calendar.week AS time,
    coalesce(converted.kpi, 0) AS kpi,
    CASE WHEN currencies.lowest = currencies.highest THEN converted.revenue / nullif(converted.kpi, 0) END AS revenue_per_kpi
    {% for channel in channels %}
    {% set name %}{% for letter in channel | lower %}{{ '_' if loop.first and letter.isdigit() }}{{ letter if letter.isalnum() else '_' }}{% endfor %}{% endset %}
    , CASE WHEN currencies.adds_spend THEN coalesce(spend_of.spend_{{ loop.index }}, 0) END AS {{ name }}_spend
    , coalesce(spend_of.impressions_{{ loop.index }}, 0) AS {{ name }}_impressions
    , coalesce(credit_of.credit_{{ loop.index }}, 0) AS {{ name }}_credit_ihc
    {% endfor %}
FROM calendar
CROSS JOIN currencies
LEFT JOIN converted ON converted.week = calendar.week
LEFT JOIN spend_of ON spend_of.week = calendar.week
LEFT JOIN credit_of ON credit_of.week = calendar.week
