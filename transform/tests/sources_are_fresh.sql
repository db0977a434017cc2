{{ config(severity='warn') }}
{% set sources = ['tap_ecdp', 'tap_attribution_io', 'tap_ihc', 'tap_adtraction', 'tap_ignite'] %}
-- Streams that were not loaded completely for longer than `max_age_hours`.
SELECT source, stream, finished_at
FROM (
    {% for source in sources %}
    SELECT '{{ source }}' AS source, stream, max(CASE WHEN complete THEN finished_at END) AS finished_at
    FROM {{ loaded(source, '_runs') }} AS run
    GROUP BY stream
    {{ 'UNION ALL' if not loop.last }}
    {% endfor %}
) AS latest
WHERE finished_at IS NULL
    OR {{ epoch_seconds('CURRENT_TIMESTAMP') }} - {{ epoch_seconds('finished_at') }} > {{ var('max_age_hours') }} * 3600.0
