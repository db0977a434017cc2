{{ config(materialized='view') }}
SELECT
    commission.channel_id,
    commission.program_id,
    commission.commission_id,
    commission.name,
    commission.type,
    CAST(commission.value AS double precision) AS value,
    commission.transaction_type,
    commission.categories,
    commission.thresholds
FROM {{ loaded('tap_adtraction', 'commissions') }} AS commission
