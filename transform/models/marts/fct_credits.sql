{{ config(materialized='table') }}
-- Every model's credit for a conversion, one row per touch. Shares of one conversion and model sum
-- to 1; conversions without a touch in the look-back have only the vendors' rows.
WITH touch AS (
    SELECT
        journey.conversion_key,
        journey.touch_key,
        journey.channel,
        journey.channel_group,
        conversion.amount,
        conversion.currency,
        CAST(journey.touches AS double precision) AS touches,
        CAST(journey.channel_touches AS double precision) AS channel_touches,
        journey.is_first,
        journey.is_last,
        journey.is_last_non_direct,
        -- at most 500 halvings: PostgreSQL refuses powers that underflow
        power(0.5, CASE WHEN journey.seconds_before < 500 * 7 * 86400.0
            THEN journey.seconds_before / (7 * 86400.0) ELSE 500 END) AS decayed,
        coalesce(effect.removal_effect, 0) / journey.channel_touches AS effect
    FROM {{ ref('int_journeys') }} AS journey
    JOIN {{ ref('int_conversions__unioned') }} AS conversion ON conversion.conversion_key = journey.conversion_key
    LEFT JOIN {{ ref('fct_channel_effects') }} AS effect ON effect.channel = journey.channel
    WHERE journey.in_lookback
),

whole AS (
    SELECT
        conversion_key,
        sum(decayed) AS decayed,
        sum(1 / channel_touches) AS channels,
        sum(effect) AS effect
    FROM touch
    GROUP BY conversion_key
),

weighed AS (
    SELECT
        touch.conversion_key,
        touch.touch_key,
        touch.channel,
        touch.channel_group,
        touch.amount,
        touch.currency,
        touch.is_first,
        touch.is_last,
        touch.is_last_non_direct,
        1 / touch.touches AS linear,
        CASE
            WHEN touch.touches <= 2 THEN 1 / touch.touches
            WHEN touch.is_first OR touch.is_last THEN 0.4
            ELSE 0.2 / (touch.touches - 2)
        END AS position_40_20_40,
        touch.decayed / whole.decayed AS time_decay_7d,
        1 / touch.channel_touches / round(whole.channels) AS shapley,
        touch.effect / nullif(whole.effect, 0) AS markov_1
    FROM touch
    JOIN whole ON whole.conversion_key = touch.conversion_key
),

vendor AS (
    SELECT
        conversion.conversion_key, 'vendor' AS source, 'ecdp' AS model,
        'channel:' || channel.channel AS touch_key, channel.channel, channel.channel_group,
        CAST(1 AS double precision) AS credit
    FROM {{ ref('int_conversions__unioned') }} AS conversion
    JOIN {{ ref('stg_ecdp__orders') }} AS orders ON orders.order_key = conversion.order_key
    JOIN {{ ref('int_channels__mapped') }} AS channel
        ON channel.vendor = 'ecdp' AND channel.channel_raw = orders.channel_raw
    UNION ALL
    SELECT
        conversion.conversion_key, 'vendor', 'attribution_io:' || output.model_name,
        coalesce(touch.touch_key, 'channel:' || coalesce(touch.channel, named.channel)),
        coalesce(touch.channel, named.channel), coalesce(touch.channel_group, named.channel_group),
        output.credit
    FROM {{ ref('stg_attribution_io__credits') }} AS output
    JOIN {{ ref('int_conversions__unioned') }} AS conversion
        ON conversion.source = 'attribution_io' AND conversion.event_id = CAST(output.event_id AS varchar)
    JOIN {{ ref('int_channels__mapped') }} AS named
        ON named.vendor = 'attribution_io'
        AND named.channel_raw = '(none)'
        AND named.medium = lower(coalesce(output.medium, '(none)'))
        AND named.traffic_source = lower(coalesce(output.source, '(none)'))
        AND named.campaign = lower(coalesce(output.campaign, '(none)'))
    LEFT JOIN {{ ref('int_touches__channelled') }} AS touch
        ON touch.touch_key = 'attribution_io:' || CAST(output.touchpoint_id AS varchar)
    WHERE output.model_name IS NOT NULL AND output.credit IS NOT NULL
),

session AS (
    SELECT
        coalesce(event.conversion_key, own.conversion_key) AS conversion_key,
        CASE WHEN event.conversion_key IS NULL
            THEN 'ihc:' || session.conv_type_id || ':' || session.conversion_id || ':' || session.session_id
            ELSE 'attribution_io:' || session.session_id END AS touch_key,
        session.conv_type_id,
        session.channel_raw,
        session.ihc,
        session.initializer,
        session.holder,
        session.closer
    FROM {{ ref('stg_ihc__credits') }} AS session
    LEFT JOIN {{ ref('int_conversions__unioned') }} AS event
        ON event.conversion_key = 'attribution_io:' || session.conversion_id
    LEFT JOIN {{ ref('int_conversions__unioned') }} AS own
        ON own.conversion_key = 'ihc:' || session.conv_type_id || ':' || session.conversion_id
),

ihc AS (
    SELECT
        session.conversion_key, session.conv_type_id,
        coalesce(touch.touch_key, 'channel:' || session.channel_raw) AS touch_key,
        coalesce(touch.channel, named.channel) AS channel,
        coalesce(touch.channel_group, named.channel_group) AS channel_group,
        session.ihc, session.initializer, session.holder, session.closer
    FROM session
    JOIN {{ ref('int_channels__mapped') }} AS named
        ON named.vendor = 'ihc' AND named.channel_raw = session.channel_raw
    LEFT JOIN {{ ref('int_touches__channelled') }} AS touch ON touch.touch_key = session.touch_key
    WHERE session.conversion_key IS NOT NULL
),

computed AS (
    SELECT
        ihc.*,
        -- conversion types are different models: if there are several, their names contain the type
        CASE WHEN (SELECT count(DISTINCT conv_type_id) FROM ihc) > 1 THEN ':' || conv_type_id ELSE '' END AS suffix
    FROM ihc
),

given AS (
    SELECT conversion_key, source, model, touch_key, channel, channel_group, sum(credit) AS credit
    FROM vendor
    GROUP BY conversion_key, source, model, touch_key, channel, channel_group
    {% for model, share in [('ihc', 'ihc'), ('ihc_initializer', 'initializer'), ('ihc_holder', 'holder'), ('ihc_closer', 'closer')] %}
    UNION ALL
    SELECT conversion_key, 'ihc', '{{ model }}' || suffix, touch_key, channel, channel_group, sum({{ share }})
    FROM computed
    GROUP BY conversion_key, suffix, touch_key, channel, channel_group
    {% endfor %}
),

credit AS (
    {% for model, credit, condition in [
        ('first', '1.0', 'is_first'),
        ('last', '1.0', 'is_last'),
        ('last_non_direct', '1.0', 'is_last_non_direct'),
        ('linear', 'linear', 'TRUE'),
        ('position_40_20_40', 'position_40_20_40', 'TRUE'),
        ('time_decay_7d', 'time_decay_7d', 'TRUE'),
        ('shapley', 'shapley', 'TRUE'),
        ('markov_1', 'markov_1', 'TRUE'),
    ] %}
    SELECT conversion_key, 'sql' AS source, '{{ model }}' AS model, touch_key, channel, channel_group,
        CAST({{ credit }} AS double precision) AS credit, amount, currency
    FROM weighed
    WHERE {{ condition }}
    UNION ALL
    {% endfor %}
    SELECT given.conversion_key, given.source, given.model, given.touch_key, given.channel, given.channel_group,
        given.credit, conversion.amount, conversion.currency
    FROM given
    JOIN {{ ref('int_conversions__unioned') }} AS conversion ON conversion.conversion_key = given.conversion_key
)

SELECT conversion_key, source, model, touch_key, channel, channel_group, credit, credit * amount AS amount, currency
FROM credit
WHERE credit <> 0
