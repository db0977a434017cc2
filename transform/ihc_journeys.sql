-- Customer journeys for tap-ihc from what tap-attribution-io has loaded: a row is a session, which
-- begins with a touchpoint; a journey is all sessions of a customer before one of their events.
--
-- For DuckDB and PostgreSQL alike. Run it once in the schema that the tap's tables are in
-- (DuckDB: USE tap_attribution_io; PostgreSQL: SET search_path TO tap_attribution_io).
--
-- holder_engagement and closer_engagement follow the example rules of the vendor's document:
-- a session holds with three views or more, and closes if the conversion happens in it.
CREATE OR REPLACE VIEW ihc_journeys AS
WITH conversion AS (
    SELECT id AS event_id, client_id, created_at AS converted_at
    FROM events
    WHERE is_informational IS NOT TRUE AND amount > 0
),
label AS (
    -- the vendor's own name of the medium, where it has credited the touchpoint with anything
    SELECT touchpoint_id, min(medium_name) AS medium_name
    FROM event_attributions
    GROUP BY touchpoint_id
),
session AS (
    SELECT
        touchpoint.id,
        touchpoint.client_id,
        touchpoint.created_at AS began_at,
        lead(touchpoint.created_at) OVER following AS next_began_at,
        coalesce(
            label.medium_name,
            nullif(split_part(split_part(touchpoint.url, 'utm_medium=', 2), '&', 1), ''),
            CASE WHEN touchpoint.referrer IS NULL THEN 'Direct' ELSE 'Referral' END
        ) AS channel_label
    FROM touchpoints AS touchpoint
    LEFT JOIN label ON label.touchpoint_id = touchpoint.id
    WINDOW following AS (
        PARTITION BY touchpoint.client_id ORDER BY touchpoint.created_at, touchpoint.id
    )
),
engagement AS (
    SELECT session.id, count(pageview.id) AS views
    FROM session
    LEFT JOIN pageviews AS pageview
        ON pageview.client_id = session.client_id
        AND pageview.created_at >= session.began_at
        AND (pageview.created_at < session.next_began_at OR session.next_began_at IS NULL)
    GROUP BY session.id
),
journey AS (
    SELECT
        session.*,
        conversion.event_id,
        conversion.converted_at,
        session.next_began_at IS NULL OR session.next_began_at > conversion.converted_at
            AS converts
    FROM conversion
    JOIN session
        ON session.client_id = conversion.client_id
        AND session.began_at <= conversion.converted_at
)
SELECT
    CAST(journey.event_id AS varchar) AS conversion_id,
    CAST(journey.id AS varchar) AS session_id,
    journey.began_at AS "timestamp",
    journey.channel_label,
    CASE WHEN engagement.views >= 3 THEN 1 ELSE 0 END AS holder_engagement,
    CASE WHEN journey.converts THEN 1 ELSE 0 END AS closer_engagement,
    CASE WHEN journey.converts THEN 1 ELSE 0 END AS conversion,
    journey.converted_at
FROM journey
JOIN engagement ON engagement.id = journey.id;
