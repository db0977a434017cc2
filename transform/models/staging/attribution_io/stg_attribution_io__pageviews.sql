{{ config(materialized='view') }}
SELECT
    pageview.id,
    pageview.client_id,
    pageview.created_at AS occurred_at,
    {{ url_host('pageview.url') }} AS url_host,
    {{ url_path('pageview.url') }} AS path
FROM {{ loaded('tap_attribution_io', 'pageviews') }} AS pageview
