{{ config(materialized='table') }}
-- A row links an id of a person with another; an id without any other is linked with itself. An id that
-- more clients have than `shared_id_limit` belongs to a device or a shop, not to a person, and links
-- nothing.
WITH shared AS (
    SELECT id
    FROM (
        SELECT identity_client_id AS id, client_id FROM {{ ref('stg_attribution_io__identities') }} AS identity
        UNION
        SELECT alias, client_id FROM {{ ref('stg_attribution_io__identities') }} AS identity
    ) AS used
    WHERE id IS NOT NULL
    GROUP BY id
    HAVING count(*) > {{ var('shared_id_limit') }}
),

link AS (
    SELECT
        'ecdp' AS source,
        {{ person_id('ecdp', 'orders.customer_id') }} AS source_id,
        {{ person_id('email', 'orders.email_hash') }} AS linked_id
    FROM {{ ref('stg_ecdp__orders') }} AS orders
    WHERE orders.customer_id IS NOT NULL
    UNION
    SELECT 'ignite', {{ person_id('ignite', 'visitor.email_hash') }}, {{ person_id('email', 'visitor.email_hash') }}
    FROM {{ ref('stg_ignite__visitors') }} AS visitor
    WHERE visitor.algorithm = 'sha2'
    UNION
    SELECT
        'attribution_io',
        {{ person_id('attribution_io', 'client.client_id') }},
        CASE WHEN client.client_id LIKE '%_@_%' THEN {{ person_id('email', sha256_of('lower(trim(client.client_id))')) }} END
    FROM (
        SELECT client_id FROM {{ ref('stg_attribution_io__touchpoints') }} AS touchpoint
        UNION
        SELECT client_id FROM {{ ref('stg_attribution_io__events') }} AS event
        UNION
        SELECT client_id FROM {{ ref('stg_attribution_io__identities') }} AS identity
        UNION
        SELECT identity_client_id FROM {{ ref('stg_attribution_io__identities') }} AS identity
        UNION
        SELECT alias FROM {{ ref('stg_attribution_io__identities') }} AS identity
    ) AS client
    WHERE {{ is_id('client.client_id') }}
    UNION
    SELECT
        'attribution_io',
        {{ person_id('attribution_io', 'identity.client_id') }},
        {{ person_id('attribution_io', 'identity.identity_client_id') }}
    FROM {{ ref('stg_attribution_io__identities') }} AS identity
    LEFT JOIN shared ON shared.id = identity.identity_client_id
    WHERE shared.id IS NULL AND {{ is_id('identity.client_id') }} AND {{ is_id('identity.identity_client_id') }}
    UNION
    SELECT
        'attribution_io',
        {{ person_id('attribution_io', 'identity.client_id') }},
        {{ person_id('attribution_io', 'identity.alias') }}
    FROM {{ ref('stg_attribution_io__identities') }} AS identity
    LEFT JOIN shared ON shared.id = identity.alias
    WHERE shared.id IS NULL AND {{ is_id('identity.client_id') }} AND {{ is_id('identity.alias') }}
)

SELECT DISTINCT source, source_id, coalesce(linked_id, source_id) AS linked_id
FROM link
