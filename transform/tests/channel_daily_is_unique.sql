SELECT converted_on, channel, model, coalesce(currency, '') AS currency
FROM {{ ref('fct_channel_daily') }} AS daily
GROUP BY converted_on, channel, model, coalesce(currency, '')
HAVING count(*) > 1
