"""Checks of the vendors' accounts, each by the vendor's cheapest request."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from singer_sdk.plugin_base import PluginBase
from tap_query.tap import TapQuery
from target_warehouse.target import TargetWarehouse

from attribution_elt.checks.findings import Finding
from attribution_elt.core.errors import OpsError
from attribution_elt.core.settings import whole_schema
from attribution_elt.core.spelling import unknown_settings
from attribution_elt.kit.errors import PluginError, UnitError
from attribution_elt.kit.http.client import Client
from attribution_elt.kit.http.headers import Head
from attribution_elt.kit.windows import HistoryNeed
from attribution_elt.meltano.project import Extractor, Project

IMPATIENT = {"max_retries": 1, "request_timeout": 30}
"""Settings for one quick request; runs wait longer and retry more often."""
SOON = 7
"""Number of days before data is lost from which the check reports a problem."""


@dataclass(frozen=True)
class Kept:
    """The state and catalog that Meltano stores for a tap's next run."""

    state: dict[str, Any] | None = None
    catalog: dict[str, Any] | None = None


@dataclass(frozen=True)
class Probe:
    """An account and its client; without a client the finding is complete.

    `days_left` is the number of days until the vendor drops data that the next run needs.
    """

    finding: Finding
    client: Client | None = None
    days_left: int | None = None


def kept(project: Project, extractor: Extractor) -> Kept | OpsError:
    """Return the state and catalog of a tap with data retention, or why they cannot be read."""
    if not extractor.tap.has_retention:
        return Kept()
    try:
        state = project.state(project.state_id(extractor.name, project.loader_of(extractor.name)))
        return Kept(state, project.catalog(extractor.name))
    except OpsError as error:
        return error


def settings(project: Project) -> Finding:
    """Check that every environment variable of a plugin is one of its settings."""
    found = Finding("settings")
    plugins: list[tuple[str, type[PluginBase]]] = [
        *((each.name, each.tap) for each in project.extractors.values()),
        *((each.name, each.target) for each in project.writers),
        *((name, TargetWarehouse) for name in project.loaders),
    ]
    for name, plugin in plugins:
        found.problems += unknown_settings(name, whole_schema(plugin)["properties"])
    found.facts.append("the names of all settings are valid")
    return found


def probes(extractor: Extractor, kept: Kept | OpsError) -> Iterator[Probe]:
    """Yield the accounts of an extractor without sending a request."""
    if isinstance(kept, OpsError):
        yield Probe(Finding(extractor.name, problems=[str(kept)]))
        return
    try:
        tap = extractor.tap(config=dict(extractor.settings), state=kept.state, catalog=kept.catalog)
        reaches = {reach.account: reach for reach in tap.history_needed()}
    except PluginError as error:
        yield Probe(Finding(extractor.name, problems=error.lines))
        return
    if isinstance(tap, TapQuery):
        yield Probe(Finding(extractor.name, facts=[tap.check()]))
        return
    clients = extractor.tap(config={**extractor.settings, **IMPATIENT}).run.clients
    for account, client in clients.items():
        found = Finding(extractor.name, account if len(clients) > 1 else "")
        left = None
        if account in reaches:
            left = _judge_reach(found, client, reaches[account])
        yield Probe(found, client, left)


def finding(probe: Probe) -> Finding:
    """Send the request of an account and return the finding."""
    found, client = probe.finding, probe.client
    if client is None:
        return found
    request = client.credentials_request()
    if request is None:
        found.facts.insert(0, "settings are valid; no request sent, because each costs quota")
        return found
    try:
        client.fetch(request).close()
    except UnitError as error:
        refusal = None if error.status in client.probe_statuses else error
    else:
        refusal = None
    if refusal is None:
        found.facts.insert(0, "credentials are valid")
    else:
        later = ": the quota is used up, try later" if refusal.status == 429 else ""
        found.problems.append(f"{refusal}{later}")
    if client.last_headers is not None:
        _judge_head(found, client.last_headers)
    return found


def _judge_head(found: Finding, head: Head) -> None:
    if head.ahead is not None:
        found.judge_clock("the vendor's", head.ahead)
    if head.remaining is not None:
        of = f" of {head.limit}" if head.limit is not None else ""
        found.facts.append(f"{head.remaining}{of} requests left in the quota window")


def _judge_reach(found: Finding, client: Client, reach: HistoryNeed) -> int:
    left = (reach.wanted - reach.earliest).days
    if left < 0:
        found.problems.append(
            f"{-left} days from {reach.wanted} are lost: {client.vendor} drops data from before "
            f"{reach.earliest}; run the tap before more are lost"
        )
    elif left < SOON:
        found.problems.append(
            f"run the tap within {left} days: it needs data since {reach.wanted}, and "
            f"{client.vendor} drops data from before {reach.earliest}"
        )
    else:
        found.facts.append(f"{left} days until the vendor drops data that the next run needs")
    return left
