{{ config(materialized='view') }}
SELECT
    visitor.website,
    visitor.algorithm,
    visitor.hashed_email AS email_hash,
    visitor.window_start
FROM {{ loaded('tap_ignite', 'visitors') }} AS visitor
