"""Revenue by channel in the tables of tap-ecdp."""

from __future__ import annotations

from attribution_elt.kit.revenue import RevenueSource

REVENUE = RevenueSource(
    vendor="ECDP",
    noun="order",
    stream="attributed_orders",
    columns={
        "attributed_orders": (
            "order_id",
            "order_date_time",
            "channel",
            "reporting_currency",
            "order_value_converted",
        )
    },
    conversions={"attributed_orders": "order_id"},
    credits="""
        SELECT order_date_time AS moment, channel, reporting_currency AS currency, 1 AS share,
            order_value_converted AS amount, known_from, known_until
        FROM {attributed_orders} AS credited""",
    currency_hint="ECDP does not send the currency: set reporting_currency to show it",
)
