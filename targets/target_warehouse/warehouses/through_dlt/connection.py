"""Connections of dlt to its destinations."""

from __future__ import annotations

import contextlib
import os
import tempfile
from collections.abc import Iterator
from typing import Any

import dlt
import pyarrow as pa
from dlt.common.configuration.exceptions import ConfigFieldMissingException
from dlt.common.destination.exceptions import DestinationTransientException
from dlt.common.exceptions import DltException, MissingDependencyException
from typing_extensions import override

from target_warehouse.warehouses.base import Adapter, WarehouseError
from target_warehouse.warehouses.through_dlt import columns as dlt_columns
from target_warehouse.warehouses.through_dlt.destinations import destination
from target_warehouse.warehouses.through_dlt.dialect import DltDialect

_SETTINGS = {
    "RUNTIME__DLTHUB_TELEMETRY": "false",
    "RUNTIME__LOG_LEVEL": "CRITICAL",  # errors report what matters
    "SCHEMA__NAMING": "direct",
    "LOAD__WORKERS": "1",
    "LOAD__RAISE_ON_FAILED_JOBS": "true",
    "LOAD__TRUNCATE_STAGING_DATASET": "true",
}


class RefusedError(Exception):
    """The warehouse refused a value."""


class DltConnection(Adapter):
    """A dlt pipeline without loads, in a temporary folder."""

    types = dlt_columns.TYPES
    batch_bytes = 64 << 20
    decimal_digits = dlt_columns.DIGITS
    decimal_step = 9
    has_temporary_tables = False
    keeps_history = False
    errors = (DltException, RefusedError)
    data_errors = (RefusedError,)

    @override
    def connect(self) -> None:
        self.schema = self._wanted_schema or ""
        self._staged = pa.table({})
        self._described: dict[str, dlt.Schema] = {}
        self._aside: dict[str, str] = {}
        self._values: dict[tuple[type, object], str] = {}
        with contextlib.ExitStack() as stack:
            self._folder = stack.enter_context(
                tempfile.TemporaryDirectory(prefix="target-warehouse-")
            )
            # not in the current folder, whose `.dlt` may belong to another project
            os.environ |= {**_SETTINGS, "DLT_PROJECT_DIR": self._folder}
            with self._explained():
                self._destination, self._bucket = destination(self._url)
                self._destination.client_class  # noqa: B018 - imports the driver, before all else
                self._begin()
                with self._client() as client:
                    self._capabilities = client.capabilities
                    self.dialect = DltDialect(client)
            self._open = stack.pop_all()

    @contextlib.contextmanager
    def _explained(self) -> Iterator[None]:
        """Return why the warehouse cannot be used, in a line for the user."""
        try:
            yield
        except MissingDependencyException as error:
            needed = " ".join(f"'{name}'" for name in error.dependencies)
            message = f"the setting url needs further packages of dlt: pip install {needed}"
            raise WarehouseError(message) from error
        except ModuleNotFoundError:
            raise  # the message itself names what is missing
        except Exception as error:
            raise WarehouseError(self.explain(error)) from error

    @override
    def is_transient(self, error: Exception) -> bool:
        # dlt has retried these loads itself
        return isinstance(error, DestinationTransientException)

    @override
    def execute(self, sql: str) -> list[tuple[Any, ...]]:
        with self._client() as client:
            return [tuple(row) for row in client.sql_client.execute_sql(sql) or ()]

    @override
    def explain(self, error: Exception) -> str:
        lines = str(cause_of(error)).strip().splitlines() or [type(error).__name__]
        if isinstance(error, ConfigFieldMissingException):
            return "the setting url is not complete: " + " ".join(lines[:2])
        return lines[0]  # other lines may show the row

    @override
    def path(self, table: str) -> str:
        with self._client() as client:
            path: str = client.sql_client.make_qualified_table_name(table)
            return path

    @override
    def close(self) -> None:
        self._open.close()

    def _begin(self) -> None:
        """Start with a pipeline that has no loads."""
        pipeline = dlt.pipeline(
            "target_warehouse",
            pipelines_dir=tempfile.mkdtemp(dir=self._folder),
            destination=self._destination,
            staging=self._bucket,
            dataset_name=self.schema or None,  # type: ignore[arg-type]  # None is dlt's default
        )
        pipeline.config.restore_from_destination = False
        pipeline.config.enable_runtime_trace = False
        pipeline.config.runtime.intercept_signals = False  # they belong to the target
        for schema in self._described.values():
            pipeline.schemas.save_schema(schema)
        self._pipeline = pipeline

    @contextlib.contextmanager
    def _client(self, table: str | None = None) -> Iterator[Any]:
        """Connect with dlt, with the schema of a table."""
        if table and table not in self._pipeline.schemas:
            self._pipeline.schemas.save_schema(dlt.Schema(table))
        with self._pipeline.destination_client(*([table] if table else [])) as client:
            yield client


def cause_of(error: BaseException) -> BaseException:
    """Return the driver's exception that dlt has wrapped."""
    for name in ("exception", "client_exception", "dbapi_exception", "inner_exc", "orig"):
        inner = getattr(error, name, None)
        if isinstance(inner, BaseException):
            return cause_of(inner)
    return error


def is_of_data(error: BaseException) -> bool:
    """Return whether the driver's exception concerns a value, by the class names of PEP 249."""
    return any(cls.__name__ in {"DataError", "IntegrityError"} for cls in type(error).__mro__)
