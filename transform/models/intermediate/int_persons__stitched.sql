{{ config(materialized='table') }}
-- A person is a group of ids that links connect; its key is the smallest id. The second half of the
-- rounds merges the few labels that are still connected after the first half. The test
-- `persons_are_stitched` fails if a link is left between two persons.
{% set first = (var('stitching_rounds') | int) // 2 %}
{% set rounds = (var('stitching_rounds') | int) - first %}
WITH connected AS (
    SELECT DISTINCT own.label AS one, other.label AS other
    FROM {{ ref('int_persons__linked') }} AS link
    JOIN {{ ref('int_persons__labelled') }} AS own ON own.id = link.source_id
    JOIN {{ ref('int_persons__labelled') }} AS other ON other.id = link.linked_id
    WHERE own.label <> other.label
),

edge AS (
    SELECT one, other FROM connected
    UNION
    SELECT other, one FROM connected
),

{{ labelled(rounds) }}

source_id AS (
    SELECT DISTINCT source, source_id FROM {{ ref('int_persons__linked') }} AS link
)

SELECT
    source_id.source,
    source_id.source_id,
    coalesce(final.label, first.label, source_id.source_id) AS person_key,
    CASE WHEN final.label <> first.label THEN {{ first }} + final.hops ELSE coalesce(first.hops, 0) END AS hops
FROM source_id
LEFT JOIN {{ ref('int_persons__labelled') }} AS first ON first.id = source_id.source_id
LEFT JOIN label_{{ rounds }} AS final ON final.id = first.label
