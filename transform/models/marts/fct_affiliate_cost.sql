{{ config(materialized='table', meta={'requires': ['stg_adtraction__commissions', 'int_touches__channelled']}) }}
-- The cost of conversions that the last affiliate click earned, by the lowest and the highest
-- commission of the program that was valid on the day. A touch belongs to the program whose name or
-- site is its source or campaign, otherwise to program 0, which has all commissions.
WITH affiliate AS (
    SELECT credit.conversion_key, credit.touch_key, credit.channel, credit.credit, credit.amount, credit.currency
    FROM {{ ref('fct_credits') }} AS credit
    WHERE credit.model = 'last_non_direct' AND credit.channel_group = 'Affiliates'
),

named AS (
    SELECT
        affiliate.conversion_key,
        min(program.program_id) AS program_id
    FROM affiliate
    JOIN {{ ref('int_touches__channelled') }} AS touch ON touch.touch_key = affiliate.touch_key
    JOIN {{ ref('stg_adtraction__programs') }} AS program
        ON lower(program.program_name) IN (touch.traffic_source, touch.campaign)
        OR {{ url_host('program.program_url') }} IN (touch.traffic_source, touch.campaign)
    GROUP BY affiliate.conversion_key
),

version AS (
    SELECT
        program_id,
        upper(type) AS type,
        CAST(value AS double precision) AS value,
        -- commissions before a program's first load are not known: its first versions are used
        CASE WHEN _sdc_valid_from > min(_sdc_valid_from) OVER (PARTITION BY program_id) THEN _sdc_valid_from END AS valid_from,
        _sdc_valid_to AS valid_to
    FROM {{ loaded('tap_adtraction', 'commissions__versions') }} AS version
    WHERE transaction_type = 3 OR transaction_type IS NULL
    UNION ALL
    -- without a history, today's commissions are used for all days
    SELECT program_id, upper(type), value, NULL, NULL
    FROM {{ ref('stg_adtraction__commissions') }} AS commission
    WHERE (transaction_type = 3 OR transaction_type IS NULL)
        AND NOT EXISTS (SELECT 1 FROM {{ loaded('tap_adtraction', 'commissions__versions') }} AS any_version)
),

{{ rates(ref('fx_rates')) }},

priced AS (
    SELECT
        affiliate.conversion_key,
        coalesce(named.program_id, 0) AS program_id,
        conversion.converted_on,
        affiliate.channel,
        affiliate.credit,
        affiliate.amount,
        affiliate.currency,
        CASE WHEN version.type = '%' THEN affiliate.amount * version.value / 100
            WHEN version.type = affiliate.currency THEN affiliate.credit * version.value
            ELSE affiliate.credit * version.value * rate.rate END AS commission
    FROM affiliate
    JOIN {{ ref('int_conversions__unioned') }} AS conversion
        ON conversion.conversion_key = affiliate.conversion_key
    LEFT JOIN named ON named.conversion_key = affiliate.conversion_key
    LEFT JOIN version
        ON (version.program_id = named.program_id OR named.program_id IS NULL)
        AND (version.valid_from <= conversion.converted_at OR version.valid_from IS NULL)
        AND (version.valid_to > conversion.converted_at OR version.valid_to IS NULL)
    {{ join_rate('version.type', 'conversion.converted_on') }}
    WHERE EXISTS (SELECT 1 FROM version AS any_version)
),

ranged AS (
    SELECT
        conversion_key, program_id, converted_on, channel, credit, amount, currency,
        min(commission) AS commission_low, max(commission) AS commission_high
    FROM priced
    GROUP BY conversion_key, program_id, converted_on, channel, credit, amount, currency
)

SELECT
    converted_on,
    program_id,
    channel,
    currency,
    sum(credit) AS conversions,
    sum(amount) AS amount,
    sum(commission_low) AS commission_low,
    sum(commission_high) AS commission_high
FROM ranged
GROUP BY converted_on, program_id, channel, currency
