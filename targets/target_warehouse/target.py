"""target-warehouse: its settings and its command."""

from __future__ import annotations

import sys
from functools import cached_property
from typing import TYPE_CHECKING, Any, ClassVar

import click
from singer_sdk import Target
from singer_sdk import typing as th
from singer_sdk.exceptions import ConfigValidationError
from singer_sdk.helpers.capabilities import CapabilitiesEnum, PluginCapabilities, TargetCapabilities
from typing_extensions import override

from attribution_elt.core import redaction, runtime
from attribution_elt.core.errors import in_a_line
from attribution_elt.core.pseudonyms import SHORTEST_KEY
from attribution_elt.core.settings import (
    Plugin,
    invalid_settings,
    misread_variables,
    whole_schema,
)
from target_warehouse.reader import MessageReader
from target_warehouse.warehouses.registry import connect

if TYPE_CHECKING:
    from target_warehouse.loader import Loader


class TargetWarehouse(Plugin, Target):
    """Loads any Singer tap into a warehouse."""

    name = "target-warehouse"
    package_name = "attribution-elt"
    name_variable = "MELTANO_LOADER_NAME"
    capabilities: ClassVar[list[CapabilitiesEnum]] = [
        PluginCapabilities.ABOUT,
        PluginCapabilities.STREAM_MAPS,
        PluginCapabilities.FLATTENING,
        PluginCapabilities.STRUCTURED_LOGGING,
        TargetCapabilities.TARGET_SCHEMA,
    ]
    config_jsonschema: ClassVar[dict[str, Any]] = th.PropertiesList(
        th.Property(
            "url",
            th.StringType,
            secret=True,
            default="duckdb:///warehouse.duckdb",
            title="URL",
            description="Connection URL: duckdb:///file.duckdb, sqlite:///file.db, "
            "postgresql://user:password@host/db as libpq reads it, or "
            "snowflake://user:password@account/db?warehouse=name. BigQuery, Redshift, Databricks, "
            "SQL Server, MySQL and others are loaded through dlt: docs/other-warehouses.md.",
        ),
        th.Property(
            "default_target_schema",
            th.StringType,
            title="Schema",
            description="Schema of the tables, created if it is missing; by default the "
            "database's default schema. In SQLite, which has no schemas, the name and two "
            "underscores are a prefix of the table names.",
        ),
        th.Property(
            "load_method",
            th.StringType,
            allowed_values=["upsert", "append-only", "overwrite"],
            default="upsert",
            title="Load Method",
            description="upsert: insert new keys, update rows that changed. append-only: insert "
            "everything. overwrite: replace all rows at the end of the run; for taps that read "
            "everything in each run.",
        ),
        th.Property(
            "add_record_metadata",
            th.BooleanType,
            default=True,
            title="Add Record Metadata",
            description="Whether tables have the _sdc_* columns.",
        ),
        th.Property(
            "batch_size_rows",
            th.IntegerType(minimum=1),
            title="Batch Size Rows",
            description="Maximum number of records in a batch; by default 250,000.",
        ),
        th.Property(
            "batch_max_bytes",
            th.IntegerType(minimum=1),
            title="Batch Max Bytes",
            description="Approximate maximum of bytes of input that batches hold in memory; the "
            "default depends on the warehouse.",
        ),
        th.Property(
            "batch_folders",
            th.ArrayType(th.StringType),
            default=[],
            title="Batch Folders",
            description="Folders, and URLs such as s3://bucket/folder, that may contain the files "
            "of BATCH messages; by default none.",
        ),
        th.Property(
            "vanished",
            th.StringType,
            allowed_values=["remove", "mark", "ignore"],
            default="remove",
            title="Vanished Rows",
            description="Treatment of rows that the vendor no longer has, if the tap reports "
            "which data it has read completely. remove: they move to the table's __history. mark: "
            "_sdc_deleted_at is set. ignore: they stay.",
        ),
        th.Property(
            "history",
            th.ArrayType(th.StringType),
            default=[],
            title="History",
            description="Streams whose old versions of changed rows are kept in the table's "
            "__history and shown by the view __versions; * means all streams.",
        ),
        th.Property(
            "vanish_limit",
            th.CustomType(
                {
                    "type": ["number", "string"],  # Meltano passes fractions as text
                    "minimum": 0,
                    "maximum": 1,
                    "pattern": r"^(0(\.\d+)?|1(\.0+)?)$",
                }
            ),
            default=0.2,
            title="Vanish Limit",
            description="Largest share of a stream's claimed rows that a run may remove; 100 rows "
            "are always allowed. If it would remove more, it removes none and fails.",
        ),
        th.Property(
            "dry_run",
            th.BooleanType,
            default=False,
            title="Dry Run",
            description="Compare the records with the tables, write the differences to the table "
            "_verifications, and load nothing. attribution-elt verify sets it.",
        ),
        th.Property(
            "pii_key",
            th.StringType(min_length=SHORTEST_KEY),
            secret=True,
            title="Key of the hash of personal data",
            description="Secret key with which the loader recognises forgotten people: it leaves "
            "out the personal data of people in the table _suppressed. `attribution-elt forget` "
            "creates a key if none is set.",
        ),
    ).to_dict()

    def __init__(self, **options: Any) -> None:
        schema = whole_schema(type(self))
        if options.get("parse_env_config") and (
            misread := list(misread_variables(self.name, schema))
        ):
            raise ConfigValidationError(misread[0], errors=misread)
        reader = MessageReader(lambda: self.loader, lambda: self.config.get("batch_folders") or ())
        try:
            super().__init__(**{**options, "message_reader": reader})
        except ConfigValidationError as error:
            invalid = list(invalid_settings(schema, self.config)) or error.errors
            raise ConfigValidationError(str(error), errors=invalid) from None
        finally:
            self.keep_secrets()
        self._reader = reader
        runtime.on_signals(reader.stop)
        self.warn_of_unknown_settings()

    @cached_property
    def loader(self) -> Loader:
        """The loader of this run; it has its own connection."""
        properties = self.config_jsonschema["properties"]
        given = {name: value for name, value in self.config.items() if value is not None}
        config = {name: part.get("default") for name, part in properties.items()} | given
        adapter = connect(
            given.get("url", ""), config.get("default_target_schema"), is_patient=True
        )
        # it imports Arrow, which is slow and which only a load needs
        from target_warehouse.loader import Loader, Options  # noqa: PLC0415 - see above

        options = Options(
            load_method=config["load_method"],
            add_metadata=config["add_record_metadata"],
            started_at=self.initialized_at,
            vanished=config["vanished"],
            vanish_limit=float(config["vanish_limit"]),
            history=config.get("history") or (),
            dry_run=config["dry_run"],
            pii_key=config.get("pii_key"),
            batch_size_rows=config.get("batch_size_rows"),
            batch_max_bytes=config.get("batch_max_bytes"),
        )
        return Loader(adapter, self.mapper, options)

    @override
    def process_endofpipe(self) -> None:
        self.loader.finish(stopped=bool(self._reader.stopped))
        if self._reader.stopped:
            sys.exit(runtime.exit_code(self._reader.stopped))

    @classmethod
    @override
    def invoke(cls, **options: Any) -> None:
        runtime.open_standard_streams()
        redaction.install()
        runtime.collect_rarely()
        runtime.switch_often()
        runtime.widen_pipes()
        try:
            runtime.require_output()
            super().invoke(**options)
        except ConfigValidationError as error:
            raise click.ClickException("\nError: ".join(error.errors)) from error
        except Exception as error:
            raise click.ClickException(redaction.redactor(in_a_line(error))) from error
