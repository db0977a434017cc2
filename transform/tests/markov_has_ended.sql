-- Paths are longer than the variable `markov_rounds` allows for.
SELECT channel, residual
FROM {{ ref('fct_channel_effects') }} AS effect
WHERE abs(residual) > 0.000000001
