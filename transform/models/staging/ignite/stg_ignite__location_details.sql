{{ config(materialized='view') }}
SELECT
    location.website,
    location.id AS location_id,
    location.city,
    location.state,
    location.zip,
    location.hashed_emails,
    location.summary,
    location.pages
FROM {{ loaded('tap_ignite', 'location_details') }} AS location
