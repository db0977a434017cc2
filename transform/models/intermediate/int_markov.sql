{{ config(materialized='table', meta={'requires': ['int_touches__channelled']}) }}
-- The first half of the rounds of the Markov chain, which `fct_channel_effects` explains. Steps from a
-- channel to itself do not change the visits and are removed, which leaves less to sum.
{% set rounds = (var('markov_rounds') | int) // 2 %}
WITH counted AS (
    SELECT from_state, to_state, CAST(transitions AS double precision) AS transitions
    FROM {{ ref('int_transitions') }} AS transition
    WHERE from_state <> to_state
),

left_from AS (
    SELECT from_state, sum(transitions) AS transitions FROM counted GROUP BY from_state
),

probability AS (
    SELECT counted.from_state, counted.to_state, counted.transitions / left_from.transitions AS p
    FROM counted
    JOIN left_from ON left_from.from_state = counted.from_state
),

power_0 AS (
    SELECT from_state, to_state, p FROM probability WHERE to_state NOT IN ('conversion', 'null')
),

visits_0 AS (
    SELECT from_state, from_state AS to_state, CAST(1 AS double precision) AS p FROM left_from
),
{{ doubled(rounds) }}
kept AS (
    SELECT 'end' AS part, from_state, to_state, p FROM probability WHERE to_state IN ('conversion', 'null')
    UNION ALL
    SELECT 'visits', from_state, to_state, p FROM visits_{{ rounds }}
    UNION ALL
    SELECT 'power', from_state, to_state, p FROM power_{{ rounds }}
)

SELECT part, from_state, to_state, p FROM kept
