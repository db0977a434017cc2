"""Runs a tap and the loader on changed responses, and lists the values that were lost."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Iterable, Iterator
from copy import deepcopy
from dataclasses import dataclass, field
from datetime import UTC, date, datetime
from decimal import Decimal, InvalidOperation
from pathlib import Path
from typing import Any

from attribution_elt.kit.testing.warehouse import ClaimError
from attribution_elt.sandbox import Fault
from attribution_elt.sandbox.exact_json import decode, encode
from tests.reliability.drift_changes import SOURCES, Drift, Object, Source
from tests.reliability.faults_benches import Bench
from tests.reliability.matrix import captured_logs
from tests.reliability.matrix_warehouse import load
from tests.tap_process import Output, Row

Sent = dict[str, list[Object]]
"""The sent objects by stream."""


@dataclass
class Changed:
    """Changed responses of a vendor, and the objects in them."""

    drift: Drift
    sent: Sent = field(default_factory=dict)
    members: dict[str, str | None] = field(default_factory=dict)
    """The changed member by stream."""

    def fault(self, bench: Bench, place: str) -> Fault:
        endpoint = next(each for each in bench.endpoints if f"{bench.name} {each.name}" == place)

        def change(body: bytes) -> bytes:
            document = decode(body)
            if isinstance(document, dict) and "message" in document:  # no rows, or a refusal
                return body
            for source in SOURCES[place]:
                for each in list(source.find(document)):
                    self._change(source, each)
            for source in SOURCES[place]:
                self.sent.setdefault(source.stream, []).extend(
                    deepcopy(list(source.find(document)))
                )
            return encode(document).encode()

        return Fault("altered", times=None, match=endpoint.answers, change=change)

    def _change(self, source: Source, row: Object) -> None:
        name = self.members.get(source.stream) or self._member(source, row)
        self.members[source.stream] = name
        if name and name in row and self.drift.fits(row[name]):
            self.drift.change(row, name)

    def _member(self, source: Source, row: Object) -> str | None:
        own = [name for name in row if name not in source.parts]
        names = [name for name in own if (name in source.keys) is self.drift.to_key]
        return next((name for name in names if self.drift.fits(row[name])), None)


def judge(bench: Bench, drift: Drift, folder: Path) -> list[str] | None:
    """Run the tap and return the errors found, or None if the drift does not fit the vendor."""
    changed = Changed(drift)
    places = [place for place in SOURCES if place.startswith(f"{bench.name} ")]
    with captured_logs() as heard:
        try:
            for place in places:
                bench.vendor.faults.add(changed.fault(bench, place))
            run = bench.run()
        except Exception as error:  # noqa: BLE001 - taps must not raise any exception here
            return [f"{type(error).__name__}: {error}"]
        finally:
            bench.vendor.faults.clear()
    if not any(changed.members.values()):
        return None
    warnings = Counter(
        (each.name, each.getMessage()) for each in heard if each.levelname == "WARNING"
    )
    landed = load(run.stdout, folder / "warehouse.duckdb")
    return [
        *([f"exit code {run.code}: {run.stderr}"] if run.code else []),
        *(f"warned {times} times: {text}" for (_, text), times in warnings.items() if times > 1),
        *_unannounced(bench, run, {text for _, text in warnings}),
        *_lost(changed.sent, landed),
        *_fewer(bench, landed),
        *_miscounted(bench, run),
    ]


def _miscounted(bench: Bench, run: Output) -> Iterator[str]:
    try:
        bench.loaded(run)
    except ClaimError as error:
        yield str(error)


def _unannounced(bench: Bench, run: Output, warnings: set[str]) -> Iterator[str]:
    """Yield an error for each new property in `_extra` that no warning names."""
    for stream in bench.truth:
        usual = _extras(bench.clean.records(stream))
        for name in _extras(run.records(stream)) - usual:
            if stream not in {"sales", "matched_sales"} and not any(
                repr(name) in text for text in warnings
            ):
                yield f"{stream}: no warning names {name!r} in _extra"


def _extras(rows: Iterable[Row]) -> set[str]:
    return {name for row in rows for name in row["_extra"] or ()}


def _fewer(bench: Bench, landed: dict[str, list[Row]]) -> Iterator[str]:
    for stream, truth in bench.truth.items():
        if len(landed.get(stream, ())) != len(truth):
            yield f"{stream}: {len(landed.get(stream, ()))} rows where there should be {len(truth)}"


def _lost(sent: Sent, landed: dict[str, list[Row]]) -> Iterator[str]:
    """Yield an error for each object whose values are not all in one row."""
    sources = {source.stream: source for found in SOURCES.values() for source in found}
    for stream, objects in sent.items():
        rows = [set(canonical_values(row)) for row in landed.get(stream, ())]
        for each in objects:
            own = {name: value for name, value in each.items() if name not in sources[stream].parts}
            wanted = set(canonical_values(own, of_row=False)) - {""}
            if not any(wanted <= row for row in rows):
                best = max(rows, key=lambda row: len(wanted & row), default=set[str]())
                yield f"{stream}: lost {sorted(wanted - best)[:3]} of {str(own)[:300]}"
                break


def canonical_values(value: Any, *, of_row: bool = True) -> Iterator[str]:
    """Yield the texts, numbers and times in a value, in a form that can be compared.

    A boolean in a row may be a number in the response.
    """
    match value:
        case dict():
            yield from canonical_values(list(value.values()), of_row=of_row)
        case list():
            for inner in value:
                yield from canonical_values(inner, of_row=of_row)
        case None:
            return
        case bool():
            yield str(value).lower()
            yield from [str(int(value))] if of_row else []
        case datetime():
            yield f"{value.astimezone(UTC):%Y-%m-%dT%H:%M:%S.%f}"
        case date():
            yield value.isoformat()
        case str() if value[:1] in {"{", "["}:
            yield value
            yield from _of_json(value)
        case _:
            yield _canonical(str(value))


def _of_json(text: str) -> Iterator[str]:
    try:
        yield from canonical_values(json.loads(text, parse_float=Decimal))
    except ValueError:
        return


def _canonical(text: str) -> str:
    bare = text.strip()
    try:
        number = Decimal(bare)
    except InvalidOperation:
        pass
    else:
        return f"{number.normalize():f}" if number.is_finite() else bare
    try:
        moment = datetime.fromisoformat(bare) if len(bare) > len("2026-03-31") else None
        moment = moment.astimezone(UTC) if moment and moment.tzinfo else moment
    except (OverflowError, ValueError):
        moment = None
    if moment:
        return f"{moment:%Y-%m-%dT%H:%M:%S.%f}"
    return bare.removeprefix("<").removesuffix(">")
