{{ config(materialized='table') }}
-- touches of all sources with the values that determine their channel, in lower case
SELECT
    touchpoint.touch_key,
    'attribution_io' AS source,
    {{ person_id('attribution_io', 'touchpoint.client_id') }} AS source_id,
    touchpoint.occurred_at,
    CAST('(none)' AS varchar) AS channel_raw,
    lower(coalesce(
        touchpoint.medium,
        touchpoint.utm_medium,
        CASE
            WHEN touchpoint.has_gclid THEN 'cpc'
            WHEN touchpoint.utm_source IS NULL AND touchpoint.referrer_host <> coalesce(touchpoint.url_host, '')
                THEN 'referral'
        END,
        '(none)'
    )) AS medium,
    lower(coalesce(
        touchpoint.source,
        touchpoint.utm_source,
        CASE WHEN touchpoint.has_gclid THEN 'google' END,
        CASE WHEN touchpoint.referrer_host <> coalesce(touchpoint.url_host, '') THEN touchpoint.referrer_host END,
        '(none)'
    )) AS traffic_source,
    lower(coalesce(touchpoint.campaign, touchpoint.utm_campaign, '(none)')) AS campaign,
    touchpoint.url_host
FROM {{ ref('stg_attribution_io__touchpoints') }} AS touchpoint
WHERE touchpoint.occurred_at IS NOT NULL
UNION ALL
-- sessions that were sent to IHC from elsewhere, such as a file; not those of withdrawn events
SELECT
    'ihc:' || session.conv_type_id || ':' || session.conversion_id || ':' || session.session_id,
    'ihc',
    {{ person_id('ihc', "session.conv_type_id || ':' || session.conversion_id") }},
    session.session_at,
    session.channel_raw,
    lower(session.channel_raw),
    '(none)',
    '(none)',
    NULL
FROM {{ ref('stg_ihc__credits') }} AS session
LEFT JOIN (
    SELECT id FROM {{ ref('stg_attribution_io__events') }} AS current_event
    UNION
    SELECT id FROM {{ loaded('tap_attribution_io', 'events__versions') }} AS version
) AS event ON CAST(event.id AS varchar) = session.conversion_id
WHERE event.id IS NULL AND session.session_at IS NOT NULL AND session.channel_raw IS NOT NULL
