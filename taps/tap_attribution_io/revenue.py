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
    conversions={"event_attributions": "event_id", "events": "id"},
    # An event that several models credit counts once: each model has an equal part of it.
    credits="""
        SELECT event.created_at AS moment, credit.medium_name AS channel,
            CAST(NULL AS varchar) AS currency, credit.weight / 100.0 / counted.models AS share,
            credit.event_weighted_amount / counted.models AS amount,
            credit.known_from, credit.known_until
        FROM {event_attributions} AS credit
        JOIN {events} AS event
            ON event.id = credit.event_id AND event.known_from = credit.known_from
        JOIN (
            SELECT event_id, known_from,
                1.0 * COUNT(DISTINCT COALESCE(attribution_model_name, '')) AS models
            FROM {event_attributions} AS output
            WHERE event_weighted_amount IS NOT NULL
            GROUP BY event_id, known_from
        ) AS counted
            ON counted.event_id = credit.event_id AND counted.known_from = credit.known_from
        WHERE credit.event_weighted_amount IS NOT NULL""",
    currency_hint="Attribution.io does not send a currency",
)
