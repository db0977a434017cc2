-- Some paths are longer than the variable `markov_rounds` permits.
SELECT channel, residual
FROM {{ ref('fct_channel_effects') }} AS effect
WHERE abs(residual) > 0.000000001
