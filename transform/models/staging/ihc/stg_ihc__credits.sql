{{ config(materialized='view') }}
SELECT
    session.conv_type_id,
    session.conversion_id,
    session.session_id,
    session.channel_label AS channel_raw,
    CAST(session.initializer AS double precision) AS initializer,
    CAST(session.holder AS double precision) AS holder,
    CAST(session.closer AS double precision) AS closer,
    CAST(session.ihc AS double precision) AS ihc,
    session.conversion_timestamp AS converted_at,
    session.timestamp AS session_at,
    session.computed_at,
    session.parameters
FROM {{ loaded('tap_ihc', 'attributions') }} AS session
