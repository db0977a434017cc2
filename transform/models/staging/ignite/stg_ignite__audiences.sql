{{ config(materialized='view') }}
SELECT
    audience.website,
    audience.id AS audience_id,
    audience.primary_category,
    audience.brand,
    audience.model,
    audience.visitors_count
FROM {{ loaded('tap_ignite', 'audiences') }} AS audience
