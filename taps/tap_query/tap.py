"""tap-query: settings and streams."""

from __future__ import annotations

import sys
from collections.abc import Generator, Iterable, Mapping, Sequence
from contextlib import closing
from functools import cached_property
from itertools import islice
from typing import Any

from singer_sdk import Stream
from singer_sdk import typing as th
from singer_sdk.helpers.conform import TypeConformanceLevel
from singer_sdk.helpers.types import Context
from typing_extensions import override

from attribution_elt.kit.errors import InvalidSettingsError, PluginError
from attribution_elt.kit.http.client import Client
from attribution_elt.kit.row_source import BEGINNING, rows_of_query
from attribution_elt.kit.sdk_hooks import leave_errors_to_command
from attribution_elt.kit.settings import repeated_names
from attribution_elt.kit.tap import VendorTap
from tap_query.types import converter, schema_of

SAMPLE = 1_000
"""Number of rows from which the types of a query's columns are derived."""
NAME = "^[A-Za-z_][A-Za-z0-9_]{0,62}$"


class QueryStream(Stream):
    """The rows of one query."""

    TYPE_CONFORMANCE_LEVEL = TypeConformanceLevel.NONE  # the converters conform each value
    # a STATE marks the end of the rows: writing targets send nothing without it
    STATE_MSG_FREQUENCY = sys.maxsize

    def __init__(self, tap: TapQuery, query: Mapping[str, Any]) -> None:
        self._url: str = tap.config["url"]
        self._query: str = query["query"]
        # SQLite sorts numbers before texts: 0 precedes every value, but the text 1970 no number
        self._start: Any = 0 if self._url.startswith("sqlite") else BEGINNING
        self._run = tap.run
        super().__init__(tap, name=query["name"])
        leave_errors_to_command(self.logger)
        self.primary_keys = tuple(query.get("key_properties") or ())
        self.replication_key = query.get("replication_key")

    @property
    @override
    def schema(self) -> dict[str, Any]:
        return self._sampled_schema

    @cached_property
    def _sampled_schema(self) -> dict[str, Any]:
        bookmark = self.get_starting_replication_key_value(None)
        try:
            rows = self._sample(self._start if bookmark is None else bookmark)
        except PluginError:
            if bookmark is not None or ":since" not in self._query:
                raise
            self._start = 0  # an integer: databases refuse to compare the column with an instant
            rows = self._sample(self._start)
        schema = schema_of(rows, self.primary_keys, is_whole=len(rows) < SAMPLE)
        known = schema["properties"]
        wanted = {*self.primary_keys, *filter(None, [self.replication_key])}
        if known and (missing := sorted(wanted - known.keys())):
            raise InvalidSettingsError(
                [
                    f"setting 'streams': the query of {self.name!r} has no column {name!r}: "
                    f"it has {', '.join(known)}"
                    for name in missing
                ]
            )
        return schema

    @property
    @override
    def is_timestamp_replication_key(self) -> bool:
        """Whether the bookmark is a time; false without rows, whose columns have no types."""
        return bool(self.schema["properties"]) and super().is_timestamp_replication_key

    @override
    def _write_schema_message(self) -> None:
        """Write no SCHEMA for a query without rows: its key would become text in the warehouse."""
        if self.schema["properties"]:
            super()._write_schema_message()

    def _sample(self, since: Any) -> list[Mapping[str, Any]]:
        with closing(self._rows(since)) as rows:
            return list(islice(rows, SAMPLE))

    def _rows(self, since: Any) -> Generator[Mapping[str, Any], None, None]:
        try:
            yield from rows_of_query(self._url, self._query, since)
        except PluginError as error:
            raise PluginError(f"stream {self.name!r}: {error}") from None

    @override
    def get_records(self, context: Context | None) -> Iterable[dict[str, Any]]:
        bookmark = self.get_starting_replication_key_value(context)
        properties = self.schema["properties"]
        converters: dict[str, Any] = {}
        for row in self._rows(self._start if bookmark is None else bookmark):
            converters = converters or {name: converter(name, properties[name]) for name in row}
            yield {name: converters[name](value) for name, value in row.items()}

    @override
    def log_sync_costs(self) -> None:
        """End the run: the SDK calls this for each stream when it has read all of them."""
        super().log_sync_costs()
        self._run.finish()


class TapQuery(VendorTap[Client]):
    """Rows of SELECT statements, from any database that SQLAlchemy can connect to."""

    name = "tap-query"
    credentials = ("streams",)  # `url` has a value in every environment of the project
    backfill_refusal = "its queries decide which rows they return"
    stream_types = ()
    config_jsonschema = th.PropertiesList(
        th.Property(
            "url",
            th.StringType(min_length=1),
            required=True,
            secret=True,
            title="URL",
            description="Database to query, as an SQLAlchemy URL: duckdb:///file.duckdb, "
            "postgresql://user:password@host/db, sqlite:///file.db",
        ),
        th.Property(
            "streams",
            th.ArrayType(
                th.ObjectType(
                    th.Property(
                        "name",
                        th.StringType(pattern=NAME),
                        required=True,
                        title="Name",
                        description="Name of the stream",
                    ),
                    th.Property(
                        "query",
                        th.StringType(min_length=1),
                        required=True,
                        title="Query",
                        description="A SELECT statement; `:since` in it is bound to the bookmark",
                    ),
                    th.Property(
                        "key_properties",
                        th.ArrayType(th.StringType(min_length=1)),
                        title="Key properties",
                        description="Columns of the primary key",
                    ),
                    th.Property(
                        "replication_key",
                        th.StringType(min_length=1),
                        title="Replication key",
                        description="Column whose greatest value is the bookmark",
                    ),
                    additional_properties=False,
                ),
            ),
            required=True,
            title="Streams",
            description="Queries, each with the stream of its rows",
        ),
    ).to_dict()

    @override
    def setting_errors(self) -> Iterable[str]:
        errors = list(super().setting_errors())
        yield from errors
        if not errors:
            names = [each["name"] for each in self.config["streams"]]
            if not names:
                yield "setting 'streams' must have at least one entry"
            yield from repeated_names("streams", names)

    @override
    def discover_streams(self) -> Sequence[QueryStream]:  # type: ignore[override] # no vendor's
        return [QueryStream(self, each) for each in self.config["streams"]]

    def check(self) -> str:
        """Return the columns of each query, which ran as far as its first rows."""
        columns = [
            f"{each.name} ({', '.join(each.schema['properties'])})"
            for each in self.streams.values()
        ]
        return f"queries work: {'; '.join(columns)}"

    @override
    def make_clients(self) -> dict[str, Client]:
        return {}
