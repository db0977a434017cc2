{{ config(materialized='view') }}
SELECT
    location.website,
    location.id AS location_id,
    location.city,
    location.state,
    location.zip,
    location.window_start
FROM {{ loaded('tap_ignite', 'locations') }} AS location
