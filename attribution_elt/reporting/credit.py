"""What the SQL models of `transform/` found: credits by model, double claims, restatements."""

# ruff: noqa: S608 - identifiers and literals are quoted, and nothing else is put into SQL

from __future__ import annotations

import json
from collections import Counter, defaultdict
from dataclasses import dataclass, field
from datetime import date, timedelta
from decimal import Decimal
from functools import cached_property
from itertools import combinations
from typing import Any

from target_warehouse.warehouses.base import Adapter

from attribution_elt.reporting.revenue import day_of

CREDITS, CONVERSIONS = "fct_credits", "fct_conversions"
CLAIMS, RESTATEMENTS = "fct_double_claims", "fct_restatements"
WEEK = timedelta(days=7)
BASELINE = "linear"
"""A model that credits every conversion with touches."""
PARTS = ("ihc_initializer", "ihc_holder", "ihc_closer")
"""Models that are parts of another, and not compared; a conversion type may follow the name."""
REFUSED = "failures"
"""Table of the journeys that IHC did not compute."""


@dataclass
class Comparison:
    """Credits of the same conversions by a reference and by the baselines.

    Attributes:
        reference: the vendor's model that all of these conversions have; the baselines are compared
            alone if it is one of them.
        currency: currency of the amounts; None if unknown.
        credits: number of conversions that a model credits to a channel, by model.
        amounts: amounts in the same form; without amounts, empty.
    """

    reference: str
    currency: str | None
    conversions: int
    credits: dict[str, dict[str, Decimal]] = field(default_factory=dict)
    amounts: dict[str, dict[str, Decimal]] = field(default_factory=dict)

    @cached_property
    def _totals(self) -> dict[str, Decimal]:
        return {model: sum(each.values(), Decimal()) for model, each in self.credits.items()}

    def share(self, model: str, channel: str) -> Decimal:
        """Return the share of the credit that a model gives a channel."""
        return self.credits[model].get(channel, Decimal()) / self._totals[model]

    def distance(self, one: str, other: str) -> Decimal:
        """Return the share of the credit that two models give to other channels."""
        channels = self.credits[one].keys() | self.credits[other].keys()
        differences = (abs(self.share(one, each) - self.share(other, each)) for each in channels)
        return sum(differences, Decimal()) / 2

    def furthest(self) -> tuple[str, str] | None:
        """Return the two models that differ most; None if none differ."""
        pairs = list(combinations(self.credits, 2))
        found = max(pairs, key=lambda pair: self.distance(*pair), default=None)
        return found if found and self.distance(*found) > 0 else None


@dataclass
class Claims:
    """Conversions in one currency that more than one vendor claims.

    Attributes:
        currency: currency of the amounts; None if unknown.
        over: amount that adding up the vendors' reports counts too much.
        by_channels: number and amount of conversions by claim, such as `ecdp: Email`.
    """

    currency: str | None
    conversions: int = 0
    amount: Decimal = Decimal()
    over: Decimal = Decimal()
    by_channels: dict[tuple[str, ...], tuple[int, Decimal]] = field(default_factory=dict)


@dataclass(frozen=True)
class CreditChange:
    """Change of a channel's amount, in one model, for days that were already loaded."""

    as_of: date
    model: str
    channel: str
    currency: str | None
    delta: Decimal


@dataclass
class Answers:
    """What the models found about the conversions of some days.

    Attributes:
        comparisons: the most conversions first.
        claims: by currency.
        restated: changes that were seen since a week before these days.
        has_history: whether the models found any change, of any day.
    """

    comparisons: list[Comparison] = field(default_factory=list)
    claims: list[Claims] = field(default_factory=list)
    restated: list[CreditChange] = field(default_factory=list)
    has_history: bool = False


def answers(adapter: Adapter, first: date) -> Answers | None:
    """Return what the models found about the conversions since a day; None without models."""
    if not (adapter.columns(CREDITS) and adapter.columns(CONVERSIONS)):
        return None
    found = Answers(_comparisons(adapter, first))
    if adapter.columns(CLAIMS):
        found.claims = _claims(adapter, first)
    if adapter.columns(RESTATEMENTS):
        found.has_history = not adapter.is_empty(RESTATEMENTS)
        found.restated = _restated(adapter, first - WEEK)
    return found


def _since(adapter: Adapter, column: str, first: date) -> str:
    return f"{column} >= {adapter.dialect.literal(str(first))}"


def _comparisons(adapter: Adapter, first: date) -> list[Comparison]:
    """Return the comparison of each reference and currency, the most conversions first."""
    credit, conversion = adapter.path(CREDITS), adapter.path(CONVERSIONS)
    days = _since(adapter, "conversion.converted_on", first)
    rows = adapter.execute(
        f"SELECT DISTINCT credit.model FROM {credit} AS credit JOIN {conversion} AS conversion "
        "ON conversion.conversion_key = credit.conversion_key "
        f"WHERE {days} AND credit.source <> 'sql' ORDER BY credit.model"
    )
    models = [model for (model,) in rows if model.partition(":")[0] not in PARTS]
    found: list[Comparison] = []
    for model in models:
        found += _compared(adapter, model, days)
    found.sort(key=lambda each: -each.conversions)
    return found or _compared(adapter, BASELINE, days)


def _compared(adapter: Adapter, reference: str, days: str) -> list[Comparison]:
    credit, conversion = adapter.path(CREDITS), adapter.path(CONVERSIONS)
    named = adapter.dialect.literal(reference)
    joined = (
        f"FROM {credit} AS credit JOIN {conversion} AS conversion "
        "ON conversion.conversion_key = credit.conversion_key "
        f"JOIN (SELECT DISTINCT conversion_key FROM {credit} WHERE model = {named}) AS reference "
        "ON reference.conversion_key = credit.conversion_key "
        f"JOIN (SELECT DISTINCT conversion_key FROM {credit} WHERE model = '{BASELINE}') AS base "
        f"ON base.conversion_key = credit.conversion_key WHERE {days} "
        f"AND (credit.source = 'sql' OR credit.model = {named})"
    )
    found = {
        currency: Comparison(reference, currency, int(count))
        for currency, count in adapter.execute(
            f"SELECT credit.currency, COUNT(DISTINCT credit.conversion_key) {joined} "
            "GROUP BY credit.currency"
        )
    }
    rows = adapter.execute(
        "SELECT credit.currency, credit.model, credit.channel, SUM(credit.credit), "
        f"SUM(credit.amount) {joined} GROUP BY credit.currency, credit.model, credit.channel"
    )
    for currency, model, channel, share, amount in sorted(
        rows, key=lambda row: (row[1] != reference, row[1])
    ):
        comparison = found[currency]
        comparison.credits.setdefault(model, {})[channel] = Decimal(str(share))
        if amount is not None:
            comparison.amounts.setdefault(model, {})[channel] = Decimal(str(amount))
    return [found[key] for key in sorted(found, key=str)]


def _claims(adapter: Adapter, first: date) -> list[Claims]:
    found: defaultdict[str | None, Claims] = defaultdict(lambda: Claims(None))
    counts: defaultdict[str | None, Counter[tuple[str, ...]]] = defaultdict(Counter)
    worth: defaultdict[tuple[str | None, tuple[str, ...]], Decimal] = defaultdict(Decimal)
    rows: list[tuple[Any, ...]] = adapter.execute(
        "SELECT currency, claimants, SUM(amount), SUM(amount_over), COUNT(*) "
        f"FROM {adapter.path(CLAIMS)} WHERE {_since(adapter, 'converted_on', first)} "
        "GROUP BY currency, claimants"
    )
    for currency, claimants, amount, over, count in rows:
        pairs = {(each["claimant"], each["channel"]) for each in json.loads(claimants)}
        names = tuple(f"{claimant}: {channel}" for claimant, channel in sorted(pairs))
        claims = found[currency]
        claims.currency = currency
        claims.conversions += int(count)
        claims.amount += Decimal(str(amount or 0))
        claims.over += Decimal(str(over or 0))
        counts[currency][names] += int(count)
        worth[currency, names] += Decimal(str(amount or 0))
    for currency, claims in found.items():
        claims.by_channels = {
            names: (count, worth[currency, names])
            for names, count in counts[currency].most_common()
        }
    return [found[key] for key in sorted(found, key=str)]


def _restated(adapter: Adapter, first: date) -> list[CreditChange]:
    rows: list[tuple[Any, ...]] = adapter.execute(
        "SELECT as_of, model, channel, currency, SUM(delta) "
        f"FROM {adapter.path(RESTATEMENTS)} WHERE {_since(adapter, 'as_of', first)} "
        "GROUP BY as_of, model, channel, currency"
    )
    return [
        CreditChange(day_of(as_of), model, channel, currency, Decimal(str(delta)))
        for as_of, model, channel, currency, delta in rows
    ]
