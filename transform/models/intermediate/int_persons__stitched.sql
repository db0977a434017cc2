{{ config(materialized='table') }}
-- A person is everything that links connect. Each round gives an id the smallest label among its
-- neighbours, then the label of that label, so that a chain of 2^rounds links takes that many.
-- The test `persons_are_stitched` fails if a link is left between two persons.
{% set rounds = var('stitching_rounds') | int %}
WITH edge AS (
    SELECT source_id AS one, linked_id AS other FROM {{ ref('int_persons__linked') }} AS link
    UNION
    SELECT linked_id, source_id FROM {{ ref('int_persons__linked') }} AS link
),

label_0 AS (
    SELECT DISTINCT one AS id, one AS label, 0 AS hops FROM edge
),
{% for round in range(1, rounds + 1) %}
spread_{{ round }} AS (
    SELECT edge.one AS id, min(neighbour.label) AS label
    FROM edge
    JOIN label_{{ round - 1 }} AS neighbour ON neighbour.id = edge.other
    GROUP BY edge.one
),

nearest_{{ round }} AS (
    SELECT
        label.id,
        CASE WHEN spread.label < label.label THEN spread.label ELSE label.label END AS label,
        label.label AS previous,
        label.hops
    FROM label_{{ round - 1 }} AS label
    JOIN spread_{{ round }} AS spread ON spread.id = label.id
),

label_{{ round }} AS (
    SELECT
        own.id,
        CASE WHEN next.label < own.label THEN next.label ELSE own.label END AS label,
        CASE WHEN own.label <> own.previous OR next.label < own.label THEN {{ round }} ELSE own.hops END AS hops
    FROM nearest_{{ round }} AS own
    JOIN nearest_{{ round }} AS next ON next.id = own.label
),
{% endfor %}
source_id AS (
    SELECT DISTINCT source, source_id FROM {{ ref('int_persons__linked') }} AS link
)

SELECT source_id.source, source_id.source_id, label.label AS person_key, label.hops
FROM source_id
JOIN label_{{ rounds }} AS label ON label.id = source_id.source_id
