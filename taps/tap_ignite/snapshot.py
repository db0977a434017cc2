"""How a website is looked back at: the window, its bookmark, and what of it failed."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, date, datetime, timedelta
from http import HTTPStatus
from typing import Any, ClassVar
from urllib.parse import quote

from typing_extensions import override

from attribution_elt.core.dates import day_of
from attribution_elt.kit.errors import CredentialsError, UnitError
from attribution_elt.kit.http.client import Request
from attribution_elt.kit.http.response import JsonResponse
from attribution_elt.kit.reader import Reader
from attribution_elt.kit.tap import VendorStream, VendorTap

LONGEST_DAYS = 59
"""A window of over 60 days is silently answered with 30; a day less for the vendor's time zone."""
FIRST_DAYS = 30
"""Days that the first run looks back where no `start_date` is set."""


@dataclass(frozen=True, slots=True)
class SnapshotRequest:
    """A request to a website; `since` is the first day of its window, `id` what it is about.

    One without a path asks for nothing: it stands at the end of its website's requests.
    """

    website: str
    since: date
    path: str = ""
    algorithm: str | None = None
    id: str = ""


class Snapshot(Reader[SnapshotRequest, JsonResponse | None]):
    """Walks the websites; each of its streams has a bookmark for each, the day of the last run.

    Attributes:
        path: of the endpoint.
        dated: whether it takes the first day of the window.
        hashed: whether it is asked once for each hash algorithm.
    """

    path: ClassVar[str]
    dated: ClassVar[bool] = True
    hashed: ClassVar[bool] = False

    def __init__(self, tap: VendorTap, streams: list[VendorStream]) -> None:
        super().__init__(tap, streams)
        self.today = datetime.now(UTC).date()
        self.broken: set[str] = set()

    @property
    def windowed(self) -> Sequence[VendorStream]:
        """The streams for which a window must be wide enough."""
        return list(self.streams.values())

    def since(self, website: str) -> date:
        """Return the first day of a website's window, as far back as the vendor can look."""
        known = all(stream.units.get(website) for stream in self.windowed)
        return self.reachable(self.wanted(website), website if known else "any website")

    def wanted(self, website: str) -> date:
        """Return the first day that a website's bookmarks ask for, whether it can be had or not."""
        config = self.tap.config
        start = config.get("start_date")
        first = day_of(start) if start else self.today - timedelta(days=FIRST_DAYS)
        again = timedelta(days=config["lookback_days"])
        bookmarks = [stream.units.get(website) for stream in self.windowed]
        return min((day_of(each) - again if each else first for each in bookmarks), default=first)

    @property
    def earliest(self) -> date:
        """The first day that the vendor can look back to."""
        return self.today - timedelta(days=LONGEST_DAYS)

    def reachable(self, since: date, whose: str) -> date:
        """Return the day, or the earliest that the vendor can look back to; tell what is lost."""
        if self.dated and since < self.earliest:
            self.tap.warn_once(
                f"the days {since}..{self.earliest - timedelta(days=1)} of {whose} can no longer "
                f"be had: the vendor looks back {LONGEST_DAYS} days",
                kind="days_lost",
            )
        return min(max(since, self.earliest), self.today)

    @override
    def units(self) -> Iterator[SnapshotRequest]:
        self.total = len(self.tap.clients) * self.looks_each
        for website in self.tap.clients:
            since = self.since(website)
            yield from self.looks(website, since)
            yield SnapshotRequest(website, since)

    def looks(self, website: str, since: date) -> Iterator[SnapshotRequest]:
        """Yield a website's requests."""
        for algorithm in self.algorithms if self.hashed else (None,):
            yield SnapshotRequest(website, since, self.path, algorithm)

    @property
    def looks_each(self) -> int:
        """How many requests `looks` makes."""
        return len(self.algorithms) if self.hashed else 1

    @override
    def is_request(self, unit: SnapshotRequest) -> bool:
        return bool(unit.path)

    @property
    def algorithms(self) -> list[str]:
        """The hash algorithms of the settings, each once."""
        return list(dict.fromkeys(self.tap.config["hash_algorithms"]))

    @override
    def fetch(self, unit: SnapshotRequest) -> JsonResponse | None:
        if not unit.path:
            return None
        return self.tap.clients[unit.website].fetch(
            Request(
                unit.path,
                unit.path + (f" by {unit.algorithm}" if unit.algorithm else ""),
                params={
                    "date": unit.since.isoformat() if self.dated else None,
                    "algo": unit.algorithm,
                },
            )
        )

    @override
    def emit(self, unit: SnapshotRequest, answer: JsonResponse | None) -> None:
        if answer is not None:
            self.write(unit, answer)
            answer.close()

    def write(self, unit: SnapshotRequest, body: JsonResponse) -> None:
        """Write an answer's records; by default the one stream's, a row each."""
        for stream in self.streams.values():
            for row in body:
                stream.emit(self.row(row), **self.context(unit))

    def row(self, row: Any) -> Any:
        """Return a row of the vendor's as an object."""
        return {"hashed_email": row} if self.hashed and isinstance(row, str) else row

    def context(self, unit: SnapshotRequest) -> dict[str, Any]:
        """Return what a row does not say itself."""
        context = {"website": unit.website, "window_start": unit.since.isoformat()}
        return {**context, "algorithm": unit.algorithm} if self.hashed else context

    @override
    def on_failure(self, unit: SnapshotRequest, error: UnitError) -> None:
        super().on_failure(unit, error)
        if not unit.id or isinstance(error, CredentialsError):
            self.broken.add(unit.website)

    @override
    def on_complete(self, unit: SnapshotRequest) -> None:
        if not unit.path and unit.website not in self.broken:
            for stream in self.streams.values():
                stream.units[unit.website] = self.today.isoformat()


class ListReader(Snapshot):
    """A list whose entries have details of their own; it notes their ids.

    Attributes:
        ids: by website, as paths have them; one whose list could not be read is not in it.
        details: the stream of the details.
    """

    details: ClassVar[str]

    def __init__(self, tap: VendorTap, streams: list[VendorStream]) -> None:
        super().__init__(tap, streams)
        self.ids: dict[str, list[str]] = {}
        self._without_id = 0

    @property
    @override
    def windowed(self) -> Sequence[VendorStream]:
        streams = [*self.streams.values(), self.tap.streams[self.details]]
        return [each for each in streams if isinstance(each, VendorStream) and each.selected]

    @property
    @override
    def test_satisfied(self) -> bool:
        return super().test_satisfied and not self.tap.streams[self.details].selected

    @override
    def write(self, unit: SnapshotRequest, body: JsonResponse) -> None:
        super().write(unit, body)
        rows = (row for row in body if isinstance(row, dict) and row.get("id") is not None)
        self.ids[unit.website] = [quote(str(row["id"]), safe="") for row in rows]
        self._without_id += body.count - len(self.ids[unit.website])

    @override
    def take_keyless_errors(self) -> Iterator[str]:
        yield from super().take_keyless_errors()
        if self._without_id and not self.streams:  # else they are told as rows
            yield f"{self.path}: {self._without_id} entries without an id"
        self._without_id = 0


class DetailReader(Snapshot):
    """Asks for the details of a list's entries, one by one.

    An entry that failed is kept in the state with the window that it lacks: its website's bookmark
    moves on, and the next run asks for just that window again.

    Attributes:
        listing: who reads the list.
        id_property: what an entry's id is called in a record.
    """

    listing: ClassVar[type[ListReader]]
    id_property: ClassVar[str] = "id"

    MOST_FAILED: ClassVar[int] = 50
    """Failed entries kept; with more of them a website's bookmark stays, so that state is small."""

    def __init__(self, tap: VendorTap, streams: list[VendorStream]) -> None:
        super().__init__(tap, streams)
        self._listed: dict[str, list[str]] = {}
        self._failed: defaultdict[str, dict[str, date]] = defaultdict(dict)

    @override
    def units(self) -> Iterator[SnapshotRequest]:
        listing = self.tap.read(self.listing)
        self._listed = listing.ids
        self.broken |= listing.broken  # what such a list lacks is for the next run
        lacking_ids = {website: self._lacking(website) for website in self._listed}
        ids = {
            name: dict.fromkeys((*ids, *lacking_ids[name])) for name, ids in self._listed.items()
        }
        self.total = sum(map(len, ids.values())) * self.looks_each
        # a website whose list could not be read keeps its bookmark, and is asked for nothing more
        for website, lacking in lacking_ids.items():
            first = self.since(website)
            for id_ in ids[website]:
                since = min(first, lacking.get(id_, date.max))
                for look in self.looks(website, since):
                    yield replace(look, path=f"{self.path}/{id_}", id=id_)
            yield SnapshotRequest(website, first)

    @property
    def _state(self) -> dict[str, str]:
        """What failed, by website: a text, for Meltano could not take an entry out of it."""
        (stream,) = self.streams.values()
        state: dict[str, str] = stream.stream_state.setdefault("failed", {})
        return state

    def _lacking(self, website: str) -> dict[str, date]:
        """Return the entries that failed in earlier runs, each with the window that it lacks."""
        entries = (entry.split("=") for entry in self._state.get(website, "").split())
        return {id_: self.reachable(day_of(day), website) for id_, day in entries}

    @override
    def context(self, unit: SnapshotRequest) -> dict[str, Any]:
        return {**super().context(unit), self.id_property: unit.id}

    @override
    def on_failure(self, unit: SnapshotRequest, error: UnitError) -> None:
        if error.status == HTTPStatus.NOT_FOUND and unit.id not in self._listed[unit.website]:
            return  # it failed before, and by now the vendor has dropped it
        super().on_failure(unit, error)
        self._failed[unit.website][unit.id] = unit.since

    @override
    def on_complete(self, unit: SnapshotRequest) -> None:
        failed = self._failed[unit.website]
        if len(failed) > self.MOST_FAILED:
            self.broken.add(unit.website)
        if not unit.path and unit.website not in self.broken:
            text = " ".join(f"{id_}={day}" for id_, day in failed.items())
            if text or unit.website in self._state:
                self._state[unit.website] = text
        super().on_complete(unit)
