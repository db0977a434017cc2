{{ config(materialized='table', meta={'requires': ['int_touches__channelled']}) }}
-- The removal effect of a channel in the first-order Markov chain: the share of the conversions that
-- is lost when every transition into the channel leads to `null` instead. With N the expected visits
-- of the chain and c the probability of a conversion, it is N(start, channel) / N(channel, channel)
-- * c(channel) / c(start): the lost paths are those that pass the channel and then convert.
--
-- N is the sum of all powers of the transitions between states that are not left for good. Each
-- round doubles the number of powers, so {{ var('markov_rounds') }} rounds sum 2^{{ var('markov_rounds') }} steps. `int_markov` has done the first
-- half of them. `residual` is the share of paths that have not ended by then.
{% set rounds = (var('markov_rounds') | int) - (var('markov_rounds') | int) // 2 %}
WITH visits_0 AS (
    SELECT from_state, to_state, p FROM {{ ref('int_markov') }} AS markov WHERE part = 'visits'
),

power_0 AS (
    SELECT from_state, to_state, p FROM {{ ref('int_markov') }} AS markov WHERE part = 'power'
),
{{ doubled(rounds) }}
ended AS (
    -- from each state, the probability of each end
    SELECT visits.from_state, probability.to_state, sum(visits.p * probability.p) AS p
    FROM visits_{{ rounds }} AS visits
    JOIN {{ ref('int_markov') }} AS probability
        ON probability.from_state = visits.to_state AND probability.part = 'end'
    GROUP BY visits.from_state, probability.to_state
),

effect AS (
    SELECT
        visited.to_state AS state,
        CASE
            WHEN started.p > 0 THEN visited.p / own.p * coalesce(converted.p, 0) / started.p
            ELSE 0.0
        END AS removal_effect
    FROM visits_{{ rounds }} AS visited
    JOIN visits_{{ rounds }} AS own ON own.from_state = visited.to_state AND own.to_state = visited.to_state
    LEFT JOIN ended AS converted ON converted.from_state = visited.to_state AND converted.to_state = 'conversion'
    LEFT JOIN ended AS started ON started.from_state = 'start' AND started.to_state = 'conversion'
    WHERE visited.from_state = 'start' AND visited.to_state <> 'start'
),

passed AS (
    SELECT
        channel,
        count(CASE WHEN converts = 1 THEN 1 END) AS converting_paths,
        count(CASE WHEN converts = 0 THEN 1 END) AS null_paths
    FROM (
        -- a path that passes a channel twice is one path
        SELECT 1 AS converts, conversion_key AS path_key, channel
        FROM {{ ref('int_journeys') }} AS journey
        WHERE in_lookback
        UNION
        SELECT 0, path_key, channel FROM {{ ref('int_paths_without_conversion') }} AS path
    ) AS visit
    GROUP BY channel
)

SELECT
    passed.channel,
    effect.removal_effect,
    effect.removal_effect / nullif(sum(effect.removal_effect) OVER (), 0) AS share,
    passed.converting_paths,
    passed.null_paths,
    passed.converting_paths + passed.null_paths AS paths,
    1 - (SELECT sum(p) FROM ended WHERE from_state = 'start') AS residual
FROM passed
JOIN effect ON effect.state = 'channel:' || passed.channel
