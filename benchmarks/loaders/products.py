"""Product records as tap-adtraction writes them, made up from a seed: any number, one at a time.

    python benchmarks/loaders/products.py FOLDER [--records 200000]

Two loads are written, `first` and `reload`, where a fifth of the records has changed, each as Singer
messages (.singer), lines of JSON (.ndjson) and CSV (.csv, null as \\N).
"""

from __future__ import annotations

import argparse
import csv
import json
import random
import zlib
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import ExitStack
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from pathlib import Path
from typing import Any

import msgspec

SCHEMA = json.loads(
    (Path(__file__).parents[2] / "schemas/adtraction/products.json").read_text(encoding="utf-8")
)
COLUMNS = list(SCHEMA["properties"])
KEYS = ["channel_id", "program_id", "feed_id", "product_key"]
LOADS = ("first", "reload")
CHANGED = 0.2
PER_FEED = 10_000  # products; after each feed comes a STATE
UPDATED = datetime(2026, 3, 1, tzinfo=UTC)
WORDS = (
    "robust hållbar trädgård mässing blå grøn køkken møbel 雪平鍋 café crème über façade "
    'bredd höjd 30 % rabatt & "bäst i test" l\'avenir 12,5 cm \\ naturell; ren ull\n - tvättas i 40° '
    "\tpassar alla 🪑 enkel att montera fem års garanti leverans nästa dag"
).split(" ")
encode = msgspec.json.Encoder(decimal_format="number").encode


def write(folder: Path, records: int) -> dict[str, Checksum]:
    """Write the files of both loads; return the checksum of each."""
    checksums = {load: Checksum() for load in LOADS}
    with ExitStack() as stack:
        files = {
            load: Files(stack, folder / load, checksums[load], records=records) for load in LOADS
        }
        for pair in pairs(records):
            for file, record in zip(files.values(), pair, strict=True):
                file.write(record)
    return checksums


def pairs(records: int) -> Iterator[tuple[dict[str, Any], dict[str, Any]]]:
    """Yield each product as it is first, and as it is for the second time."""
    source = random.Random(6)  # noqa: S311 - the same data every time
    text = " ".join(source.choices(WORDS, k=20_000))
    for number in range(records):
        product = _product(number, source, text)
        if source.random() >= CHANGED:
            yield product, product
            continue
        yield (
            product,
            product
            | {
                "product_price": product["product_price"] + Decimal("0.01"),
                "in_stock": not product["in_stock"],
                "feed_last_updated": _instant(UPDATED + timedelta(days=1, seconds=number)),
            },
        )


def _product(number: int, source: random.Random, text: str) -> dict[str, Any]:
    feed, key = 1_000_000 + number // PER_FEED, f"{number * 7919 % 100_000_007:09d}-SE"
    start, chance = source.randrange(len(text) - 1_000), source.random()
    page = f"https://www.butik.example/se/{feed}/{key}"
    return {
        "channel_id": 114_000_001,
        "program_id": 700_000_000 + feed % 7,
        "feed_id": feed,
        "product_key": key,
        "feed_last_updated": _instant(UPDATED + timedelta(seconds=feed)),
        "source_program_id": 3_000_000_000 + feed % 7,
        "sku": key if chance < 0.9 else None,  # noqa: PLR2004
        "ean": f"{7_300_000_000_000 + number * 31}",
        "product_name": text[start : start + 20 + start % 50],
        "product_description": text[start : start + 80 + source.randrange(880)],
        "product_category": ("Hem > Kök", "Hem > Trädgård", "Kläder, skor", "", None)[number % 5],
        "product_price": Decimal(source.randrange(100, 5_000_000)).scaleb(-2),
        "old_price": Decimal(source.randrange(100, 5_000_000)).scaleb(-2) if start % 3 else None,
        "shipping": (49, Decimal("29.90"), 0, None)[start % 4],
        "currency": "SEK",
        "market": "SE",
        "in_stock": start % 5 > 0,
        "manufacturer": ("Fabriken & Söner", 'AB "Ull"', "O'Neill", None)[start % 4],
        "manufacturer_article_number": f"{number:08d}",
        "product_url": page,
        "tracking_url": f"https://track.adtraction.example/t/t?a={feed}&as=114000001&t=2&url={page}",
        "image_url": f"{page}.png",
        "approval_status": 1,
        "extra_info": [{"key": "color", "value": text[start : start + 8]}] if start % 8 else None,
        "_extra": {"condition": "new", "weight": number % 90} if chance < 0.1 else None,  # noqa: PLR2004
    }


def _instant(moment: datetime) -> str:
    return f"{moment:%Y-%m-%dT%H:%M:%SZ}"


class Files:
    """One load, in every format."""

    def __init__(
        self, stack: ExitStack, path: Path, checksum: Checksum, *, records: int
    ) -> None:
        self._singer, self._ndjson = (
            stack.enter_context(path.with_suffix(suffix).open("wb"))
            for suffix in (".singer", ".ndjson")
        )
        text = stack.enter_context(path.with_suffix(".csv").open("w", encoding="utf-8", newline=""))
        self._csv = csv.writer(text, lineterminator="\n")
        self._checksum = checksum
        self._records = records
        self._feeds: dict[str, str] = {}
        self._message(
            type="SCHEMA",
            stream="products",
            schema=SCHEMA,
            key_properties=KEYS,
            bookmark_properties=["feed_last_updated"],
        )

    def write(self, record: dict[str, Any]) -> None:
        """Add a record."""
        line = encode(record)
        self._ndjson.write(line + b"\n")
        self._singer.write(b'{"type":"RECORD","stream":"products","record":' + line + b"}\n")
        self._csv.writerow(_csv_value(value) for value in record.values())
        self._checksum.add(record.values())
        if self._checksum.rows in {self._records} or self._checksum.rows % PER_FEED == 0:
            name = "{channel_id}:{program_id}:{feed_id}".format(**record)
            self._feeds[name] = record["feed_last_updated"]
            self._message(
                type="STATE", value={"bookmarks": {"products": {"units": self._feeds}}}
            )

    def _message(self, **message: Any) -> None:
        self._singer.write(encode(message) + b"\n")


def _csv_value(value: Any) -> Any:
    if value is None:
        return r"\N"
    return encode(value).decode() if isinstance(value, dict | list) else value


class Checksum:
    """What tells whether two sets of rows are equal, in whatever order, and else in which columns.

    Values are compared, not how a database writes them: 7 and 7.00 are one number, an instant is
    one whatever its offset, members of an object have no order.
    """

    def __init__(self) -> None:
        self.rows = 0
        self.columns = [0] * len(COLUMNS)

    def add(self, row: Iterable[Any]) -> None:
        """Take in a row, its values in the order of COLUMNS."""
        texts = [
            b"\0" if value is None else text(value).encode()
            for text, value in zip(_TEXTS, row, strict=True)
        ]
        key = zlib.crc32(b"\0".join(texts[: len(KEYS)]))
        self.rows += 1
        for place, value in enumerate(texts):
            self.columns[place] += zlib.crc32(value, key)

    def differences(self, landed: Checksum) -> str:
        """Say how what has landed differs from this."""
        if landed.rows != self.rows:
            return f"{landed.rows - self.rows:+,} rows"
        columns = zip(COLUMNS, self.columns, landed.columns, strict=True)
        return ", ".join(name for name, sum_, landed_sum in columns if sum_ != landed_sum)


def _number(value: Any) -> str:
    return f"{Decimal(str(value)).normalize():f}"


def _moment(value: Any) -> str:
    moment = datetime.fromisoformat(value) if isinstance(value, str) else value
    if moment.tzinfo is None:  # the databases' sessions are in UTC
        moment = moment.replace(tzinfo=UTC)
    return str(moment.astimezone(UTC))


def _json(value: Any) -> str:
    return json.dumps(json.loads(value) if isinstance(value, str) else value, sort_keys=True)


def _text_of(property_: dict[str, Any]) -> Callable[[Any], str]:
    if property_.get("format") == "date-time":
        return _moment
    kind = property_["type"][0]
    return {"number": _number, "array": _json, "object": _json}.get(kind, str)


_TEXTS: Sequence[Callable[[Any], str]] = [_text_of(each) for each in SCHEMA["properties"].values()]


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("folder", type=Path)
    parser.add_argument("--records", type=int, default=200_000)
    arguments = parser.parse_args()
    write(arguments.folder, arguments.records)
