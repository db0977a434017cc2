{{ config(materialized='view') }}
SELECT
    identity.client_id,
    identity.identity_number,
    identity.identity_client_id,
    CAST(NULL AS varchar) AS alias
FROM {{ loaded('tap_attribution_io', 'identities') }} AS identity
UNION
SELECT
    identity.client_id,
    identity.identity_number,
    identity.identity_client_id,
    CAST(item.value AS varchar) AS alias
FROM {{ loaded('tap_attribution_io', 'identities') }} AS identity
{{ json_items('identity.aliases') }}
WHERE item.value IS NOT NULL
