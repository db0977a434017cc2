{{ config(materialized='view') }}
SELECT
    audience_group.website,
    audience_group.id AS audience_group_id,
    audience_group.label,
    audience_group.primary_categories,
    audience_group.brands,
    audience_group.models,
    audience_group.visitors_count
FROM {{ loaded('tap_ignite', 'audience_groups') }} AS audience_group
