"""Errors of the attribution models in simulated worlds, in which the cause of a purchase is known.

    python benchmarks/truth.py [--seeds 20] [--persons 3000] [--check]

In these worlds a touch either causes a purchase or does not, by the effect of its channel, and some
persons buy without any cause. Touches and purchases are generated from a seed, and the models of
`transform/` credit them in DuckDB. The error of a model is the share of its credit that would have
to move to other channels to give each channel the purchases that it caused; a purchase without a
cause belongs to `Direct`. The table of `docs/models/truth.md` has the mean error over the seeds
with its 95 % interval; `--check` fails if the table has other figures.
"""

from __future__ import annotations

import argparse
import math
import random
import statistics
import sys
import tempfile
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import closing
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

import duckdb
import pyarrow as pa
from loaders.tables import markdown
from tap_attribution_io.tap import TapAttributionIo

from attribution_elt.meltano.project import SCHEMA, Extractor, Loader
from attribution_elt.models.build import Models
from attribution_elt.models.folder import Folder
from attribution_elt.models.tables import read_tables

PROJECT = Path(__file__).parents[1]
PAGE = PROJECT / "docs" / "models" / "truth.md"
START, END = "<!-- truth.py: errors -->\n", "<!-- end -->"
FIRST_DAY = datetime(2026, 1, 1, tzinfo=UTC)
MODELS = (
    *("first", "last", "last_non_direct", "linear", "position_40_20_40", "time_decay_7d"),
    *("shapley", "markov_1"),
)
CHANNELS = {
    "Paid Search": "?utm_medium=cpc&utm_source=google",
    "Paid Social": "?utm_medium=cpc&utm_source=facebook",
    "Display": "?utm_medium=display&utm_source=network",
    "Email": "?utm_medium=email&utm_source=letter",
    "Affiliates": "?utm_medium=affiliate&utm_source=partner",
    "Organic Search": "?utm_medium=organic&utm_source=google",
    "Direct": "",
}
"""Query that a touch of each channel has in its URL."""
REACH = {"Paid Search": 2, "Paid Social": 4, "Display": 4, "Email": 3, "Affiliates": 1}
"""How often, in parts, a channel reaches a person."""
QUANTILE = 2.093
"""Of Student's distribution with 19 degrees of freedom, for an interval of 95 %."""


@dataclass(frozen=True)
class World:
    """Rules by which touches cause purchases.

    Attributes:
        effects: probability that a touch of a channel causes a purchase.
        spontaneous: probability that a person buys without any cause.
        closing: channels that a buyer passes just before the purchase, with their probabilities;
            they cause nothing.
        followed: probability that `Display` follows a person who has decided to buy.
        delay_days: mean days from the cause to the purchase.
        lost: probability that the browser has lost its cookie by the next touch.
    """

    effects: Mapping[str, float] = field(
        default_factory=lambda: {
            "Paid Search": 0.06,
            "Paid Social": 0.05,
            "Display": 0.03,
            "Email": 0.04,
            "Affiliates": 0.05,
        }
    )
    spontaneous: float = 0.04
    closing: Mapping[str, float] = field(
        default_factory=lambda: {"Direct": 0.5, "Organic Search": 0.15}
    )
    followed: float = 0.0
    delay_days: float = 1.0
    lost: float = 0.0


PLAIN = World()
WORLDS = {
    "brand search harvesting": replace(
        PLAIN,
        # Most buyers search for the brand and click the ad, after their decision.
        closing={"Paid Search": 0.7, "Direct": 0.2},
        effects={**PLAIN.effects, "Paid Search": 0.01},
    ),
    "retargeting": replace(
        PLAIN,
        # Display ads follow persons who have decided to buy, and cause nothing.
        effects={**PLAIN.effects, "Display": 0.0},
        followed=0.8,
    ),
    "long cycles": replace(
        PLAIN,
        # Purchases follow their cause after 30 days on average, as long as the look-back.
        delay_days=30.0,
    ),
    "lost cookies": replace(
        PLAIN,
        # Two of five touches come from a browser that has lost its cookie.
        lost=0.4,
    ),
    "affiliate poaching": replace(
        PLAIN,
        # Half of the buyers take a coupon from an affiliate at the checkout.
        closing={"Direct": 0.3, "Affiliates": 0.5},
    ),
}


@dataclass
class Journeys:
    """Touches and purchases of a world, and the channels that caused the purchases."""

    touches: list[tuple[str, datetime, str]] = field(default_factory=list)
    purchases: list[tuple[str, datetime]] = field(default_factory=list)
    causes: Counter[str] = field(default_factory=Counter)


def simulate(world: World, name: str, seed: int, persons: int) -> Journeys:
    """Return what a number of persons do in a world; the same seed gives the same journeys."""
    rng = random.Random(f"{name}/{seed}")  # noqa: S311 - it makes up data
    found = Journeys()
    for person in range(persons):
        _live(world, rng, person, found)
    return found


def _live(world: World, rng: random.Random, person: int, found: Journeys) -> None:
    moment = FIRST_DAY + timedelta(days=rng.uniform(0, 60))
    touches: list[tuple[datetime, str]] = []
    cause, decided = None, moment
    for channel in rng.choices(list(REACH), list(REACH.values()), k=rng.randint(1, 5)):
        moment += timedelta(days=rng.expovariate(1 / 4))
        touches.append((moment, channel))
        if cause is None and rng.random() < world.effects[channel]:
            cause, decided = channel, moment
    if cause is None and rng.random() < world.spontaneous:
        cause, decided = "Direct", rng.choice(touches)[0]
    sold = None
    if cause is not None:
        sold = decided + timedelta(days=rng.expovariate(1 / world.delay_days), minutes=30)
        touches = [touch for touch in touches if touch[0] < sold]
        touches += _after_decision(world, rng, decided, sold)
    browser = 0
    for at, channel in sorted(touches):
        browser += rng.random() < world.lost
        found.touches.append((f"p{person}b{browser}", at, channel))
    if sold is not None and cause is not None:
        found.purchases.append((f"p{person}b{browser}", sold))
        found.causes[cause] += 1


def _after_decision(
    world: World, rng: random.Random, decided: datetime, sold: datetime
) -> Iterator[tuple[datetime, str]]:
    """Yield the touches of a person who has decided to buy."""
    if rng.random() < world.followed:
        span = (sold - decided).total_seconds()
        for _ in range(rng.randint(1, 4)):
            yield decided + timedelta(seconds=rng.uniform(0, span)), "Display"
    minutes = 10.0
    for channel, share in world.closing.items():
        if rng.random() < share:
            yield sold - timedelta(minutes=minutes), channel
            minutes /= 2


def errors(journeys: Journeys) -> dict[str, float]:
    """Return the error of each model, from 0 to 1."""
    with tempfile.TemporaryDirectory() as folder:
        url = f"duckdb:///{folder}/world.duckdb"
        _load(Path(folder) / "world.duckdb", journeys)
        extractor = Extractor("tap-attribution-io", TapAttributionIo, "tap_attribution_io", {})
        tables = read_tables(Loader("target-warehouse", url, SCHEMA), [extractor])
        with closing(Models(Folder(PROJECT / "transform"), url, "attribution", tables)) as models:
            for _ in models.build(models.chosen(["+fct_credits"])):
                pass
        with duckdb.connect(f"{folder}/world.duckdb") as connection:
            rows = connection.execute(
                "SELECT model, channel, sum(credit) FROM attribution.fct_credits GROUP BY ALL"
            ).fetchall()
    credits_ = {model: {each[1]: each[2] for each in rows if each[0] == model} for model in MODELS}
    return {model: _distance(credits_[model], journeys.causes) for model in MODELS}


def _distance(one: Mapping[str, float], other: Mapping[str, float]) -> float:
    whole, total = sum(one.values()), sum(other.values())
    names = sorted({*one, *other})
    return sum(abs(one.get(name, 0) / whole - other.get(name, 0) / total) for name in names) / 2


def _load(file: Path, journeys: Journeys) -> None:
    """Write the tables that `tap-attribution-io` would load, with the columns that models need."""
    clients, moments, channels = zip(*journeys.touches, strict=True)
    urls = [f"https://shop.example/{CHANNELS[channel]}" for channel in channels]
    touchpoints = _table(clients, moments) | {"url": urls}
    buyers, sold = zip(*journeys.purchases, strict=True)
    events = _table(buyers, sold) | {
        "amount": [100.0] * len(sold),
        "is_informational": [False] * len(sold),
    }
    with duckdb.connect(str(file)) as connection:
        connection.execute("CREATE SCHEMA tap_attribution_io")
        for name, columns in (("touchpoints", touchpoints), ("events", events)):
            connection.register("given", pa.table(columns))
            connection.execute(f"CREATE TABLE tap_attribution_io.{name} AS SELECT * FROM given")  # noqa: S608 - a name of ours


def _table(clients: Iterable[str], moments: Sequence[datetime]) -> dict[str, pa.Array]:
    return {
        "id": pa.array(range(1, len(moments) + 1), pa.int64()),
        "client_id": pa.array(clients, pa.string()),
        "created_at": pa.array(moments, pa.timestamp("us", "UTC")),
    }


def measured(seeds: int, persons: int) -> dict[str, list[dict[str, float]]]:
    """Return the errors of each world and seed."""
    return {
        name: [errors(simulate(world, name, seed, persons)) for seed in range(seeds)]
        for name, world in WORLDS.items()
    }


def table(found: Mapping[str, Sequence[Mapping[str, float]]]) -> str:
    """Return a table in Markdown: means in percent with half the width of their intervals."""
    rows = []
    for name, each in found.items():
        cells = [_interval([100 * seed[model] for seed in each]) for model in MODELS]
        best = min(range(len(cells)), key=lambda place: cells[place][0])
        shown = [f"{mean:.1f} ± {half:.1f}" for mean, half in cells]
        shown[best] = f"**{shown[best]}**"
        rows.append([name, *shown])
    return markdown(["world", *(f"`{model}`" for model in MODELS)], rows, texts=[0])


def _interval(values: Sequence[float]) -> tuple[float, float]:
    spread = statistics.stdev(values) if len(values) > 1 else 0.0
    return statistics.fmean(values), QUANTILE * spread / math.sqrt(len(values))


def main() -> None:
    """Measure, and write or compare the table of the page."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--seeds", type=int, default=20)
    parser.add_argument("--persons", type=int, default=3000)
    parser.add_argument("--check", action="store_true", help="compare with the page")
    arguments = parser.parse_args()
    made = table(measured(arguments.seeds, arguments.persons))
    print(made)
    text = PAGE.read_text(encoding="utf-8")
    before, _, rest = text.partition(START)
    after = rest.partition(END)[2]
    whole = f"{before}{START}{made}{END}{after}"
    if not arguments.check:
        PAGE.write_text(whole, encoding="utf-8")
    elif whole != text:
        sys.exit(f"{PAGE.relative_to(PROJECT)} has other figures")


if __name__ == "__main__":
    main()
