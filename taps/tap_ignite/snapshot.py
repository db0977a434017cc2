"""Reads a website: windows, bookmarks, lists and the details of their entries."""

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
from attribution_elt.kit.claims import Claim
from attribution_elt.kit.errors import CredentialsError, UnitError
from attribution_elt.kit.http.request import Request
from attribution_elt.kit.http.response import JsonResponse
from attribution_elt.kit.reader import Reader
from attribution_elt.kit.run import Run
from attribution_elt.kit.stream import VendorStream
from tap_ignite.client import IgniteClient

LONGEST_DAYS = 59
"""Days of the longest window: beyond 60 days, the vendor silently returns only 30. One day is
reserved for the vendor's time zone."""
FIRST_DAYS = 30
"""Days of the first run's window if `start_date` is not set."""


@dataclass(frozen=True, slots=True)
class SnapshotRequest:
    """A request to a website.

    Attributes:
        website: name of the website.
        since: first day of the window.
        path: endpoint; "" marks the end of the website's requests and is not sent.
        algorithm: hash algorithm, None if the endpoint has none.
        id: the list entry that the request is about, percent-encoded; "" for a list.
    """

    website: str
    since: date
    path: str = ""
    algorithm: str | None = None
    id: str = ""


class Snapshot(Reader[IgniteClient, SnapshotRequest, JsonResponse | None]):
    """Reads an endpoint of each website.

    Each stream has a bookmark for each website: the day of the last complete run.

    Attributes:
        path: path of the endpoint.
        dated: whether the endpoint takes the first day of the window.
        hashed: whether it is requested once for each hash algorithm.
        incomplete: the websites of which a request failed.
    """

    path: ClassVar[str]
    dated: ClassVar[bool] = True
    hashed: ClassVar[bool] = False

    def __init__(self, run: Run[IgniteClient], streams: Sequence[VendorStream]) -> None:
        super().__init__(run, streams)
        self.today = datetime.now(UTC).date()
        self.incomplete: set[str] = set()

    @property
    def windowed(self) -> Sequence[VendorStream]:
        """The streams whose bookmarks decide how long the window is."""
        return list(self.streams.values())

    def since(self, website: str) -> date:
        """Return the first day of a website's window, as far back as the vendor allows."""
        bookmarked = all(stream.units.get(website) for stream in self.windowed)
        return self.reachable(self.wanted(website), website if bookmarked else "any website")

    def wanted(self, website: str) -> date:
        """Return the first day that a website's bookmarks require, even if it is lost."""
        config = self.run.config
        start = config.get("start_date")
        first = day_of(start) if start else self.today - timedelta(days=FIRST_DAYS)
        lookback = timedelta(days=config["lookback_days"])
        bookmarks = [stream.units.get(website) for stream in self.windowed]
        return min(
            (day_of(each) - lookback if each else first for each in bookmarks), default=first
        )

    @property
    def earliest(self) -> date:
        """The first day of the longest window."""
        return self.today - timedelta(days=LONGEST_DAYS)

    def reachable(self, since: date, account: str) -> date:
        """Return a day, limited to the longest window; warn about days that are lost."""
        if self.dated and since < self.earliest:
            self.run.warn_once(
                f"the days {since}..{self.earliest - timedelta(days=1)} of {account} are no longer "
                f"available: the vendor looks back {LONGEST_DAYS} days",
                kind="days_lost",
            )
        return min(max(since, self.earliest), self.today)

    @override
    def units(self) -> Iterator[SnapshotRequest]:
        self.total = len(self.run.clients) * len(self.algorithms)
        for website in self.run.clients:
            since = self.since(website)
            yield from self.requests(website, since)
            yield SnapshotRequest(website, since)

    def requests(self, website: str, since: date) -> Iterator[SnapshotRequest]:
        """Yield a website's requests."""
        for algorithm in self.algorithms:
            yield SnapshotRequest(website, since, self.path, algorithm)

    @property
    def algorithms(self) -> Sequence[str | None]:
        """The hash algorithms to request, each once; only None if the endpoint has none."""
        return list(dict.fromkeys(self.run.config["hash_algorithms"])) if self.hashed else (None,)

    @override
    def account_of(self, unit: SnapshotRequest) -> str:
        return unit.website

    @override
    def is_request(self, unit: SnapshotRequest) -> bool:
        return bool(unit.path)

    @override
    def fetch(self, unit: SnapshotRequest) -> JsonResponse | None:
        if not unit.path:
            return None
        return self.run.clients[unit.website].fetch(
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
        """Write the records of a response: by default one for each row."""
        for stream in self.streams.values():
            for row in body:
                stream.emit(self.row(row), **self.context(unit))

    def row(self, row: Any) -> Any:
        """Return a row of the vendor as an object."""
        return {"hashed_email": row} if self.hashed and isinstance(row, str) else row

    def context(self, unit: SnapshotRequest) -> dict[str, Any]:
        """Return the properties that the vendor does not send with a row."""
        context: dict[str, Any] = {"website": unit.website}
        if self.dated:
            context["window_start"] = unit.since.isoformat()
        return {**context, "algorithm": unit.algorithm} if self.hashed else context

    @override
    def on_failure(self, unit: SnapshotRequest, error: UnitError) -> None:
        super().on_failure(unit, error)
        if not unit.id or isinstance(error, CredentialsError):
            self.incomplete.add(unit.website)

    @override
    def on_complete(self, unit: SnapshotRequest) -> None:
        if not unit.path and unit.website not in self.incomplete:
            for stream in self.streams.values():
                stream.units[unit.website] = self.today.isoformat()


class ListReader(Snapshot):
    """Reads a list whose entries have details, and keeps their ids.

    Attributes:
        ids: percent-encoded ids by website; a website is missing if its list failed.
        unusable: websites whose list has entries without a usable id.
        details: name of the stream of the details.
    """

    details: ClassVar[str]

    def __init__(self, run: Run[IgniteClient], streams: Sequence[VendorStream]) -> None:
        super().__init__(run, streams)
        self.ids: dict[str, list[str]] = {}
        self.unusable: set[str] = set()

    @property
    @override
    def windowed(self) -> Sequence[VendorStream]:
        streams = [*self.streams.values(), self.run.streams[self.details]]
        return [each for each in streams if isinstance(each, VendorStream) and each.selected]

    @property
    @override
    def test_satisfied(self) -> bool:
        return super().test_satisfied and not self.run.streams[self.details].selected

    @override
    def write(self, unit: SnapshotRequest, body: JsonResponse) -> None:
        super().write(unit, body)
        found = (row.get("id") for row in body if isinstance(row, dict))
        ids = [str(each) for each in found if isinstance(each, (int, str))]
        ids = [each for each in ids if each not in {"", ".", ".."}]  # dots would change the path
        if len(ids) < body.count:
            self.unusable.add(unit.website)
            self.run.warn_once(
                f"{self.path}: entries without a usable id: their details cannot be read"
            )
        self.ids[unit.website] = [quote(each, safe="") for each in ids]

    @override
    def claims(self, unit: SnapshotRequest, answer: JsonResponse | None) -> Iterator[Claim]:
        """Yield the list of a website, unless it is limited to a window."""
        if unit.path and not self.dated:
            yield from (Claim(stream, {"website": unit.website}) for stream in self.streams)


class DetailReader(Snapshot):
    """Requests the details of a list's entries, one by one.

    Attributes:
        listing: the reader of the list.
        id_property: property of a record that holds the entry's id.
    """

    listing: ClassVar[type[ListReader]]
    id_property: ClassVar[str] = "id"

    def __init__(self, run: Run[IgniteClient], streams: Sequence[VendorStream]) -> None:
        super().__init__(run, streams)
        self.listed: dict[str, list[str]] = {}

    def ids(self, website: str) -> Sequence[str]:
        """Return the ids whose details are requested; by default all listed ids."""
        return self.listed[website]

    @override
    def units(self) -> Iterator[SnapshotRequest]:
        listing = self.run.read(self.listing)
        self.listed = listing.ids
        self.incomplete |= listing.incomplete
        ids = {website: list(dict.fromkeys(self.ids(website))) for website in self.listed}
        self.total = sum(map(len, ids.values())) * len(self.algorithms)
        # a website whose list failed keeps its bookmark, and none of its details are requested
        for website in self.listed:
            since = self.since(website)
            for id_ in ids[website]:
                for request in self.requests(website, since):
                    yield replace(request, path=f"{self.path}/{id_}", id=id_)
            yield SnapshotRequest(website, since)

    @override
    def context(self, unit: SnapshotRequest) -> dict[str, Any]:
        return {**super().context(unit), self.id_property: unit.id}


class MemberReader(DetailReader):
    """Reads the bare hashes of a list entry's members.

    Every run requests the window of `snapshot_days`, so that each response has all members.
    """

    hashed = True

    def __init__(self, run: Run[IgniteClient], streams: Sequence[VendorStream]) -> None:
        super().__init__(run, streams)
        self.requests_each = len(self.algorithms)
        self._failed: set[str] = set()

    @override
    def wanted(self, website: str) -> date:
        return self.today - timedelta(days=self.run.config["snapshot_days"])

    @override
    def claims(self, unit: SnapshotRequest, answer: JsonResponse | None) -> Iterator[Claim]:
        if unit.path:
            where = {"website": unit.website, self.id_property: unit.id}
            for stream in self.streams:
                yield Claim(stream, {**where, "algorithm": unit.algorithm})

    @override
    def closing_claims(self) -> Iterator[Claim]:
        """Yield a claim for all members of a website, also those of withdrawn lists.

        A website makes no such claim if one of its requests failed, or a list entry has no id.
        """
        incomplete = self.run.read(self.listing).unusable | self._failed
        for website in self.listed:
            for algorithm in () if website in incomplete else self.algorithms:
                for stream in self.streams:
                    yield Claim(stream, {"website": website, "algorithm": algorithm})

    @override
    def on_failure(self, unit: SnapshotRequest, error: UnitError) -> None:
        super().on_failure(unit, error)
        self._failed.add(unit.website)


class FailedDetails(DetailReader):
    """Keeps the ids whose details failed in the state, and requests them again in the next run.

    The window of the list moves on with the bookmark, so that the list may not have them again.
    """

    MOST_FAILED: ClassVar[int] = 50
    """Maximum number of failed ids in the state. If more fail, the website keeps its bookmark
    instead."""

    def __init__(self, run: Run[IgniteClient], streams: Sequence[VendorStream]) -> None:
        super().__init__(run, streams)
        self._failed: defaultdict[str, list[str]] = defaultdict(list)

    @property
    def _state(self) -> dict[str, str]:
        """Failed ids by website.

        They are one text, because Meltano merges the dictionaries of states: a text is replaced as
        a whole, but an entry of a dictionary could never be removed.
        """
        (stream,) = self.streams.values()
        state: dict[str, str] = stream.stream_state.setdefault("failed", {})
        return state

    @override
    def ids(self, website: str) -> Sequence[str]:
        return [*self.listed[website], *self._state.get(website, "").split()]

    @override
    def on_failure(self, unit: SnapshotRequest, error: UnitError) -> None:
        if error.status == HTTPStatus.NOT_FOUND and unit.id not in self.listed[unit.website]:
            return  # it failed in an earlier run, and the vendor has removed it since
        super().on_failure(unit, error)
        self._failed[unit.website].append(unit.id)

    @override
    def on_complete(self, unit: SnapshotRequest) -> None:
        failed = self._failed[unit.website]
        if len(failed) > self.MOST_FAILED:
            self.incomplete.add(unit.website)
        complete = not unit.path and unit.website not in self.incomplete
        if complete and (failed or unit.website in self._state):
            self._state[unit.website] = " ".join(failed)
        super().on_complete(unit)
