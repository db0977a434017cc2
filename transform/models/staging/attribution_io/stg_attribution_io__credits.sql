{{ config(materialized='view') }}
SELECT
    output.id,
    output.event_id,
    output.touchpoint_id,
    coalesce(output.attribution_model_name, CAST(output.attribution_model_id AS varchar)) AS model_name,
    CAST(output.weight AS double precision) / 100 AS credit,
    CAST(output.event_weighted_amount AS double precision) AS amount,
    output.medium_name AS medium,
    output.source_name AS source,
    output.campaign_name AS campaign
FROM {{ loaded('tap_attribution_io', 'event_attributions') }} AS output
