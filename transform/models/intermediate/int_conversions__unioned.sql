{{ config(materialized='table') }}
-- Orders of ECDP, conversion events of Attribution.io, and conversions that only IHC has. An order
-- and an event with the order's id as its transaction are one conversion. The event represents it,
-- because its journey is known. Websites may share order ids, so the nearest in time are matched.
WITH near AS (
    SELECT
        event.event_key,
        orders.order_key,
        abs({{ epoch_seconds('event.occurred_at') }} - {{ epoch_seconds('orders.ordered_at') }}) AS seconds
    FROM {{ ref('stg_attribution_io__events') }} AS event
    JOIN {{ ref('stg_ecdp__orders') }} AS orders ON orders.order_id = event.transaction_id
    WHERE event.is_conversion AND event.occurred_at IS NOT NULL
),

ranked AS (
    SELECT
        event_key,
        order_key,
        row_number() OVER (PARTITION BY event_key ORDER BY seconds NULLS LAST, order_key) AS place_for_event,
        row_number() OVER (PARTITION BY order_key ORDER BY seconds NULLS LAST, event_key) AS place_for_order
    FROM near
),

matched AS (
    SELECT event_key, order_key FROM ranked WHERE place_for_event = 1 AND place_for_order = 1
),

kept AS (
    -- the share of an order that was not returned
    SELECT order_key, sum(net_amount) / nullif(sum(unit_price * quantity), 0) AS share
    FROM {{ ref('stg_ecdp__order_lines') }} AS line
    GROUP BY order_key
),

priced AS (
    -- the amount in the reporting currency if that currency is known, else in the order's
    SELECT
        orders.order_key,
        'ecdp:' || orders.order_key AS conversion_key,
        {{ person_id('ecdp', 'orders.customer_id') }} AS source_id,
        orders.ordered_at,
        CASE WHEN orders.currency IS NULL AND orders.original_currency IS NOT NULL
            THEN orders.original_amount ELSE orders.amount END AS amount,
        coalesce(orders.currency, orders.original_currency) AS currency,
        kept.share
    FROM {{ ref('stg_ecdp__orders') }} AS orders
    LEFT JOIN kept ON kept.order_key = orders.order_key
),

conversion AS (
    SELECT
        event.event_key AS conversion_key,
        'attribution_io' AS source,
        {{ person_id('attribution_io', 'event.client_id') }} AS source_id,
        event.occurred_at AS converted_at,
        CASE WHEN event.currency IS NULL AND priced.amount IS NOT NULL THEN priced.amount ELSE event.amount END AS amount,
        CASE WHEN event.currency IS NULL AND priced.amount IS NOT NULL THEN priced.currency ELSE event.currency END
            AS currency,
        priced.share,
        priced.conversion_key AS matched_key,
        CASE WHEN priced.order_key IS NOT NULL THEN 'order_id = transaction_id' END AS match_rule,
        CAST(event.id AS varchar) AS event_id,
        priced.order_key
    FROM {{ ref('stg_attribution_io__events') }} AS event
    LEFT JOIN matched ON matched.event_key = event.event_key
    LEFT JOIN priced ON priced.order_key = matched.order_key
    WHERE event.is_conversion AND event.occurred_at IS NOT NULL
    UNION ALL
    SELECT
        priced.conversion_key, 'ecdp', priced.source_id, priced.ordered_at, priced.amount, priced.currency,
        priced.share, NULL, NULL, NULL, priced.order_key
    FROM priced
    LEFT JOIN matched ON matched.order_key = priced.order_key
    WHERE matched.order_key IS NULL AND priced.ordered_at IS NOT NULL
    UNION ALL
    SELECT
        'ihc:' || session.conv_type_id || ':' || session.conversion_id, 'ihc',
        {{ person_id('ihc', "session.conv_type_id || ':' || session.conversion_id") }}, max(session.converted_at),
        CAST(NULL AS double precision), CAST(NULL AS varchar), CAST(NULL AS double precision), NULL, NULL, NULL, NULL
    FROM {{ ref('stg_ihc__credits') }} AS session
    -- IHC keeps the credits of events that Attribution.io has withdrawn
    LEFT JOIN (
        SELECT id FROM {{ ref('stg_attribution_io__events') }} AS current_event
        UNION
        SELECT id FROM {{ loaded('tap_attribution_io', 'events__versions') }} AS version
    ) AS event ON CAST(event.id AS varchar) = session.conversion_id
    WHERE event.id IS NULL AND session.converted_at IS NOT NULL
    GROUP BY session.conv_type_id, session.conversion_id
),

dated AS (
    SELECT
        conversion.*,
        coalesce(person.person_key, conversion.source_id, conversion.conversion_key) AS person_key,
        {{ reporting_day('conversion.converted_at') }} AS converted_on
    FROM conversion
    LEFT JOIN {{ ref('int_persons__stitched') }} AS person
        ON person.source = conversion.source AND person.source_id = conversion.source_id
),

{{ rates(ref('fx_rates')) }},

converted AS (
    SELECT dated.*, {{ converted('dated.amount', 'dated.currency') }} AS converted_amount
    FROM dated
    {{ join_rate('dated.currency', 'dated.converted_on') }}
)

SELECT
    conversion_key,
    source,
    person_key,
    converted_at,
    converted_on,
    converted_amount AS amount,
    converted_amount * share AS net_amount,
    {{ converted_currency('currency') }} AS currency,
    amount AS original_amount,
    currency AS original_currency,
    row_number() OVER (PARTITION BY person_key ORDER BY converted_at, conversion_key) = 1 AS is_first_of_person,
    matched_key,
    match_rule,
    event_id,
    order_key
FROM converted
