"""Revenue by channel in the tables of tap-attribution-io."""

from __future__ import annotations

from attribution_elt.kit.revenue import RevenueSource

REVENUE = RevenueSource(
    vendor="Attribution.io",
    noun="event",
    stream="event_attributions",
    columns={
        "event_attributions": (
            "event_id",
            "attribution_model_name",
            "medium_name",
            "weight",
            "event_weighted_amount",
        ),
        "events": ("id", "created_at"),
    },
    # An event that several models credit counts once: each model has an equal part of it.
    credits="""
        SELECT CAST(credit.event_id AS varchar) AS conversion, event.created_at AS moment,
            credit.medium_name AS channel, CAST(NULL AS varchar) AS currency,
            credit.weight / 100.0 / counted.models AS share,
            credit.event_weighted_amount / counted.models AS amount,
            COALESCE(credit.attribution_model_name, 'Attribution.io') AS model,
            credit.event_weighted_amount AS model_amount
        FROM {event_attributions} AS credit
        JOIN {events} AS event ON event.id = credit.event_id
        JOIN (
            SELECT event_id, COUNT(DISTINCT COALESCE(attribution_model_name, '')) AS models
            FROM {event_attributions}
            GROUP BY event_id
        ) AS counted ON counted.event_id = credit.event_id
        WHERE credit.event_weighted_amount IS NOT NULL""",
    currency_hint="Attribution.io does not send a currency",
)
