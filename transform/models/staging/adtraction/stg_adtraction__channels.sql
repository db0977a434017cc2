{{ config(materialized='view') }}
SELECT
    channel.channel_id,
    channel.channel_name,
    channel.channel_description,
    channel.channel_url,
    channel.channel_type,
    channel.affiliate_id,
    channel.approval_status,
    channel.application_date,
    channel.reject_reason,
    channel.reason_text
FROM {{ loaded('tap_adtraction', 'channels') }} AS channel
