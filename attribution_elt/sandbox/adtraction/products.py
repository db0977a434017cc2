"""Streamed bodies of product feeds of any size.

Each response encodes sixty-four products as templates, with gaps such as `~number~` for the values
that differ between products. All values of a gap have the same width, so the length of a body is
known beforehand. Some templates have the defects of real feeds: a missing sku, a blank sku, the sku
of an earlier product.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from operator import itemgetter
from typing import Any
from urllib.parse import quote

from attribution_elt.sandbox.adtraction.programs import APPROVED, Feed
from attribution_elt.sandbox.exact_json import encode

TEMPLATES = 64
BLOCK = 256  # products in a piece of the body
MISSING_SKU, REPEATED_SKU, NULL_SKU, LONE_BLANK, BLANK, BLANK_TWIN = 13, 21, 37, 50, 7, 45
NAMES = ("Espressokopp", "Trädgårdsstol", 'Dörrmatta "Välkommen"', "Køkkenur 30 %", "雪平鍋")
FILLER = "En rejäl och hållbar produkt. "
COLOURS = ("röd", "blå", "grøn", "natural")
GAP = re.compile(rb"~(\w+)~")


class FeedBody:
    """The body with the products of some feeds, as a channel gets them."""

    def __init__(
        self,
        feeds: Sequence[Feed],
        channel_id: int,
        product_bytes: int,
        *,
        set_epi: bool = False,
        google_ads: bool = False,
    ) -> None:
        writer = Writer(channel_id, product_bytes, set_epi=set_epi, google_ads=google_ads)
        self._parts = [Part(feed, writer) for feed in feeds if feed.size]
        self.count = sum(part.count for part in self._parts)

    @property
    def length(self) -> int:
        """Bytes of the body: the opening bracket, and each product with the comma after it."""
        return max(2, 1 + sum(part.length for part in self._parts))

    def __iter__(self) -> Iterator[bytes]:
        before = b"["
        for part in self._parts:
            for block in part:
                yield before + block
                before = b","
        yield b"]" if self._parts else b"[]"


class Part:
    """The current products of one feed."""

    def __init__(self, feed: Feed, writer: Writer) -> None:
        self.count = feed.size
        self._numbers = range(feed.first, feed.first + feed.size)
        self._version = feed.version
        self._templates = [writer.template(feed, number) for number in range(TEMPLATES)]

    @property
    def length(self) -> int:
        """Bytes of the products, with a comma after each of them."""
        widths = [len(template.fill(_values(0, 0))) + 1 for template in self._templates]
        rounds, rest = divmod(self.count, TEMPLATES)
        return rounds * sum(widths) + sum(widths[n % TEMPLATES] for n in self._numbers[:rest])

    def __iter__(self) -> Iterator[bytes]:
        for start in range(0, self.count, BLOCK):
            yield b",".join(
                self._templates[number % TEMPLATES].fill(_values(number, self._version))
                for number in self._numbers[start : start + BLOCK]
            )


def _values(number: int, version: int) -> dict[str, bytes]:
    """Return a product's values; each version changes the price of one product in ten."""
    price = (number * 7919 + (version * 100 if number % 10 == 0 else 0)) % 80000 + 10000
    whole, cents = divmod(price, 100)
    return {
        "number": b"%08d" % number,
        "before": b"%08d" % (number - 1),
        "twin": b"%08d" % (number - BLANK_TWIN + BLANK),
        "price": b"%d.%02d" % (whole, cents),
        "oldPrice": b"%d.%02d" % (whole + 100, cents),
    }


@dataclass(frozen=True)
class Writer:
    """Encodes products as templates."""

    channel_id: int
    product_bytes: int
    set_epi: bool
    google_ads: bool

    def template(self, feed: Feed, number: int) -> Template:
        """Return the template of every sixty-fourth product of a feed."""
        product = self._product(feed, number)
        _make_odd(product, number)
        missing = max(20, self.product_bytes - len(encode(product).encode()))
        product["productDescription"] = (FILLER * (missing // len(FILLER) + 1))[:missing]
        return Template(product)

    def _product(self, feed: Feed, number: int) -> dict[str, Any]:
        name = f"{NAMES[number % len(NAMES)]} ~number~"
        page = "~twin~" if number == BLANK_TWIN else "~number~"
        url = f"https://www.butik.example/{feed.market.lower()}/{feed.id}/{page}"
        tracking = (
            f"https://track.adtraction.example/t/t?a={feed.ad_id}&as={self.channel_id}&t=2&tk=1"
        )
        if self.set_epi:
            tracking += f"&epi={quote(name)}"
        if self.google_ads:
            tracking += f"&url={quote(url, safe='')}"
        return {
            "productName": name,
            "productPrice": "~price~",
            "productUrl": url,
            "trackingUrl": tracking,
            "currency": feed.currency,
            "programId": feed.ad_id,  # the sample of the document has the ad's id here too
            "approvalStatus": APPROVED,
            "ean": "07~number~",
            "sku": f"{feed.id}-~number~",
            "extraInfo": [{"key": "color", "value": COLOURS[number % len(COLOURS)]}],
            "imageUrl": f"https://www.butik.example/{feed.id}/~number~.png",
            "inStock": number % 5 > 0,
            "manufacturer": "Fabriken & Söner",
            "manufacturerArticleNumber": "~number~",
            "market": feed.market,
            "oldPrice": "~oldPrice~",
            "productCategory": "Hem > Kök",
            "productDescription": "",
            "shipping": 49,
        }


def _make_odd(product: dict[str, Any], number: int) -> None:
    if number in {LONE_BLANK, BLANK, BLANK_TWIN}:
        product["sku"] = ""
    elif number == NULL_SKU:
        product["sku"] = None
    elif number == MISSING_SKU:
        del product["sku"]
    elif number == REPEATED_SKU:
        product["sku"] = product["sku"].replace("~number~", "~before~")
    if number % 3 == 0:
        del product["oldPrice"]
    if number % 8 == 0:
        del product["extraInfo"]


class Template:
    """An encoded product with gaps for values."""

    def __init__(self, product: dict[str, Any]) -> None:
        text = encode(product).encode().replace(b"%", b"%%")
        text = text.replace(b'"~oldPrice~"', b"~oldPrice~")  # a number, where the price is a string
        names = [name.decode() for name in GAP.findall(text)]
        self._pick: Callable[[dict[str, bytes]], tuple[bytes, ...]] = itemgetter(*names)
        self._text = GAP.sub(b"%b", text)

    def fill(self, values: dict[str, bytes]) -> bytes:
        """Return the encoded product with the values in its gaps."""
        return self._text % self._pick(values)
