{{ config(materialized='view') }}
SELECT
    feed.channel_id,
    feed.program_id,
    feed.feed_id,
    feed.name,
    feed.feed_url,
    feed.last_updated,
    feed.number_of_products,
    feed.approval_status
FROM {{ loaded('tap_adtraction', 'feeds') }} AS feed
