"""Any number of product records in tap-adtraction's format, generated from a seed.

The module writes two loads, `first` and `reload`, in which a fifth of the records has changed: each
as Singer messages (.singer), as lines of JSON (.ndjson) and as CSV (.csv).
"""

from __future__ import annotations

import csv
import json
import operator
import random
import zlib
from collections.abc import Callable, Iterable, Iterator
from contextlib import ExitStack
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from functools import lru_cache
from pathlib import Path
from typing import Any

import msgspec

PROPERTIES = json.loads(
    (Path(__file__).parents[2] / "schemas/adtraction/products.json").read_text(encoding="utf-8")
)["properties"]
KEYS = ["channel_id", "program_id", "feed_id", "product_key"]
LOADS = ("first", "reload")
CHANGED = 0.2
PER_FEED = 10_000  # products; after each feed comes a STATE
UPDATED = datetime(2026, 3, 1, tzinfo=UTC)
NULL = r"\N"  # null in a CSV file
PHRASES = (
    "robust och hållbar",
    'bredd 30 cm, höjd 12,5 cm, "bäst i test"',
    "enkel att montera\n- tvättas i 40°",
    "\tpassar køkken & møbel",
    "l'avenir: 30 % rabatt, crème, über, façade",
    "fem års garanti \\ leverans nästa dag 🪑",
    "雪平鍋",
)

Product = dict[str, Any]
encode = msgspec.json.Encoder(decimal_format="number").encode


def write(folder: Path, records: int) -> dict[str, Checksum]:
    """Write the files of both loads; return the checksum of each."""
    folder.mkdir(parents=True, exist_ok=True)
    with ExitStack() as stack:
        first, reload = (Files(folder / load, stack) for load in LOADS)
        for number, (product, later) in enumerate(products(records), 1):
            row = Row(product)
            last_of_feed = number % PER_FEED == 0 or number == records
            first.write(row, last_of_feed=last_of_feed)
            reload.write(row if later is product else Row(later), last_of_feed=last_of_feed)
    return dict(zip(LOADS, (first.checksum, reload.checksum), strict=True))


def products(records: int) -> Iterator[tuple[Product, Product]]:
    """Yield each product in its first version and a day later; most have not changed."""
    source = random.Random(6)  # noqa: S311 - not for secrets, and the same every time
    text = ". ".join(source.choices(PHRASES, k=5_000))
    for number in range(records):
        product = _product(number, source, text)
        later = product
        if source.random() < CHANGED:
            later = product | {
                "product_price": product["product_price"] + Decimal("0.01"),
                "in_stock": not product["in_stock"],
                "feed_last_updated": _instant(UPDATED + timedelta(days=1, seconds=number)),
            }
        yield product, later


def _product(number: int, source: random.Random, text: str) -> Product:
    feed, key = 1_000_000 + number // PER_FEED, f"{number * 7919 % 100_000_007:09d}-SE"
    start, price = source.randrange(len(text) - 1_000), source.randrange(100, 5_000_000)
    page = f"https://www.butik.example/se/{feed}/{key}"
    return {
        "channel_id": 114_000_001,
        "program_id": 700_000_000 + feed % 7,
        "feed_id": feed,
        "product_key": key,
        "feed_last_updated": _instant(UPDATED + timedelta(seconds=feed)),
        "source_program_id": 3_000_000_000 + feed % 7,
        "sku": key if start % 9 else None,
        "ean": f"{7_300_000_000_000 + number * 31}",
        "product_name": text[start : start + 20 + start % 50],
        "product_description": text[start : start + 80 + source.randrange(880)],
        "product_category": ("Hem > Kök", "Hem > Trädgård", "Kläder, skor", "", None)[number % 5],
        "product_price": Decimal(price).scaleb(-2),
        "old_price": Decimal(price + start).scaleb(-2) if start % 3 else None,
        "shipping": (49, Decimal("29.90"), 0, None)[start % 4],
        "currency": "SEK",
        "market": "SE",
        "in_stock": start % 5 > 0,
        "manufacturer": ("Fabriken & Söner", 'AB "Ull"', "O'Neill", None)[start % 4],
        "manufacturer_article_number": f"{number:08d}",
        "product_url": page,
        "tracking_url": f"https://track.adtraction.example/t/t?a={feed}&as=114000001&url={page}",
        "image_url": f"{page}.png",
        "approval_status": 1,
        "extra_info": [{"key": "color", "value": text[start : start + 8]}] if start % 8 else None,
        "_extra": {"condition": "new", "weight": number % 90} if start % 10 == 0 else None,
    }


def _instant(moment: datetime) -> str:
    return f"{moment:%Y-%m-%dT%H:%M:%SZ}"


class Row:
    """A product, encoded for the files."""

    def __init__(self, product: Product) -> None:
        self.feed = "{channel_id}:{program_id}:{feed_id}".format(**product)
        self.updated = product["feed_last_updated"]
        self.line = encode(product) + b"\n"
        self.cells = [
            NULL
            if value is None
            else (encode(value).decode() if isinstance(value, dict | list) else value)
            for value in product.values()
        ]
        self.sums = _sums(product.values())


class Files:
    """The files of a load."""

    def __init__(self, path: Path, stack: ExitStack) -> None:
        singer, ndjson = (path.with_suffix(suffix).open("wb") for suffix in (".singer", ".ndjson"))
        text = path.with_suffix(".csv").open("w", encoding="utf-8", newline="")
        self._singer, self._ndjson = stack.enter_context(singer), stack.enter_context(ndjson)
        self._csv = csv.writer(stack.enter_context(text), lineterminator="\n")
        self._units: dict[str, str] = {}
        self.checksum = Checksum()
        self._singer.write(
            encode(
                {
                    "type": "SCHEMA",
                    "stream": "products",
                    "schema": {"properties": PROPERTIES, "type": "object"},
                    "key_properties": KEYS,
                    "bookmark_properties": ["feed_last_updated"],
                }
            )
            + b"\n"
        )

    def write(self, row: Row, *, last_of_feed: bool) -> None:
        """Write a product, and the STATE after the last one of a feed."""
        head = b'{"type":"RECORD","stream":"products","record":'
        self._singer.write(head + row.line[:-1] + b"}\n")
        self._ndjson.write(row.line)
        self._csv.writerow(row.cells)
        self.checksum.add(row.sums)
        if last_of_feed:
            self._units[row.feed] = row.updated
            state = {"bookmarks": {"products": {"units": self._units}}}
            self._singer.write(encode({"type": "STATE", "value": state}) + b"\n")


class Checksum:
    """A checksum of rows in any order, which also shows the columns that differ.

    Values are compared, not their spelling: 7 and 7.00 are one number, an instant is the same in
    any time zone, the members of an object have no order.
    """

    def __init__(self) -> None:
        self._rows = 0
        self._columns = [0] * len(PROPERTIES)

    @classmethod
    def of(cls, rows: Iterable[Iterable[Any]]) -> Checksum:
        """Return the checksum of rows with values in the order of PROPERTIES."""
        checksum = cls()
        for row in rows:
            checksum.add(_sums(row))
        return checksum

    def add(self, sums: list[int]) -> None:
        """Add a row."""
        self._rows += 1
        self._columns = list(map(operator.add, self._columns, sums))

    def differences(self, other: Checksum) -> str:
        """Return the difference in the number of rows, or the columns that differ."""
        if other._rows != self._rows:
            return f"{other._rows - self._rows:+,} rows"
        columns = zip(PROPERTIES, self._columns, other._columns, strict=True)
        return ", ".join(name for name, own, others in columns if own != others)


def _sums(row: Iterable[Any]) -> list[int]:
    texts = [
        b"\0" if value is None else text(value).encode()
        for text, value in zip(_TEXTS, row, strict=True)
    ]
    key = zlib.crc32(b"\0".join(texts[: len(KEYS)]))
    return [zlib.crc32(text, key) for text in texts]


def _text_of_number(value: Any) -> str:
    number = value if isinstance(value, Decimal) else Decimal(str(value))
    return f"{number.normalize():f}"


@lru_cache
def _text_of_instant(value: Any) -> str:
    moment = datetime.fromisoformat(value) if isinstance(value, str) else value
    # columns without time zone contain times in UTC
    return str(moment.astimezone(UTC) if moment.tzinfo else moment.replace(tzinfo=UTC))


def _text_of_json(value: Any) -> str:
    parsed = msgspec.json.decode(value) if isinstance(value, str) else value
    return msgspec.json.encode(parsed, order="sorted").decode()


def _text_of(property_: dict[str, Any]) -> Callable[[Any], str]:
    if property_.get("format") == "date-time":
        return _text_of_instant
    texts = {"number": _text_of_number, "array": _text_of_json, "object": _text_of_json}
    return texts.get(property_["type"][0], str)


_TEXTS = [_text_of(each) for each in PROPERTIES.values()]
