{{ config(materialized='table') }}
-- The vendors' changes of days that were already loaded, from the history of their rows. A version
-- adds its amount on the day it became valid and subtracts it on the day it was replaced.
WITH {{ rates(ref('fx_rates')) }},

ordered AS (
    SELECT
        {{ reporting_day('orders.order_date_time') }} AS converted_on,
        orders.channel AS channel_raw,
        upper(coalesce(orders.reporting_currency, orders.original_currency)) AS currency,
        CAST(CASE WHEN orders.reporting_currency IS NULL AND orders.original_currency IS NOT NULL
            THEN orders.original_total_value ELSE orders.order_value_converted END AS double precision) AS amount,
        orders._sdc_valid_from AS valid_from,
        orders._sdc_valid_to AS valid_to
    FROM {{ loaded('tap_ecdp', 'attributed_orders__versions') }} AS orders
),

event AS (
    -- Events as they were, or as they are if no versions are kept. What an event was before it was first
    -- loaded is not known: its first version stands for it.
    SELECT
        id,
        created_at,
        CAST(amount AS double precision) AS amount,
        is_informational,
        CASE WHEN _sdc_valid_from > min(_sdc_valid_from) OVER (PARTITION BY id) THEN _sdc_valid_from END AS valid_from,
        _sdc_valid_to AS valid_to
    FROM {{ loaded('tap_attribution_io', 'events__versions') }} AS version
    UNION ALL
    SELECT id, created_at, CAST(amount AS double precision), is_informational, NULL, NULL
    FROM {{ loaded('tap_attribution_io', 'events') }} AS event
    WHERE NOT EXISTS (SELECT 1 FROM {{ loaded('tap_attribution_io', 'events__versions') }} AS any_version)
),

credited AS (
    -- while an output and its event are both valid; an event may have the amount and the currency of an order
    SELECT
        'attribution_io:' || coalesce(output.attribution_model_name, CAST(output.attribution_model_id AS varchar)) AS model,
        {{ reporting_day('event.created_at') }} AS converted_on,
        lower(coalesce(output.medium_name, '(none)')) AS medium,
        lower(coalesce(output.source_name, '(none)')) AS traffic_source,
        lower(coalesce(output.campaign_name, '(none)')) AS campaign,
        coalesce(conversion.original_currency, nullif('{{ currency_of('attribution_io_currency') }}', '')) AS currency,
        CAST(output.weight AS double precision) / 100
        * event.amount * coalesce(conversion.original_amount / nullif(present.amount, 0), 1) AS amount,
        CASE WHEN event.valid_from > output._sdc_valid_from THEN event.valid_from ELSE output._sdc_valid_from END AS valid_from,
        CASE WHEN output._sdc_valid_to < event.valid_to OR event.valid_to IS NULL
            THEN output._sdc_valid_to ELSE event.valid_to END AS valid_to
    FROM {{ loaded('tap_attribution_io', 'event_attributions__versions') }} AS output
    JOIN event
        ON event.id = output.event_id
        AND (event.valid_to > output._sdc_valid_from OR event.valid_to IS NULL)
        AND (event.valid_from < output._sdc_valid_to OR event.valid_from IS NULL OR output._sdc_valid_to IS NULL)
    LEFT JOIN {{ ref('stg_attribution_io__events') }} AS present ON present.id = event.id
    LEFT JOIN {{ ref('int_conversions__unioned') }} AS conversion ON conversion.conversion_key = present.event_key
    WHERE event.amount > 0 AND event.is_informational IS NOT TRUE
),

version AS (
    SELECT
        'ecdp' AS model,
        ordered.converted_on,
        channel.channel,
        {{ converted_currency('ordered.currency') }} AS currency,
        {{ converted('ordered.amount', 'ordered.currency') }} AS amount,
        ordered.valid_from,
        ordered.valid_to
    FROM ordered
    LEFT JOIN {{ ref('int_channels__mapped') }} AS channel
        ON channel.vendor = 'ecdp' AND channel.channel_raw = ordered.channel_raw
    {{ join_rate('ordered.currency', 'ordered.converted_on') }}
    UNION ALL
    SELECT
        credited.model,
        credited.converted_on,
        channel.channel,
        {{ converted_currency('credited.currency') }},
        {{ converted('credited.amount', 'credited.currency') }},
        credited.valid_from,
        credited.valid_to
    FROM credited
    LEFT JOIN {{ ref('int_channels__mapped') }} AS channel
        ON channel.vendor = 'attribution_io'
        AND channel.channel_raw = '(none)'
        AND channel.medium = credited.medium
        AND channel.traffic_source = credited.traffic_source
        AND channel.campaign = credited.campaign
    {{ join_rate('credited.currency', 'credited.converted_on') }}
    UNION ALL
    SELECT
        -- as in `fct_credits`, conversion types are different models
        CASE WHEN (SELECT count(DISTINCT conv_type_id) FROM {{ ref('stg_ihc__credits') }} AS credit) > 1
            THEN 'ihc:' || session.conv_type_id ELSE 'ihc' END,
        {{ reporting_day('session.conversion_timestamp') }},
        session.channel_label,
        conversion.currency,
        CAST(session.ihc AS double precision) * conversion.amount,
        session._sdc_valid_from,
        session._sdc_valid_to
    FROM {{ loaded('tap_ihc', 'attributions__versions') }} AS session
    LEFT JOIN {{ ref('int_conversions__unioned') }} AS conversion
        ON conversion.conversion_key = 'attribution_io:' || session.conversion_id
),

change AS (
    SELECT {{ reporting_day('valid_from') }} AS as_of, converted_on, channel, model, currency, amount
    FROM version
    UNION ALL
    SELECT {{ reporting_day('valid_to') }}, converted_on, channel, model, currency, -amount
    FROM version
    WHERE valid_to IS NOT NULL
),

daily AS (
    SELECT as_of, converted_on, coalesce(channel, 'Unassigned') AS channel, model, currency, sum(amount) AS delta
    FROM change
    WHERE converted_on IS NOT NULL
    GROUP BY as_of, converted_on, coalesce(channel, 'Unassigned'), model, currency
),

known AS (
    -- what a day gains until the first load after its end is not a restatement
    SELECT own.converted_on, own.model, min(loaded.as_of) AS first_as_of
    FROM (SELECT converted_on, model, min(as_of) AS first_as_of FROM daily GROUP BY converted_on, model) AS own
    JOIN (SELECT DISTINCT model, as_of FROM daily) AS loaded
        ON loaded.model = own.model AND loaded.as_of >= own.first_as_of AND loaded.as_of > own.converted_on
    GROUP BY own.converted_on, own.model
),

running AS (
    SELECT
        daily.*,
        sum(delta) OVER (
            PARTITION BY converted_on, channel, model, currency ORDER BY as_of
            ROWS BETWEEN UNBOUNDED PRECEDING AND CURRENT ROW
        ) AS total
    FROM daily
)

SELECT
    running.as_of,
    running.converted_on,
    running.channel,
    running.model,
    running.currency,
    running.total - running.delta AS before,
    running.total AS after,
    running.delta
FROM running
JOIN known ON known.converted_on = running.converted_on AND known.model = running.model
WHERE running.as_of > known.first_as_of AND abs(running.delta) >= 0.005
