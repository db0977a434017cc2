-- A model credits exactly the amounts of its conversions, to the cent. The test sums differences instead
-- of amounts, and allows more for large amounts, because doubles have 15 digits.
WITH credited AS (
    SELECT credit.model, credit.currency, credit.conversion_key, sum(credit.amount) AS amount, sum(credit.credit) AS credit
    FROM {{ ref('fct_credits') }} AS credit
    GROUP BY credit.model, credit.currency, credit.conversion_key
)

SELECT credited.model, credited.currency, sum(credited.amount) AS credited, sum(conversion.amount) AS converted
FROM credited
JOIN {{ ref('fct_conversions') }} AS conversion ON conversion.conversion_key = credited.conversion_key
WHERE abs(credited.credit - 1) <= 0.000000001
GROUP BY credited.model, credited.currency
HAVING abs(sum(credited.amount - conversion.amount)) >= 0.005 + 1e-14 * sum(abs(conversion.amount))
