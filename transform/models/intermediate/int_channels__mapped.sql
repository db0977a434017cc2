{{ config(materialized='table') }}
-- Each combination of values that determine a channel, with the first rule of `channel_rules` that
-- matches it. GA4 sorts sources into lists (search, social, video, shopping) first;
-- `source_categories` contains them.
WITH named AS (
    SELECT source AS vendor, channel_raw, medium, traffic_source, campaign
    FROM {{ ref('int_touches__unioned') }} AS touch
    UNION
    SELECT
        'attribution_io', '(none)',
        lower(coalesce(output.medium, '(none)')),
        lower(coalesce(output.source, '(none)')),
        lower(coalesce(output.campaign, '(none)'))
    FROM {{ ref('stg_attribution_io__credits') }} AS output
    UNION
    SELECT 'ecdp', orders.channel_raw, '(none)', '(none)', '(none)'
    FROM {{ ref('stg_ecdp__orders') }} AS orders
    WHERE orders.channel_raw IS NOT NULL
    UNION
    -- earlier credits of the vendors, which are only in the history of their rows
    SELECT 'ecdp', version.channel, '(none)', '(none)', '(none)'
    FROM {{ loaded('tap_ecdp', 'attributed_orders__versions') }} AS version
    WHERE version.channel IS NOT NULL
    UNION
    SELECT
        'attribution_io', '(none)',
        lower(coalesce(version.medium_name, '(none)')),
        lower(coalesce(version.source_name, '(none)')),
        lower(coalesce(version.campaign_name, '(none)'))
    FROM {{ loaded('tap_attribution_io', 'event_attributions__versions') }} AS version
    UNION
    SELECT 'ihc', session.channel_raw, lower(session.channel_raw), '(none)', '(none)'
    FROM {{ ref('stg_ihc__credits') }} AS session
    WHERE session.channel_raw IS NOT NULL
),

categorised AS (
    SELECT traffic_source.name, min(category.category) AS category
    FROM (SELECT DISTINCT traffic_source AS name FROM named) AS traffic_source
    JOIN {{ ref('source_categories') }} AS category
        ON traffic_source.name LIKE category.source
        OR traffic_source.name LIKE '%.' || category.source
        OR traffic_source.name LIKE category.source || '.%'
        OR traffic_source.name LIKE '%.' || category.source || '.%'
    GROUP BY traffic_source.name
),

described AS (
    SELECT named.*, coalesce(categorised.category, '(none)') AS source_category
    FROM named
    LEFT JOIN categorised ON categorised.name = named.traffic_source
),

fitting AS (
    SELECT
        described.vendor,
        described.channel_raw,
        described.medium,
        described.traffic_source,
        described.campaign,
        min(rule.priority) AS priority
    FROM described
    JOIN {{ ref('channel_rules') }} AS rule
        ON rule.vendor IN ('*', described.vendor)
        AND {{ rule_fits('') }}
        AND {{ rule_fits('and_') }}
    GROUP BY
        described.vendor, described.channel_raw, described.medium, described.traffic_source, described.campaign
)

SELECT
    described.vendor,
    described.channel_raw,
    described.medium,
    described.traffic_source,
    described.campaign,
    -- a label that was sent to IHC is the channel's name, whatever group it is in
    CASE WHEN described.vendor = 'ihc' THEN described.channel_raw ELSE coalesce(rule.channel, 'Unassigned') END AS channel,
    coalesce(rule.channel_group, 'Unassigned') AS channel_group,
    coalesce(rule.is_paid, FALSE) AS is_paid,
    coalesce(rule.is_direct, FALSE) AS is_direct,
    rule.priority AS rule_priority
FROM described
LEFT JOIN fitting
    ON fitting.vendor = described.vendor
    AND fitting.channel_raw = described.channel_raw
    AND fitting.medium = described.medium
    AND fitting.traffic_source = described.traffic_source
    AND fitting.campaign = described.campaign
LEFT JOIN {{ ref('channel_rules') }} AS rule ON rule.priority = fitting.priority
