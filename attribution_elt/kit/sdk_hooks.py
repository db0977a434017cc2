"""Hooks of the SDK that the kit uses for more than their names suggest."""

from __future__ import annotations

import logging
from abc import abstractmethod
from collections.abc import Iterable
from typing import Any

from singer_sdk import Stream, metrics
from singer_sdk.helpers.types import Context
from typing_extensions import override


def leave_errors_to_command(logger: logging.Logger) -> None:
    """Drop the exceptions that the SDK logs with a stream's logger: the command reports them."""
    logger.addFilter(lambda record: "unhandled error" not in str(record.msg))


class SdkHooks(Stream):
    """Calls the kit at four points of a run.

    The SDK writes one stream after the other: `Tap.sync_all` and `Stream.sync` are final. Here, one
    response feeds several streams, and a bookmark may move only when the records of all of them are
    written. So a reader writes the records of its streams together, and the SDK's hooks trigger it.
    """

    counter: metrics.Counter | None = None

    @abstractmethod
    def prepare(self) -> None:
        """Prepare to read, before any SCHEMA message is written."""

    @abstractmethod
    def write_records(self) -> None:
        """Write the records, after this stream's SCHEMA message is written."""

    @abstractmethod
    def count(self) -> None:
        """Update the SDK's counter of records."""

    @abstractmethod
    def finish(self) -> None:
        """End the run after every stream has been read; called once for each stream."""

    @override
    def get_replication_key_signpost(self, context: Context | None = None) -> None:
        """Call `prepare`: the SDK asks for the signpost before it writes SCHEMA.

        Return None: readers move bookmarks after whole units, and never past the current time.
        """
        self.prepare()

    @override
    def get_record_counter(
        self, *, endpoint: str | None = None, log_interval: float = metrics.DEFAULT_LOG_INTERVAL
    ) -> metrics.Counter:
        """Keep the counter: records are counted where they are written."""
        self.counter = super().get_record_counter(endpoint=endpoint, log_interval=log_interval)
        self.count()
        return self.counter

    @override
    def get_records(self, context: Context | None) -> Iterable[dict[str, Any]]:
        """Write the records, and return none for the SDK to write."""
        self.write_records()
        return ()

    @override
    def log_sync_costs(self) -> None:
        """Call `finish`: the SDK logs costs when it has synced every stream."""
        super().log_sync_costs()
        self.finish()
