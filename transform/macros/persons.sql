{# An id in lower case; null for placeholders that shops send for unknown persons. #}
{%- macro known_id(id) -%}
CASE WHEN lower(trim(CAST({{ id }} AS varchar))) NOT IN ('', '0', '-1', 'null', 'none', 'nil', 'undefined', 'unknown', 'anonymous', 'guest')
        THEN lower(trim(CAST({{ id }} AS varchar))) END
{%- endmacro -%}

{# The SHA-256 of an e-mail address, or the keyed hash that a tap with `pii: hash` sends for it. #}
{%- macro email_hash(address) -%}
CASE WHEN {{ address }} LIKE '%_@_%' THEN {{ sha256_of(known_id(address)) }}
        WHEN length({{ address }}) = 64 THEN {{ address }} END
{%- endmacro -%}

{# A source's id of a person, as a hash: the models do not contain e-mail addresses or client ids. #}
{%- macro person_id(source, id) -%}
substr({{ sha256_of("'" ~ source ~ ":' || " ~ known_id(id)) }}, 1, 32)
{%- endmacro -%}

{# Rounds that give each id of the CTE `edge` (`one`, `other`; in both directions) the smallest id
   that it is connected with, as `label_<rounds>`. A round offers each id, and its label, the smallest
   label of the id's neighbours, and then takes twice the label of the label. No step joins more than
   two of these CTEs, because PostgreSQL assumes 200 rows for each of them and would multiply two. #}
{%- macro labelled(rounds) -%}
label_0 AS (
    SELECT DISTINCT one AS id, one AS label, 0 AS hops FROM edge
),
{%- for round in range(1, rounds + 1) %}

offer_{{ round }} AS (
    SELECT edge.one AS id, min(neighbour.label) AS offered
    FROM edge
    JOIN label_{{ round - 1 }} AS neighbour ON neighbour.id = edge.other
    GROUP BY edge.one
),

smaller_{{ round }} AS (
    SELECT own.id, own.label, offer.offered
    FROM offer_{{ round }} AS offer
    JOIN label_{{ round - 1 }} AS own ON own.id = offer.id AND offer.offered < own.label
),

taken_{{ round }} AS (
    SELECT id, min(label) AS label, max(hops) AS hops
    FROM (
        SELECT id, label, hops FROM label_{{ round - 1 }}
        UNION ALL
        SELECT id, offered, {{ round }} FROM smaller_{{ round }}
        UNION ALL
        SELECT label, offered, {{ round }} FROM smaller_{{ round }}
    ) AS candidate
    GROUP BY id
),
{%- for jump in (1, 2) %}

{{ 'label' if jump == 2 else 'jumped' }}_{{ round }} AS (
    SELECT own.id, next.label, CASE WHEN next.label <> own.label THEN {{ round }} ELSE own.hops END AS hops
    FROM {{ 'taken' if jump == 1 else 'jumped' }}_{{ round }} AS own
    JOIN {{ 'taken' if jump == 1 else 'jumped' }}_{{ round }} AS next ON next.id = own.label
),
{%- endfor %}
{%- endfor %}
{%- endmacro -%}
