{{ config(materialized='view') }}
SELECT
    event.id,
    'attribution_io:' || CAST(event.id AS varchar) AS event_key,
    event.client_id,
    coalesce(event.event_type_name, CAST(event.event_type_id AS varchar)) AS event_type,
    event.created_at AS occurred_at,
    CAST(event.amount AS double precision) AS amount,
    nullif('{{ currency_of('attribution_io_currency') }}', '') AS currency,
    nullif(trim(event.transaction_id), '') AS transaction_id,
    coalesce(event.is_informational IS NOT TRUE AND CAST(event.amount AS double precision) > 0, FALSE)
        AS is_conversion
FROM {{ loaded('tap_attribution_io', 'events') }} AS event
