-- Too many touches match no rule: add rules to `channel_rules`.
SELECT unassigned, touches
FROM (
    SELECT sum(CASE WHEN channel_group = 'Unassigned' THEN 1.0 ELSE 0.0 END) AS unassigned, count(*) AS touches
    FROM {{ ref('int_touches__channelled') }} AS touch
) AS counted
WHERE unassigned > {{ var('unassigned_limit') }} * touches
