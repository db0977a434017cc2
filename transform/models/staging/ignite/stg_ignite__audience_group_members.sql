{{ config(materialized='view') }}
SELECT
    member.website,
    member.audience_group_id,
    member.algorithm,
    member.hashed_email AS email_hash,
    member.window_start
FROM {{ loaded('tap_ignite', 'audience_group_members') }} AS member
