{{ config(materialized='table') }}
-- The first half of the rounds that `int_persons__stitched` needs, for ids that have a link.
{% set rounds = (var('stitching_rounds') | int) // 2 %}
WITH edge AS (
    SELECT source_id AS one, linked_id AS other
    FROM {{ ref('int_persons__linked') }} AS link
    WHERE linked_id <> source_id
    UNION
    SELECT linked_id, source_id
    FROM {{ ref('int_persons__linked') }} AS link
    WHERE linked_id <> source_id
),

{{ labelled(rounds) }}

labelled AS (
    SELECT id, label, hops FROM label_{{ rounds }}
)

SELECT id, label, hops FROM labelled
