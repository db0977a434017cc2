"""How a website is looked back at: the window, its bookmark, and what of it failed."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, date, datetime, timedelta
from http import HTTPStatus
from typing import Any, ClassVar

from typing_extensions import override

from taps.base import VendorStream, VendorTap
from taps.errors import CredentialsError, UnitError
from taps.http import Body, Request
from taps.retriever import Retriever
from taps.settings import day_of

LONGEST_DAYS = 59
"""A window of over 60 days is silently answered with 30; a day less for the vendor's time zone."""
FIRST_DAYS = 30
"""Days that the first run looks back where no `start_date` is set."""


@dataclass(frozen=True, slots=True)
class Look:
    """A request to a website; `since` is the first day of its window, `id` of what it is about.

    One without a path asks for nothing: it stands at the end of its website's requests.
    """

    website: str
    since: date
    path: str = ""
    algorithm: str | None = None
    id: int | None = None


class LookBack(Retriever[Look, Body | None]):
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
        config = self.tap.config
        start = config.get("start_date")
        first = day_of(start) if start else self.today - timedelta(days=FIRST_DAYS)
        wanted = [
            day_of(bookmark) - timedelta(days=config["lookback_days"])
            if (bookmark := stream.units.get(website))
            else first
            for stream in self.windowed
        ]
        since = min(wanted, default=first)
        earliest = self.today - timedelta(days=LONGEST_DAYS)
        if since >= earliest:
            return min(since, self.today)
        self.tap.logger.warning(
            "%s of %s: the days %s..%s can no longer be had; the vendor looks back %d days",
            ", ".join(self.streams) or self.path,
            website,
            since,
            earliest - timedelta(days=1),
            LONGEST_DAYS,
        )
        return earliest

    @override
    def units(self) -> Iterator[Look]:
        for website in self.tap.clients:
            since = self.since(website)
            yield from self.looks(website, since)
            yield Look(website, since)

    def looks(self, website: str, since: date) -> Iterator[Look]:
        """Yield a website's requests."""
        algorithms = self.tap.config["hash_algorithms"] if self.hashed else (None,)
        for algorithm in algorithms:
            yield Look(website, since, self.path, algorithm)

    @override
    def fetch(self, unit: Look) -> Body | None:
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
    def emit(self, unit: Look, answer: Body | None) -> None:
        if answer is not None:
            self.write(unit, answer)
            answer.close()

    def write(self, unit: Look, body: Body) -> None:
        """Write an answer's records; by default the one stream's, a row each."""
        for stream in self.streams.values():
            for row in body:
                stream.emit(self.row(row), **self.context(unit))

    def row(self, row: Any) -> Any:
        """Return a row of the vendor's as an object."""
        return {"hashed_email": row} if self.hashed and isinstance(row, str) else row

    def context(self, unit: Look) -> dict[str, Any]:
        """Return what a row does not say itself."""
        context = {"website": unit.website, "window_start": unit.since.isoformat()}
        return {**context, "algorithm": unit.algorithm} if self.hashed else context

    @override
    def failed(self, unit: Look, error: UnitError) -> None:
        super().failed(unit, error)
        self.broken.add(unit.website)

    @override
    def complete(self, unit: Look) -> None:
        if not unit.path and unit.website not in self.broken:
            for stream in self.streams.values():
                stream.units[unit.website] = self.today.isoformat()


class Listing(LookBack):
    """A list whose entries have details of their own; it notes their ids.

    Attributes:
        ids: by website; a website whose list could not be read is not in it.
        details: the stream of the details.
    """

    details: ClassVar[str]

    def __init__(self, tap: VendorTap, streams: list[VendorStream]) -> None:
        super().__init__(tap, streams)
        self.ids: dict[str, list[int]] = {}

    @property
    @override
    def windowed(self) -> Sequence[VendorStream]:
        streams = [*self.streams.values(), self.tap.streams[self.details]]
        return [each for each in streams if isinstance(each, VendorStream) and each.selected]

    @property
    @override
    def satisfied(self) -> bool:
        return super().satisfied and not self.tap.streams[self.details].selected

    @override
    def write(self, unit: Look, body: Body) -> None:
        super().write(unit, body)
        rows = (row for row in body if isinstance(row, dict) and row.get("id") is not None)
        self.ids[unit.website] = [row["id"] for row in rows]


class Details(LookBack):
    """Asks for the details of a list's entries, one by one.

    An entry that failed is kept in the state with the window that it lacks: its website's bookmark
    moves on, and the next run asks for just that window again.

    Attributes:
        listing: who reads the list.
        id_property: what an entry's id is called in a record.
    """

    listing: ClassVar[type[Listing]]
    id_property: ClassVar[str] = "id"

    MOST_FAILED: ClassVar[int] = 50
    """Failed entries kept; with more of them a website's bookmark stays, so that state is small."""

    def __init__(self, tap: VendorTap, streams: list[VendorStream]) -> None:
        super().__init__(tap, streams)
        self._listed: dict[str, list[int]] = {}
        self._failed: dict[str, str] = {}

    @override
    def units(self) -> Iterator[Look]:
        self._listed = self.tap.retrieve(self.listing).ids
        # a website whose list could not be read keeps its bookmark, and is asked for nothing more
        for website, ids in self._listed.items():
            lacking = self._lacking(website)
            first = self.since(website)
            for id_ in dict.fromkeys((*ids, *lacking)):
                since = min(first, lacking.get(id_, date.max))
                for look in self.looks(website, since):
                    yield replace(look, path=f"{self.path}/{id_}", id=id_)
            yield Look(website, first)

    def _lacking(self, website: str) -> dict[int, date]:
        """Return the entries that failed in earlier runs, each with the window that it lacks."""
        earliest = self.today - timedelta(days=LONGEST_DAYS)
        keys = (key.rpartition(":") for key in self._state)
        return {
            int(id_): max(day_of(self._state[f"{website}:{id_}"]), earliest)
            for site, _, id_ in keys
            if site == website
        }

    @property
    def _state(self) -> dict[str, str]:
        (stream,) = self.streams.values()
        state: dict[str, str] = stream.stream_state.get("failed", {})
        return state

    @override
    def context(self, unit: Look) -> dict[str, Any]:
        return {**super().context(unit), self.id_property: unit.id}

    @override
    def failed(self, unit: Look, error: UnitError) -> None:
        if error.status == HTTPStatus.NOT_FOUND and unit.id not in self._listed[unit.website]:
            return  # it failed before, and by now the vendor has dropped it
        if isinstance(error, CredentialsError):
            self.broken.add(unit.website)
        self._failed[f"{unit.website}:{unit.id}"] = unit.since.isoformat()
        self.tap.failures.append(error)

    @override
    def complete(self, unit: Look) -> None:
        if unit.path:
            return
        failed = {
            key: day for key, day in self._failed.items() if key.startswith(f"{unit.website}:")
        }
        if len(failed) > self.MOST_FAILED:
            self.broken.add(unit.website)
        if unit.website not in self.broken:
            others = {
                key: day
                for key, day in self._state.items()
                if key.rpartition(":")[0] != unit.website
            }
            (stream,) = self.streams.values()
            stream.stream_state["failed"] = {**others, **failed}
        super().complete(unit)
