{{ config(materialized='table') }}
SELECT
    program_id,
    min(program_name) AS program_name,
    min(program_url) AS program_url,
    min(currency) AS currency,
    min(status) AS status,
    max(approval_status) AS approval_status,
    min(category_name) AS category_name,
    max(cookie_duration) AS cookie_duration,
    count(DISTINCT market) AS markets,
    count(DISTINCT channel_id) AS channels
FROM {{ ref('stg_adtraction__programs') }} AS program
GROUP BY program_id
