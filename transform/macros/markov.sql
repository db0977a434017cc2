{# Rounds of doubling: `visits` sums the powers 0 to 2^round - 1 of the transitions, `power` is the
   power 2^round. Begins with the CTEs `visits_0` and `power_0`. What is less than 1e-100 is dropped,
   because PostgreSQL refuses products that underflow. #}
{%- macro doubled(rounds) -%}
{%- for round in range(1, rounds + 1) %}
visits_{{ round }} AS (
    SELECT from_state, to_state, sum(p) AS p
    FROM (
        SELECT from_state, to_state, p FROM visits_{{ round - 1 }}
        UNION ALL
        SELECT visits.from_state, power.to_state, visits.p * power.p
        FROM visits_{{ round - 1 }} AS visits
        JOIN power_{{ round - 1 }} AS power ON power.from_state = visits.to_state
    ) AS term
    GROUP BY from_state, to_state
    HAVING sum(p) > 1e-100
),

power_{{ round }} AS (
    SELECT one.from_state, other.to_state, sum(one.p * other.p) AS p
    FROM power_{{ round - 1 }} AS one
    JOIN power_{{ round - 1 }} AS other ON other.from_state = one.to_state
    GROUP BY one.from_state, other.to_state
    HAVING sum(one.p * other.p) > 1e-100
),
{% endfor -%}
{%- endmacro -%}
