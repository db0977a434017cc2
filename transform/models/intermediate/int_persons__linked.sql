{{ config(materialized='table') }}
-- Each row links two ids of a person; an id without a link is linked with itself. An id that more than
-- `shared_id_limit` ids share belongs to a device or a shop, not to a person, and is not used as a link.
WITH link AS (
    SELECT
        'ecdp' AS source,
        {{ person_id('ecdp', 'orders.customer_id') }} AS source_id,
        {{ person_id('email', 'orders.email_hash') }} AS linked_id
    FROM {{ ref('stg_ecdp__orders') }} AS orders
    UNION
    SELECT 'ignite', {{ person_id('ignite', 'visitor.email_hash') }}, {{ person_id('email', 'visitor.email_hash') }}
    FROM {{ ref('stg_ignite__visitors') }} AS visitor
    WHERE visitor.algorithm = 'sha2'
    UNION
    SELECT
        'attribution_io',
        {{ person_id('attribution_io', 'client.client_id') }},
        {{ person_id('email', email_hash('client.client_id')) }}
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
    UNION
    SELECT
        'attribution_io',
        {{ person_id('attribution_io', 'identity.client_id') }},
        {{ person_id('attribution_io', 'identity.identity_client_id') }}
    FROM {{ ref('stg_attribution_io__identities') }} AS identity
    UNION
    SELECT
        'attribution_io',
        {{ person_id('attribution_io', 'identity.client_id') }},
        {{ person_id('attribution_io', 'identity.alias') }}
    FROM {{ ref('stg_attribution_io__identities') }} AS identity
),

shared AS (
    SELECT linked_id FROM link WHERE linked_id <> source_id GROUP BY linked_id HAVING count(*) > {{ var('shared_id_limit') }}
)

SELECT DISTINCT
    link.source,
    link.source_id,
    CASE WHEN shared.linked_id IS NULL THEN coalesce(link.linked_id, link.source_id) ELSE link.source_id END AS linked_id
FROM link
LEFT JOIN shared ON shared.linked_id = link.linked_id
WHERE link.source_id IS NOT NULL
