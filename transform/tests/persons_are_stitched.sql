-- No link is left between two persons. If a link is left, increase the variable `stitching_rounds`.
SELECT link.source, link.source_id
FROM {{ ref('int_persons__linked') }} AS link
JOIN {{ ref('int_persons__stitched') }} AS own ON own.source_id = link.source_id
JOIN {{ ref('int_persons__stitched') }} AS other ON other.source_id = link.linked_id
WHERE own.person_key <> other.person_key
