{{ config(materialized='view') }}
SELECT
    CAST(o.website_id AS varchar) || ':' || o.order_id AS order_key,
    o.website_id,
    o.order_id,
    o.order_date_time AS ordered_at,
    o.channel AS channel_raw,
    o.message_type,
    o.message_id,
    o.customer_id,
    o.customer_crm_id AS crm_id,
    {{ email_hash('o.customer_email') }} AS email_hash,
    CAST(o.order_value_converted AS double precision) AS amount,
    upper(o.reporting_currency) AS currency,
    CAST(o.original_total_value AS double precision) AS original_amount,
    upper(o.original_currency) AS original_currency,
    o.products_count
FROM {{ loaded('tap_ecdp', 'attributed_orders') }} AS o
