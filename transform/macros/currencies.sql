{# The variable `reporting_currency` and other variables with currencies, as ISO 4217 codes. #}
{%- macro currency_of(variable) -%}
{{ var(variable) | upper }}
{%- endmacro -%}

{# A CTE, `rate`: the rates into `reporting_currency` with the days on which they are valid. It is
   empty without that variable. #}
{%- macro rates(seed) -%}
rate AS (
    SELECT
        upper(currency) AS currency,
        rate,
        valid_from,
        lead(valid_from) OVER (PARTITION BY upper(currency) ORDER BY valid_from) AS valid_to
    FROM {{ seed }} AS fx_rate
    WHERE upper(to_currency) = '{{ currency_of('reporting_currency') }}'
)
{%- endmacro -%}

{# A join for a FROM clause: the rate of a currency on a day. #}
{%- macro join_rate(currency, day) -%}
LEFT JOIN rate
        ON rate.currency = {{ currency }}
        AND rate.valid_from <= {{ day }}
        AND (rate.valid_to > {{ day }} OR rate.valid_to IS NULL)
{%- endmacro -%}

{# An amount in `reporting_currency`, null without a rate; unchanged without that variable. #}
{%- macro converted(amount, currency) -%}
{%- if var('reporting_currency') -%}
{{ amount }} * CASE WHEN {{ currency }} = '{{ currency_of('reporting_currency') }}' THEN 1.0 ELSE rate.rate END
{%- else -%}
{{ amount }}
{%- endif -%}
{%- endmacro -%}

{# The currency of a converted amount. #}
{%- macro converted_currency(currency) -%}
{%- if var('reporting_currency') -%}
CAST('{{ currency_of('reporting_currency') }}' AS varchar)
{%- else -%}
{{ currency }}
{%- endif -%}
{%- endmacro -%}

{# A CTE, `paid`: the costs of channels in `reporting_currency`. It needs the CTE `rate`. #}
{%- macro paid(seed) -%}
paid AS (
    SELECT
        spend.spent_on,
        spend.channel,
        spend.impressions,
        spend.amount AS original_amount,
        spend.currency AS original_currency,
        {{ converted('spend.amount', 'upper(spend.currency)') }} AS amount,
        {{ converted_currency('upper(spend.currency)') }} AS currency
    FROM {{ seed }} AS spend
    {{ join_rate('upper(spend.currency)', 'spend.spent_on') }}
)
{%- endmacro -%}
