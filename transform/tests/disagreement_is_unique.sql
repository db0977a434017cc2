SELECT period, channel, model_a, model_b, coalesce(currency, '') AS currency
FROM {{ ref('fct_model_disagreement') }} AS disagreement
GROUP BY period, channel, model_a, model_b, coalesce(currency, '')
HAVING count(*) > 1 OR min(total_variation) < -0.000000001 OR max(total_variation) > 1.000000001
