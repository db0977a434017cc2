{{ config(materialized='view') }}
WITH named AS (
    -- the vendor's own names of a touchpoint's source, where it has credited the touchpoint
    SELECT
        touchpoint_id,
        min(medium_name) AS medium,
        min(source_name) AS source,
        min(campaign_name) AS campaign
    FROM {{ loaded('tap_attribution_io', 'event_attributions') }} AS output
    GROUP BY touchpoint_id
)

SELECT
    touchpoint.id,
    'attribution_io:' || CAST(touchpoint.id AS varchar) AS touch_key,
    touchpoint.client_id,
    touchpoint.created_at AS occurred_at,
    {{ url_host('touchpoint.url') }} AS url_host,
    {{ url_path('touchpoint.url') }} AS landing_path,
    {{ url_text('touchpoint.url', 'utm_medium') }} AS utm_medium,
    {{ url_text('touchpoint.url', 'utm_source') }} AS utm_source,
    {{ url_text('touchpoint.url', 'utm_campaign') }} AS utm_campaign,
    {{ url_host('touchpoint.referrer') }} AS referrer_host,
    {{ url_parameter('touchpoint.url', 'gclid') }} IS NOT NULL AS has_gclid,
    {{ url_parameter('touchpoint.url', 'fbclid') }} IS NOT NULL AS has_fbclid,
    named.medium,
    named.source,
    named.campaign
FROM {{ loaded('tap_attribution_io', 'touchpoints') }} AS touchpoint
LEFT JOIN named ON named.touchpoint_id = touchpoint.id
