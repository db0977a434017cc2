"""`attribution-elt verify`: compares tables with the vendor, and repairs them."""

# ruff: noqa: S608 - identifiers and literals are quoted, and nothing else is put into SQL

from __future__ import annotations

import json
import sys
from collections.abc import Mapping
from contextlib import AbstractContextManager
from datetime import UTC, date, datetime, timedelta
from typing import Any

import click
from target_warehouse.warehouses.base import Adapter

from attribution_elt.cli.display import display
from attribution_elt.cli.parameters import Day
from attribution_elt.cli.ranges import (
    REQUEST_SECONDS,
    START_SECONDS,
    about,
    check_account,
    check_days,
    loader_of,
    run_range,
    settings_of,
)
from attribution_elt.core.errors import OpsError
from attribution_elt.core.events import VERIFICATIONS
from attribution_elt.core.redaction import redactor
from attribution_elt.core.spelling import variable_of
from attribution_elt.core.text import counted
from attribution_elt.kit.windows import Window
from attribution_elt.meltano.display import Display
from attribution_elt.meltano.failures import record_failures
from attribution_elt.meltano.outcome import Outcome
from attribution_elt.meltano.project import VERIFY, Extractor, Loader, Project
from attribution_elt.meltano.warehouse import opened

COUNTS = ("identical", "modified", "missing", "extra")
SHOWN = 20
"""Maximum numbers of units, and of rows, of a stream that are shown."""


@click.command()
@click.argument("tap")
@click.option("--from", "first", type=Day(), help="First day, for taps that read ranges of days.")
@click.option("--to", "last", type=Day(), help="Last day.")
@click.option("--loader", help="Loader whose tables to compare. Defaults to the project's first.")
@click.option("--repair", is_flag=True, help="Load the same data if anything differs.")
@click.option("--json", "as_json", is_flag=True, help="Print the result as one JSON object.")
@click.pass_obj
def verify(
    project: Project,
    tap: str,
    *,
    first: date | None,
    last: date | None,
    loader: str | None,
    repair: bool,
    as_json: bool,
) -> None:
    """Compare the tables of TAP with the vendor.

    The command requests all records of the days again and compares them with the tables, without
    changing the tables. Taps that cannot read a range of days are compared as a whole. Exit with 1
    if anything differs or a request failed; with --repair, only if the repair failed.
    """
    extractor = project.extractor(tap)
    days = _days(extractor, first, last)
    target = loader_of(project, loader)
    settings = _settings(days) if days else {}
    what = f"{days.first}..{days.last}" if days else "everything"
    requests = _requests(project, extractor, target, settings)
    result: dict[str, Any] = {
        "tap": tap,
        "loader": target.name,
        "from": days and str(days.first),
        "to": days and str(days.last),
        "requests": requests,
        "seconds": START_SECONDS + requests * REQUEST_SECONDS,
    }
    with display(quiet=as_json) as shown:
        shown.note(
            f"{tap} against {target.name}, {what}: about {counted(requests, 'request')}, "
            f"{about(result['seconds'])} at {REQUEST_SECONDS} s a request"
        )
        outcome = _run(project, extractor, target, settings, shown, dry=True)
        result |= _read(extractor, target, outcome)
        for stream in result["streams"]:
            _show(stream, shown)
        if repair and result["differs"] and not result["failures"]:
            _remove_repeated(extractor, target, result["streams"])
            outcome = _run(project, extractor, target, settings, shown, dry=False)
            record_failures(project, outcome, shown)
            result |= {"repaired": not outcome.exit_code, "failures": outcome.complaints}
            if result["repaired"]:
                shown.note(f"{tap}: {what} is repaired")
    if as_json:
        click.echo(redactor(json.dumps(result, ensure_ascii=False)))
    elif result["failures"]:
        click.echo(redactor(f"Error: {'; '.join(result['failures'])}"), err=True)
    if outcome.interrupted:
        sys.exit(outcome.exit_code)
    differs = result["differs"] and not result["repaired"]
    sys.exit(1 if differs or result["failures"] else 0)


def _days(extractor: Extractor, first: date | None, last: date | None) -> Window | None:
    """Return the days to compare; None for a tap that does not read ranges of days."""
    check_account(extractor)
    if extractor.tap.backfill_refusal:
        if first or last:
            raise OpsError(f"{extractor.name} is compared as a whole: leave out --from and --to")
        return None
    if first is None or last is None:
        raise OpsError(f"{extractor.name} is compared by days: set --from and --to")
    days = Window(first, last)
    check_days(days)
    return days


def _settings(days: Window) -> dict[str, Any]:
    """Return settings that read one more day at both ends.

    Vendors may return incomplete data for the first and last day, so the taps do not claim them.
    """
    today = datetime.now(UTC).date()
    day = timedelta(days=1)
    last = min(days.last + day, today)
    return settings_of(Window(days.first - day, last), whole=days.last < today)


def _requests(
    project: Project, extractor: Extractor, loader: Loader, settings: Mapping[str, Any]
) -> int:
    """Return the approximate number of requests, from the settings and from the loaded data."""
    tap = extractor.tap(
        config={**extractor.settings, **settings}, catalog=project.catalog(extractor.name)
    )
    rows = {}
    with _opened(extractor, loader) as adapter:
        for name in tap.listing_streams:
            rows[name] = adapter.count(name) if adapter.columns(name) else 0
    return tap.count_requests(rows)


def _opened(extractor: Extractor, loader: Loader) -> AbstractContextManager[Adapter]:
    return opened(
        f"{loader.name} cannot be used", loader.url, loader.schema_of(extractor.load_schema)
    )


def _run(
    project: Project,
    extractor: Extractor,
    loader: Loader,
    settings: Mapping[str, Any],
    shown: Display,
    *,
    dry: bool,
) -> Outcome:
    variables = {variable_of(loader.name, "dry_run"): str(dry).lower()}
    return run_range(
        project,
        extractor,
        loader,
        shown,
        settings=settings,
        suffix=VERIFY,
        options=["--full-refresh"],
        variables=variables,
    )


def _read(extractor: Extractor, loader: Loader, outcome: Outcome) -> dict[str, Any]:
    """Return the rows that a run has written into `_verifications`."""
    more = ("repeated", "rejected", "modified_columns", "samples", "complete", "message")
    names = ("stream", "unit", *COUNTS, *more)
    with _opened(extractor, loader) as adapter:
        rows = adapter.columns(VERIFICATIONS) and adapter.execute(
            f"SELECT {', '.join(names)} FROM {adapter.path(VERIFICATIONS)} "
            f"WHERE run_id = {adapter.dialect.literal(outcome.run_id)} ORDER BY stream, unit"
        )
    found = [dict(zip(names, row, strict=True)) for row in rows or ()]
    streams = {row["stream"]: {**row, "units": []} for row in found if row["unit"] is None}
    for stream in streams.values():
        del stream["unit"]
        stream["modified_columns"] = json.loads(stream["modified_columns"])
        stream["samples"] = json.loads(stream["samples"])
        stream["complete"] = bool(stream["complete"])
    for row in found:
        if row["unit"] is not None:
            counts = {name: row[name] for name in COUNTS}
            streams[row["stream"]]["units"].append({"unit": json.loads(row["unit"]), **counts})
    failures = list(outcome.complaints)
    failures += [f"{name}: {each['message']}" for name, each in streams.items() if each["message"]]
    return {
        "run_id": outcome.run_id,
        "streams": list(streams.values()),
        "differs": any(each[name] for each in streams.values() for name in COUNTS[1:]),
        "failures": list(dict.fromkeys(failures)) or ([] if streams else ["nothing was compared"]),
        "repaired": False,
    }


def _show(stream: Mapping[str, Any], shown: Display) -> None:
    """Show the counts of a stream, its units that differ, and some rows."""
    name = stream["stream"]
    shown.note(f"{name}: {_counts(stream)}")
    for column, rows in stream["modified_columns"].items():
        shown.note(f"{name}: {column} differs in {counted(rows, 'row')}")
    for unit in stream["units"][:SHOWN]:
        about_it = ", ".join(f"{n} {value}" for n, value in unit["unit"].items()) or "everything"
        shown.note(f"{name}, {about_it}: {_counts(unit)}")
    if len(stream["units"]) > SHOWN:
        shown.note(f"{name}: {len(stream['units']) - SHOWN:,} more units differ")
    for row in stream["samples"][:SHOWN]:
        key = ", ".join(f"{n} {value}" for n, value in row["key"].items())
        values = "".join(
            f"; {n}: {value['table']!r}, vendor {value['vendor']!r}"
            for n, value in row["values"].items()
            if row["kind"] == "modified"
        )
        shown.note(f"{name}: {row['kind']} {key}{values}")


def _counts(counts: Mapping[str, Any]) -> str:
    return ", ".join(f"{counts[name]:,} {name}" for name in COUNTS)


def _remove_repeated(
    extractor: Extractor, loader: Loader, streams: list[Mapping[str, Any]]
) -> None:
    """Keep one row of each key, in warehouses that do not enforce keys."""
    keys = extractor.tap.keys_by_stream()
    repeated = [each["stream"] for each in streams if each["repeated"]]
    if not repeated:
        return
    with _opened(extractor, loader) as adapter:
        for name in repeated:
            adapter.deduplicate(name, list(keys[name]))
        adapter.commit()
