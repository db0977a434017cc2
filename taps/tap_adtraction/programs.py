"""The readers of Adtraction's programs, which list commissions and product feeds."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import product
from typing import Any, ClassVar

from typing_extensions import override

from attribution_elt.kit.claims import Claim
from attribution_elt.kit.errors import UnitError
from attribution_elt.kit.http.request import Request
from attribution_elt.kit.listed_ids import ListedIds
from attribution_elt.kit.reader import Reader, Unit
from attribution_elt.kit.records.shaper import integer, timestamp, whole
from attribution_elt.kit.run import Run
from attribution_elt.kit.stream import VendorStream
from tap_adtraction.client import PROGRAMS, AdtractionClient, Pages

DOCUMENTED = {"approvalStatus": (0, 1, 2), "status": (0, 3)}
"""Values that a request may filter by; programs can have others, such as 3, not applied."""
FILTERS = (
    *("markets", "channel_ids", "program_ids", "approval_status", "program_status"),
    *("feed_info", "standard_commissions"),
)
"""Settings that decide which programs, feeds and commissions are listed."""


class AdtractionReader(Reader[AdtractionClient, Unit, Pages]):
    """A reader of one of the account's two tokens.

    Attributes:
        credential: the setting that holds the token.
    """

    credential: ClassVar[str] = "partner_token"

    def __init__(self, run: Run[AdtractionClient], streams: Sequence[VendorStream]) -> None:
        super().__init__(run, streams)
        self.client = run.clients[self.credential]

    @override
    def account_of(self, unit: Unit) -> str:
        return self.credential

    def listed_ids(self, stream: str) -> ListedIds:
        """Return what the last complete run of a stream listed."""
        filters = {name: self.run.config.get(name) for name in FILTERS}
        return ListedIds(self.streams[stream].stream_state, filters)

    def write(self, stream: str, row: Any, **context: Any) -> None:
        """Write a row, if its stream is selected and fed by this reader."""
        if stream in self.streams:
            self.streams[stream].emit(row, **context)


@dataclass(frozen=True, slots=True)
class ProgramList:
    """The programs of a market as a channel sees them; 0 is the id if no channel is configured."""

    market: str
    channel_id: int


@dataclass(frozen=True, slots=True)
class ProductFeed:
    """A product feed of a program.

    Attributes:
        last_updated: time in UTC; None if the vendor omits it.
        products: number of products in the list of feeds; None if the vendor omits it.
    """

    channel_id: int
    program_id: int
    feed_id: int
    last_updated: str | None
    products: Any = None

    @property
    def about(self) -> str:
        """Name of the feed in logs."""
        return f"feed {self.feed_id} of program {self.program_id}, channel {self.channel_id}"

    @property
    def name(self) -> str:
        """Name of the feed's bookmark."""
        return f"{self.channel_id}:{self.program_id}:{self.feed_id}"


class Programs(AdtractionReader[ProgramList]):
    """Reads program lists, which include each program's commissions and feeds.

    Attributes:
        feeds: the product feeds that are listed, by name.
        programs: the programs that are listed, by channel, each with the rows of its feeds.
        incomplete: whether a list failed, or had a program or feed without a usable id.
        without_feeds: programs without a list of feeds, as prefixes of the names of their feeds'
        bookmarks.
    """

    def __init__(self, run: Run[AdtractionClient], streams: Sequence[VendorStream]) -> None:
        super().__init__(run, streams)
        self._ids = set(run.config.get("program_ids") or ())
        self._filters = {
            "approvalStatus": run.config.get("approval_status"),
            "status": run.config.get("program_status"),
        }
        self._requests_feed_info = run.config["feed_info"] and bool(run.config.get("channel_ids"))
        self._requests_standard = bool(run.config["standard_commissions"])
        self.feeds: dict[str, ProductFeed] = {}
        self.programs: dict[int, dict[int, list[Any]]] = {}
        self.incomplete = False
        self.without_feeds: set[str] = set()
        self._claims: list[Claim] = []

    @property
    @override
    def test_satisfied(self) -> bool:
        wants_feeds = self.run.streams["products"].selected and not self.feeds
        return super().test_satisfied and not wants_feeds

    @override
    def units(self) -> Iterator[ProgramList]:
        channel_ids = dict.fromkeys(self.run.config.get("channel_ids") or [0])
        markets = dict.fromkeys(self.run.config["markets"])
        self.total = len(markets) * len(channel_ids)
        for market, channel_id in product(markets, channel_ids):
            yield ProgramList(market, channel_id)

    @override
    def fetch(self, unit: ProgramList) -> Pages:
        body: dict[str, Any] = {"market": unit.market}
        if unit.channel_id:
            # without a channel, the vendor's own filters match nothing
            filters = {n: v for n, v in self._filters.items() if v in DOCUMENTED[n]}
            body |= {"channelId": unit.channel_id, **filters}
        if len(self._ids) == 1:
            body["programId"] = next(iter(self._ids))
        request = Request(
            PROGRAMS,
            f"programs of market {unit.market}, channel {unit.channel_id}",
            method="POST",
            body=body,
            quota="programs",
        )
        return Pages(self.client, request)

    @override
    def emit(self, unit: ProgramList, answer: Pages) -> None:
        self._claims = list(self._claims_of_programs(unit))
        for program in answer:
            if not isinstance(program, dict):
                self.write("programs", program, market=unit.market, channel_id=unit.channel_id)
                self._report_unusable()
            elif self._is_wanted(program):
                self._emit_program(unit, program)

    def _is_wanted(self, program: dict[str, Any]) -> bool:
        wanted = all(
            value is None or whole(program.get(name)) == value
            for name, value in self._filters.items()
        )
        return wanted and (not self._ids or whole(program.get("programId")) in self._ids)

    def _emit_program(self, unit: ProgramList, program: dict[str, Any]) -> None:
        lists = {
            name: program.pop(name)
            for name in ("commissions", "feeds")
            if isinstance(program.get(name), list)
        }
        if program.get("feeds") is not None:
            self._report_unusable()
        self.write("programs", program, market=unit.market, channel_id=unit.channel_id)
        key: dict[str, Any] = {
            "channel_id": unit.channel_id,
            "program_id": program.get("programId"),
        }
        for row in lists.get("commissions", ()):
            self.write("commissions", row, **key)
        feeds = lists.get("feeds", [])
        if not self._requests_feed_info:
            self.write_feeds(feeds, **key)
        try:
            program_id = integer(key["program_id"])
        except ValueError:
            self._report_unusable()
            return
        self.programs.setdefault(unit.channel_id, {})[program_id] = feeds
        if "feeds" not in lists and not self._requests_feed_info:
            self.without_feeds.add(f"{unit.channel_id}:{program_id}:")
        where = {"channel_id": unit.channel_id, "program_id": program_id}
        if "commissions" in lists and not (self._requests_standard and not unit.channel_id):
            self._claims.append(Claim("commissions", where))
        if "feeds" in lists and not self._requests_feed_info:
            self._claims.append(Claim("feeds", where))

    def _claims_of_programs(self, unit: ProgramList) -> Iterator[Claim]:
        where: dict[str, Any] = {"market": unit.market, "channel_id": unit.channel_id}
        for column, value in zip(
            ("approval_status", "status"), self._filters.values(), strict=True
        ):
            where |= {} if value is None else {column: value}
        for program_id in sorted(self._ids):
            yield Claim("programs", {**where, "program_id": program_id})
        if not self._ids:
            yield Claim("programs", where)

    @override
    def claims(self, unit: ProgramList, answer: Pages) -> Iterator[Claim]:
        yield from self._claims

    @override
    def closing_claims(self) -> Iterator[Claim]:
        """Yield empty claims for the commissions and feeds of programs that are no longer listed.

        If a setting has deselected the programs, the vendor has not withdrawn them: no claim.
        """
        if self.incomplete:
            return
        listed = {str(channel): list(map(str, ids)) for channel, ids in self.programs.items()}
        if self._requests_standard:
            listed["0"] = list(dict.fromkeys(id_ for ids in listed.values() for id_ in ids))
        for name in sorted({"commissions", "feeds"} & self.streams.keys()):
            known = self.listed_ids(name)
            for channel, id_ in known if known.unchanged else ():
                if id_ not in listed.get(channel, ()):
                    yield Claim(name, {"channel_id": int(channel), "program_id": int(id_)})
            known.save(listed)

    def write_feeds(self, rows: list[Any], *, channel_id: int, program_id: Any) -> None:
        """Write the rows of a program's feeds, and add the feeds to those that can be read."""
        for row in rows:
            self.write("feeds", row, channel_id=channel_id, program_id=program_id)
            self._add_feed(row, channel_id, program_id)

    def _add_feed(self, row: Any, channel_id: int, program_id: Any) -> None:
        """Add a feed for the reader of products, which needs its ids as numbers."""
        if not channel_id:
            return
        try:
            ids = channel_id, integer(program_id), integer(row["feedId"])
        except (KeyError, TypeError, ValueError):
            self._report_unusable()
            return
        try:
            updated = timestamp(row.get("lastUpdated"))
        except (ValueError, OverflowError):
            updated = None
        feed = ProductFeed(*ids, updated, row.get("numberOfProducts"))
        self.feeds[feed.name] = feed

    def _report_unusable(self) -> None:
        self.incomplete = True
        self.run.warn_once(
            "programs or feeds without a usable id: the products of such feeds cannot be read"
        )

    @override
    def on_failure(self, unit: ProgramList, error: UnitError) -> None:
        super().on_failure(unit, error)
        self.incomplete = True

    @override
    def read(self) -> None:
        super().read()
        details = ProgramDetails(self.run, self)
        if not self.test_satisfied:
            details.read()


@dataclass(frozen=True, slots=True)
class ProgramDetail:
    """A program's feeds as a channel sees them, or its standard commissions without a channel."""

    program_id: int
    channel_id: int | None = None


class ProgramDetails(AdtractionReader[ProgramDetail]):
    """Requests the details that program lists do not include, if settings require them.

    The reader of the program lists has finished before.
    """

    def __init__(self, run: Run[AdtractionClient], listed: Programs) -> None:
        super().__init__(run, list(listed.streams.values()))
        self._listed = listed

    @override
    def units(self) -> Iterator[ProgramDetail]:
        config, selected = self.run.config, self.run.streams
        programs, units = self._listed.programs, []
        if config["standard_commissions"] and "commissions" in self.streams:
            ids = dict.fromkeys(id_ for listed in programs.values() for id_ in listed)
            units += [ProgramDetail(id_) for id_ in ids]
        if config["feed_info"] and (selected["feeds"].selected or selected["products"].selected):
            pairs = [(id_, channel) for channel, ids in programs.items() for id_ in ids if channel]
            units += [ProgramDetail(*pair) for pair in pairs]
        self.total = len(units)
        return iter(units)

    @override
    def fetch(self, unit: ProgramDetail) -> Pages:
        if unit.channel_id is None:
            path, about = f"commissions/{unit.program_id}/", "standard commissions"
        else:
            path, about = f"products/feedinfo/{unit.program_id}/{unit.channel_id}/", "feeds"
            about += f" of channel {unit.channel_id},"
        about += f" of program {unit.program_id}"
        path = ("partner/programs/" if unit.channel_id is None else "partner/") + path
        return Pages(self.client, Request(path, about, quota=about.split()[0]))

    @override
    def emit(self, unit: ProgramDetail, answer: Pages) -> None:
        if unit.channel_id is None:
            for row in answer:
                self.write("commissions", row, channel_id=0, program_id=unit.program_id)
            return
        rows = list(answer)
        known = set(map(_feed_id, rows))
        listed = self._listed.programs[unit.channel_id][unit.program_id]
        rows += [row for row in listed if _feed_id(row) not in known]
        self._listed.write_feeds(rows, channel_id=unit.channel_id, program_id=unit.program_id)

    @override
    def claims(self, unit: ProgramDetail, answer: Pages) -> Iterator[Claim]:
        stream = "commissions" if unit.channel_id is None else "feeds"
        where = {"channel_id": unit.channel_id or 0, "program_id": unit.program_id}
        yield Claim(stream, where)

    @override
    def on_failure(self, unit: ProgramDetail, error: UnitError) -> None:
        super().on_failure(unit, error)
        self._listed.incomplete = True


def _feed_id(row: Any) -> str:
    return str(row.get("feedId") if isinstance(row, dict) else row)
