"""Measures the SQL models: journeys, credits, and all models.

    python benchmarks/models.py [--touches 356000] [--conversions 30000] [--rounds 3]

The benchmark generates touchpoints and events of Attribution.io from a seed, and loads them with
`target-warehouse`. Each round builds and tests the models of `transform/`; the table shows medians.
Credits are those of the eight SQL models in `fct_credits`.
"""

from __future__ import annotations

import argparse
import json
import random
import statistics
import sys
import time
from collections.abc import Iterator, Mapping
from contextlib import closing
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

from loaders.contenders import EXECUTABLE
from loaders.databases import about, databases
from loaders.measure import measure
from loaders.tables import markdown
from tap_attribution_io.tap import TapAttributionIo

from attribution_elt.meltano.project import SCHEMA, Extractor, Loader
from attribution_elt.models.build import Models
from attribution_elt.models.folder import Folder
from attribution_elt.models.tables import read_tables

PROJECT = Path(__file__).parents[1]
JOURNEYS = ("int_journeys", "int_paths_without_conversion")
CREDITS = ("int_transitions", "int_markov", "fct_channel_effects", "fct_credits")
SOURCES = (
    *("cpc/google", "cpc/facebook", "email/letter", "organic/bing", "affiliate/partner"),
    *("display/network", "referral/blog", "social/instagram", "sms/sms", "cpc/youtube"),
    *("cpc/other", ""),
)
"""Medium and source of each of the twelve channels."""
DAYS = 45
START = datetime(2026, 1, 1, tzinfo=UTC)
HEADINGS = (
    *("into", "touches", "conversions", "credits"),
    *("journeys, s", "credits, s", "all models, s", "tests, s"),
)


def main() -> None:
    """Measure, and print the table."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--touches", type=int, default=356_000)
    parser.add_argument("--conversions", type=int, default=30_000)
    parser.add_argument("--rounds", type=int, default=3)
    arguments = parser.parse_args()
    with databases("models-") as (folder, opened):
        _write(folder / "rows.singer", arguments.touches, arguments.conversions)
        print(f"{about(opened)}; {arguments.rounds} rounds\n")
        rows = []
        for name, database in opened.items():
            with database.fresh() as url:
                rows.append((name, *_measured(url, folder, arguments)))
    print(markdown(HEADINGS, rows, texts=[0]))


def _measured(url: str, folder: Path, arguments: argparse.Namespace) -> Iterator[str]:
    """Load the rows, build and test the models some times; yield the cells of a line."""
    config = folder / "config.json"
    config.write_text(json.dumps({"url": url, "default_target_schema": "tap_attribution_io"}))
    cost = measure([EXECUTABLE, "--config", str(config)], source=folder / "rows.singer")
    if cost.failure:
        sys.exit(cost.failure)
    journeys, credit, build, test, credits_ = [], [], [], [], 0
    for number in range(arguments.rounds):
        loader = Loader("target-warehouse", url, SCHEMA)
        extractor = Extractor("tap-attribution-io", TapAttributionIo, "tap_attribution_io", {})
        tables = read_tables(loader, [extractor])
        with closing(Models(Folder(PROJECT / "transform"), url, "attribution", tables)) as models:
            built = {each.name: each for each in models.build(models.plan.order)}
            started = time.monotonic()
            failed = [each.name for each in models.test(models.plan.order) if not each.passed]
            test.append(time.monotonic() - started)
        if failed:
            sys.exit(f"tests fail: {', '.join(failed)}")
        seconds: Mapping[str, float] = {name: each.seconds for name, each in built.items()}
        journeys.append(sum(seconds[name] for name in JOURNEYS))
        credit.append(sum(seconds[name] for name in CREDITS))
        build.append(sum(seconds.values()))
        credits_ = built["fct_credits"].rows or 0
        slowest = sorted(seconds, key=lambda name: -seconds[name])[:8]
        shown = ", ".join(f"{name} {seconds[name]:.2f}" for name in slowest)
        print(f"{number + 1}: {journeys[-1]:.2f} s, {credit[-1]:.2f} s; {shown}", file=sys.stderr)
    yield from (f"{arguments.touches:,}", f"{arguments.conversions:,}", f"{credits_:,}")
    yield from (f"{statistics.median(each):.1f}" for each in (journeys, credit, build, test))


def _write(path: Path, touches: int, conversions: int) -> None:
    """Write the messages of touches and conversions of persons who come back."""
    rng = random.Random(1)  # noqa: S311 - it makes up data
    moments = sorted(rng.randrange(DAYS * 86_400) for _ in range(touches))
    persons = touches // 9
    with path.open("w", encoding="utf-8") as file:
        for stream in ("touchpoints", "events"):
            schema = PROJECT / "schemas" / "attribution_io" / f"{stream}.json"
            message = {"type": "SCHEMA", "stream": stream, "key_properties": ["id"]}
            file.write(json.dumps({**message, "schema": json.loads(schema.read_text())}) + "\n")
        sold = set(rng.sample(range(touches), conversions))
        for number, second in enumerate(moments):
            client = f"client-{rng.randrange(persons)}"
            at = START + timedelta(seconds=second)
            medium, _, source = rng.choice(SOURCES).partition("/")
            query = f"?utm_medium={medium}&utm_source={source}" if source else ""
            touch = {"client_id": client, "url": f"https://shop.example/{query}"}
            _record(file, "touchpoints", number, at, touch)
            if number in sold:
                amount = rng.randrange(100, 50_000) / 100
                event = {"client_id": client, "amount": amount, "is_informational": False}
                _record(file, "events", number, at + timedelta(minutes=5), event)


def _record(file: Any, stream: str, number: int, at: datetime, values: Mapping[str, Any]) -> None:
    record = {"id": number, "created_at": at.isoformat(), **values}
    file.write(json.dumps({"type": "RECORD", "stream": stream, "record": record}) + "\n")


if __name__ == "__main__":
    main()
