"""A sandbox vendor that is ready for a test, and the expectations on its tap."""

from __future__ import annotations

import json
import re
from collections import Counter
from collections.abc import Callable, Collection, Iterable, Mapping
from dataclasses import dataclass
from datetime import UTC, date, datetime
from decimal import Decimal
from pathlib import Path
from typing import Any, Generic, TypeVar

from attribution_elt.core import redaction
from attribution_elt.kit.tap import VendorTap
from attribution_elt.kit.testing import process
from attribution_elt.kit.testing.process import Output, Row
from attribution_elt.kit.testing.spellings import spellings
from attribution_elt.sandbox import Sandbox
from attribution_elt.sandbox.vendor import Vendor

VendorT = TypeVar("VendorT", bound=Vendor)

_INSTANT = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d+)?(Z|[+-]\d\d:\d\d)")


@dataclass(frozen=True)
class Expectations(Generic[VendorT]):
    """Inputs of the suite for one vendor.

    Attributes:
        vendor: returns the vendor of a sandbox, small enough for quick tests.
        settings: returns settings that read everything, given the vendor and a folder for files.
        rows: returns the vendor's rows of each stream, as records; null properties may be left out.
        set_secrets: sets the vendor's credentials to a text.
        personal: returns personal data that must not be in the output if `pii` is `hash` or `drop`,
        and never in a log.
        volatile: columns that differ from run to run, or that `rows` cannot provide.
        reread: settings with which a later run reads everything again.
        has_rereads: whether a later run without changes sends any request.
        today: day of the sandbox; None: the day of the test.
        tolerated: texts of warnings that a clean run may log.
    """

    tap: type[VendorTap]
    vendor: Callable[[Sandbox], VendorT]
    settings: Callable[[VendorT, Path], dict[str, Any]]
    rows: Callable[[VendorT], Mapping[str, Iterable[Row]]]
    set_secrets: Callable[[VendorT, str], None]
    personal: Callable[[VendorT], Iterable[str]] = lambda _vendor: ()
    volatile: Collection[str] = ()
    reread: Callable[[VendorT], dict[str, Any]] = lambda _vendor: {}
    has_rereads: bool = True
    today: date | None = date(2026, 3, 31)
    tolerated: Collection[str] = ()


@dataclass(frozen=True)
class Bench(Generic[VendorT]):
    """A vendor that is ready for a test."""

    expectations: Expectations[VendorT]
    vendor: VendorT
    folder: Path

    @property
    def config(self) -> dict[str, Any]:
        """Settings that read everything."""
        return self.expectations.settings(self.vendor, self.folder)

    def run(self, *arguments: str, **given: Any) -> Output:
        """Run the tap as a process."""
        config = given.pop("config", None) or self.config
        return process.run(
            self.folder, self.expectations.tap.name, *arguments, config=config, **given
        )

    def run_here(self, **given: Any) -> Output:
        """Run the tap inside this process."""
        config = given.pop("config", None) or self.config
        return process.run_here(self.expectations.tap, config, **given)

    def assert_matches_truth(self, *outputs: Output) -> None:
        """Check that these outputs, loaded in turn, give exactly the vendor's rows."""
        for stream, rows in self.expectations.rows(self.vendor).items():
            loaded: process.Rows = {}
            for output in outputs:
                loaded |= output.rows(stream)
            found = self.comparable(loaded.values())
            expected = self.comparable(rows)
            assert found == expected, (
                f"{stream}: missing {[*(expected - found)][:3]}, extra {[*(found - expected)][:3]}"
            )

    def comparable(self, rows: Iterable[Row]) -> Counter[str]:
        """Return rows as texts; equal rows have equal texts."""
        return Counter(self.text(row) for row in rows)

    def text(self, row: Row) -> str:
        """Return a row as a text; equal rows have equal texts."""
        plain = {
            name: _plain(value)
            for name, value in row.items()
            if value is not None and name not in self.expectations.volatile
        }
        return json.dumps(plain, sort_keys=True, default=str, ensure_ascii=False)

    def assert_private(self, output: Output, config: Mapping[str, Any]) -> None:
        """Check that an output contains no secrets or code, and logs no personal data."""
        written = output.stdout.decode() + output.stderr
        for secret in redaction.secrets_of(self.expectations.tap.config_jsonschema, dict(config)):
            assert not [form for form in spellings(secret) if form in written]
        for sign in ("Traceback", 'File "', "http://127"):
            assert sign not in output.stderr
        for person in self.expectations.personal(self.vendor):
            assert person not in output.stderr


def _plain(value: Any) -> Any:
    """Return instants in UTC and numbers as texts, so that equal values have one form."""
    if isinstance(value, dict):
        return {name: _plain(inner) for name, inner in value.items()}
    if isinstance(value, list):
        return [_plain(inner) for inner in value]
    if isinstance(value, (int, float, Decimal)) and not isinstance(value, bool):
        return f"{Decimal(str(value)).normalize():f}"
    if isinstance(value, str) and _INSTANT.fullmatch(value):
        value = datetime.fromisoformat(value)
    return value.astimezone(UTC) if isinstance(value, datetime) else value
