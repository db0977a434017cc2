"""target-ignite: settings, and the requests that report opt-outs."""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from datetime import UTC, datetime, timedelta
from functools import cached_property
from typing import Any

from singer_sdk import typing as th
from target_warehouse.writes import WriteLog
from typing_extensions import override

from attribution_elt.core.pseudonyms import SHORTEST_KEY, email_key
from attribution_elt.kit.errors import CredentialsError, UnitError
from attribution_elt.kit.settings import repeated_names
from attribution_elt.kit.writing.target import WritingTarget, common
from attribution_elt.kit.writing.wishes import (
    SETTLING,
    Audit,
    Entry,
    InvalidWishError,
    Outcome,
    Wish,
)
from target_ignite.client import URL_BYTES, NotAcceptedError, OptOutClient

EVERY_WEBSITE = "*"
_ADDRESS = re.compile(
    r"[^@\s\"<>(),:;\[\]\\]{1,64}@[^@\s\"<>(),:;\[\]\\]+\.[^@\s\"<>(),:;\[\]\\.]+"
)
_HASH = re.compile(r"[0-9a-f]{30,32}|[0-9a-f]{40}|[0-9a-f]{64}")
MOST_CHARACTERS = 254
"""Maximum length of an e-mail address (RFC 5321)."""


class TargetIgnite(WritingTarget):
    """Reports to Ignite which people have opted out of communications."""

    name = "target-ignite"
    stream = "opt_outs"
    credentials = ("websites",)
    limit = "max_new"
    config_jsonschema = th.PropertiesList(
        th.Property(
            "websites",
            th.ArrayType(
                th.ObjectType(
                    th.Property(
                        "name",
                        th.StringType(min_length=1),
                        required=True,
                        title="Name",
                        description="Name of the website, as records call it",
                    ),
                    th.Property(
                        "token",
                        th.StringType(min_length=1),
                        required=True,
                        secret=True,
                        title="Token",
                        description="Token of the website, from Website Info in Ignite",
                    ),
                    additional_properties=False,
                )
            ),
            required=True,
            secret=True,
            title="Websites",
            description="Websites to report to, each with name and token; the opt-out endpoint "
            "takes no secret",
        ),
        th.Property(
            "pii_key",
            th.StringType(min_length=SHORTEST_KEY),
            required=True,
            secret=True,
            title="Key of the hash of personal data",
            description="Secret key, the same as the taps': `_writes` has only hashes of addresses "
            "with this key",
        ),
        th.Property(
            "max_new",
            th.IntegerType(minimum=0),
            default=1_000,
            title="New opt-outs allowed",
            description="Maximum number of opt-outs that a run sends; with more, it sends none",
        ),
        th.Property(
            "batch_size",
            th.IntegerType(minimum=1, maximum=40),
            default=40,
            title="Batch size",
            description="Maximum number of addresses in a request; fewer if its URL would "
            f"exceed {URL_BYTES} bytes",
        ),
        th.Property(
            "resend_after_days",
            th.IntegerType(minimum=1),
            title="Resend after",
            description="Days after which an accepted opt-out is sent again; never if not set",
        ),
        *common("https://e.atrc.link"),
    ).to_dict()

    def __init__(self, **options: Any) -> None:
        self._addresses: dict[str, tuple[str, str]] = {}
        self._accepted: Mapping[str, datetime] = {}
        self._wished: set[str] = set()
        super().__init__(**options)

    @cached_property
    def _clients(self) -> dict[str, OptOutClient]:
        config = {**self.config, "max_concurrent_requests": 1}
        return {
            each["name"]: OptOutClient(config, each["name"], each["token"])
            for each in self.config["websites"]
        }

    @override
    def check(self) -> str:
        return "settings are valid; no request sent, because each reports opt-outs"

    @override
    def open_audit(self) -> Audit:
        return WriteLog(self.config["outcomes_url"], self.config.get("outcomes_schema"), SETTLING)

    @override
    def setting_errors(self) -> Iterable[str]:
        errors = list(super().setting_errors())
        yield from errors
        if not errors:
            names = [each["name"] for each in self.config["websites"]]
            yield from repeated_names("websites", names)

    @override
    def parse(self, record: Mapping[str, Any]) -> Iterator[Wish]:
        address = _normalized(record.get("email"))
        website = record.get("website")
        if website is not None and not isinstance(website, str):
            raise InvalidWishError("website is not a string")
        names = list(self._clients) if website in {None, EVERY_WEBSITE} else [str(website)]
        hashed = email_key(address, self.config["pii_key"])
        for name in names:
            key = f"{name}:{hashed}"
            self._addresses[key] = (name, address)
            yield Wish(key, f"website {name}, address {hashed[:12]}", {"website": name})

    @override
    def prepare(self, wishes: Sequence[Wish]) -> None:
        self._accepted = self.ledger.audit.accepted(self.name)
        self._wished = {wish.key for wish in wishes}

    @override
    def settle(self, key: str, values: Mapping[str, Any]) -> Entry | None:
        if key in self._wished:  # this run sends it again
            return None
        reason = "sent by a run that was interrupted; send the address again"
        return Entry(key, values, Outcome.NOT_CONFIRMED, reason)

    @override
    def decide(self, wish: Wish) -> Entry:
        name, address = self._addresses[wish.key]
        outcome, reason = Outcome.SENT, None
        if name not in self._clients:
            outcome, reason = Outcome.UNKNOWN, "the setting websites does not contain this website"
        elif self._clients[name].url_bytes([address]) > URL_BYTES:
            outcome, reason = Outcome.INVALID, "the address is too long for a request"
        elif self._is_recent(self._accepted.get(wish.key)):
            outcome = Outcome.UNCHANGED
        return Entry(wish.key, wish.values, outcome, reason)

    def _is_recent(self, accepted_at: datetime | None) -> bool:
        """Return whether an opt-out was accepted and is not due to be sent again."""
        days = self.config.get("resend_after_days")
        if accepted_at is None or not days:
            return accepted_at is not None
        return accepted_at >= datetime.now(UTC) - timedelta(days=days)

    @override
    def describe_plan(self, planned: Sequence[Entry]) -> None:
        counts: dict[str, int] = defaultdict(int)
        for entry in planned:
            counts[entry.wish["website"]] += 1
        for name, count in counts.items():
            self.show(f"website {name}: new opt-outs: {count}")

    @override
    def send(self, changes: Sequence[tuple[Wish, Entry]]) -> None:
        by_website: dict[str, list[str]] = defaultdict(list)
        for wish, _ in changes:
            by_website[wish.values["website"]].append(wish.key)
        refused: CredentialsError | None = None
        for name, keys in by_website.items():
            try:
                for batch in self._batches(name, keys):
                    self._send(name, batch)
            except CredentialsError as error:
                refused = refused or error
        if refused:
            raise refused

    def _batches(self, name: str, keys: Sequence[str]) -> Iterator[list[str]]:
        """Yield batches as large as the settings and the length of a URL allow."""
        batch: list[str] = []
        for key in keys:
            longer = [self._addresses[each][1] for each in (*batch, key)]
            too_long = self._clients[name].url_bytes(longer) > URL_BYTES
            if batch and (too_long or len(batch) == self.config["batch_size"]):
                yield batch
                batch = []
            batch = [*batch, key]
        if batch:
            yield batch

    def _send(self, name: str, keys: Sequence[str], attempt: int = 1) -> bool:
        """Send a batch, by halves if the vendor refuses it; return whether all was accepted."""
        error = self._request(name, keys, attempt)
        if error is None:
            return True
        if len(keys) == 1 or not _is_refusal(error):
            outcome = Outcome.REFUSED if _is_refusal(error) else Outcome.FAILED
            self._record(name, keys, outcome, attempt, error)
            return False
        self._divide(name, keys, attempt + 1)
        return False

    def _divide(self, name: str, keys: Sequence[str], attempt: int) -> None:
        """Send the halves of a refused batch.

        If the first half is accepted, the second one contains the refused address: it is divided at
        once, without a request for the whole half.
        """
        middle = len(keys) // 2
        first, second = keys[:middle], keys[middle:]
        if self._send(name, first, attempt) and len(second) > 1:
            self._divide(name, second, attempt + 1)
        else:
            self._send(name, second, attempt)

    def _request(self, name: str, keys: Sequence[str], attempt: int) -> UnitError | None:
        """Send one request; return the error of the vendor or the connection, or None."""
        self._record(name, keys, Outcome.SENT, attempt)
        try:
            self._clients[name].opt_out([self._addresses[key][1] for key in keys])
        except CredentialsError as error:
            self._record(name, keys, Outcome.REFUSED, attempt, error)
            raise
        except UnitError as error:
            return error
        self._record(name, keys, Outcome.ACCEPTED, attempt)
        return None

    def _record(
        self,
        name: str,
        keys: Sequence[str],
        outcome: Outcome,
        attempt: int,
        error: UnitError | None = None,
    ) -> None:
        reason, status = (str(error), error.status) if error else (None, None)
        self.ledger.record(
            Entry(key, {"website": name}, outcome, reason, http_status=status, attempt=attempt)
            for key in keys
        )


def _normalized(value: Any) -> str:
    """Return an address trimmed and in lower case.

    Raises:
        InvalidWishError: the value is not an address; the message does not repeat it.
    """
    if not isinstance(value, str) or not value.strip():
        raise InvalidWishError("email is missing")
    address = value.strip().lower()
    if _HASH.fullmatch(address):
        raise InvalidWishError("email is a hash: the vendor needs the address")
    if len(address) > MOST_CHARACTERS or not _ADDRESS.fullmatch(address):
        raise InvalidWishError("email is not an address")
    return address


def _is_refusal(error: UnitError) -> bool:
    """Return whether the vendor refused the content of a request."""
    if isinstance(error, NotAcceptedError):
        return True
    return error.status is not None and 400 <= error.status < 500 and error.status != 429
