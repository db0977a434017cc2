{{ config(materialized='table', meta={'requires': ['int_touches__channelled']}) }}
-- How often one state of the Markov chain follows another. States are `start`, `conversion`, `null`
-- and the channels, whose names begin with `channel:` here so that none is confused with the others.
WITH visit AS (
    SELECT 'conversion' AS outcome, conversion_key AS path_key, 'channel:' || channel AS state, position, touches
    FROM {{ ref('int_journeys') }} AS journey
    WHERE in_lookback
    UNION ALL
    SELECT 'null', path_key, 'channel:' || channel, position, touches
    FROM {{ ref('int_paths_without_conversion') }} AS path
),

step AS (
    SELECT
        coalesce(lag(state) OVER (PARTITION BY outcome, path_key ORDER BY position), 'start') AS from_state,
        state AS to_state
    FROM visit
    UNION ALL
    SELECT state, outcome FROM visit WHERE position = touches
)

SELECT from_state, to_state, count(*) AS transitions
FROM step
GROUP BY from_state, to_state
