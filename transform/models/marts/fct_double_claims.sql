{{ config(materialized='table') }}
-- Conversions that more than one vendor claims. A vendor with several models claims once, by the model
-- that claims most. IHC and the models of this project do not claim conversions.
WITH claimed AS (
    SELECT
        conversion_key,
        CASE WHEN model LIKE 'attribution_io:%' THEN 'attribution_io' ELSE model END AS claimant,
        model,
        channel,
        sum(credit) AS credit
    FROM {{ ref('fct_credits') }} AS credit
    WHERE source = 'vendor'
    GROUP BY conversion_key, model, channel
),

total AS (
    SELECT
        conversion_key,
        claimant,
        model,
        sum(credit) AS credit,
        row_number() OVER (PARTITION BY conversion_key, claimant ORDER BY sum(credit) DESC, model) AS place
    FROM claimed
    GROUP BY conversion_key, claimant, model
),

claim AS (
    SELECT claimed.conversion_key, claimed.claimant, claimed.model, claimed.channel, claimed.credit
    FROM claimed
    JOIN total
        ON total.conversion_key = claimed.conversion_key AND total.model = claimed.model AND total.place = 1
),

summed AS (
    SELECT
        conversion_key,
        count(DISTINCT claimant) AS vendors,
        count(DISTINCT channel) AS channels,
        sum(credit) AS total_claimed,
        {{ json_objects(json_object_of("'claimant', claimant, 'model', model, 'channel', channel, 'share', credit"), "claimant || ' ' || channel") }}
            AS claimants
    FROM claim
    GROUP BY conversion_key
)

SELECT
    summed.conversion_key,
    conversion.converted_on,
    summed.vendors,
    summed.claimants,
    summed.channels,
    summed.total_claimed,
    conversion.amount,
    (summed.total_claimed - 1) * conversion.amount AS amount_over,
    conversion.currency
FROM summed
JOIN {{ ref('int_conversions__unioned') }} AS conversion ON conversion.conversion_key = summed.conversion_key
WHERE summed.vendors > 1 AND summed.total_claimed > 1.000001
