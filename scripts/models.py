"""Generates the files of `transform/` that describe the taps' tables; `--check` only compares.

`sources.yml` describes the tables that taps load, and `staging.yml` the staging models on top of
them. The columns of the staging models are read from DuckDB, which builds them on empty tables.
"""

# ruff: noqa: S608 - only names of this project are put into SQL

from __future__ import annotations

import json
import re
import sys
import tempfile
from collections.abc import Iterator, Mapping
from contextlib import closing
from importlib.resources import files
from typing import Any

import yaml
from generated import ROOT, write
from target_warehouse.columns import Column, ColumnType
from target_warehouse.table_names import VERSIONS
from target_warehouse.warehouses.postgresql import types as postgresql
from target_warehouse.warehouses.registry import connect

from attribution_elt.meltano.project import SCHEMA, Extractor, Loader
from attribution_elt.models.build import Models
from attribution_elt.models.folder import Folder
from attribution_elt.models.tables import columns_of, read_tables, streams_of
from plugins import plugin_classes

TAPS = [tap for tap in plugin_classes("extractors") if tap.stream_types]
TRANSFORM = ROOT / "transform"
STAGING = TRANSFORM / "models" / "staging"
HEADING = "# Written by scripts/models.py from schemas/.\n"
TYPES = postgresql.TYPES | {
    ColumnType.TIME: "time",
    ColumnType.TEXT: "varchar",
    ColumnType.JSON: "varchar",
}
DECLARED = {
    "BIGINT": "bigint",
    "BOOLEAN": "boolean",
    "DATE": "date",
    "DOUBLE": "double precision",
    "JSON": "varchar",
    "TIMESTAMP WITH TIME ZONE": "timestamp",
    "VARCHAR": "varchar",
}
"""Names of DuckDB's types in descriptions."""
DERIVED = {
    "order_key": "Website and order, `website_id:order_id`",
    "event_key": "The event as a conversion, `attribution_io:id`",
    "touch_key": "The touchpoint as a touch, `attribution_io:id`",
    "email_hash": "SHA-256 of the customer's address in lower case; its keyed hash with `pii`",
    "returned_quantity": "Quantity returned; 0 if none",
    "net_amount": "Price of the units that were not returned, in the currency of the order",
    "recommendation_scope": "Channel or Onsite, if a recommendation added the product",
    "recommendation_type": "Label of the recommender type",
    "recommendation_channel": "Banner, Email or PopUp",
    "event_type": "Name of the event type, or its id",
    "currency": "ISO 4217 code of the amount",
    "is_conversion": "Whether its amount is above zero and it is not informational",
    "url_host": "Host of the page",
    "landing_path": "Path of the page that the visitor came to",
    "path": "Path of the page",
    "utm_medium": "`utm_medium` of the page",
    "utm_source": "`utm_source` of the page",
    "utm_campaign": "`utm_campaign` of the page",
    "referrer_host": "Host of the page that the visitor came from",
    "has_gclid": "Whether Google Ads marked the click",
    "has_fbclid": "Whether Facebook marked the click",
    "medium": "The vendor's name of the medium, where it credited the touchpoint",
    "source": "The vendor's name of the source, where it credited the touchpoint",
    "campaign": "The vendor's name of the campaign, where it credited the touchpoint",
    "model_name": "Name of the attribution model, or its id",
    "credit": "Share of the event's credit, from 0 to 1",
    "alias": "Another id of the same visitor; null in the identity's own row",
}
KEYED = {
    "stg_ecdp__orders": ["website_id", "order_id"],
    "stg_ecdp__order_lines": ["website_id", "order_id", "line_number"],
    "stg_attribution_io__events": ["id"],
    "stg_attribution_io__touchpoints": ["id"],
    "stg_attribution_io__pageviews": ["id"],
    "stg_attribution_io__credits": ["id"],
    "stg_ihc__credits": ["conv_type_id", "conversion_id", "session_id"],
}
_LOADED = re.compile(r"loaded\('(\w+)', '(\w+)'\) }} AS (\w+)")


def main() -> None:
    """Write the files."""
    written = {
        STAGING / "sources.yml": HEADING + yaml_of({"version": 2, "sources": list(sources())}),
        STAGING / "staging.yml": HEADING + yaml_of({"version": 2, "models": list(models())}),
    }
    write(written, "models")


def yaml_of(document: Any) -> str:
    """Return YAML whose keys are in the order that they were given in."""
    return yaml.safe_dump(document, sort_keys=False, allow_unicode=True, width=100)


def sources() -> Iterator[dict[str, Any]]:
    """Yield dbt's description of each tap's tables."""
    for tap in TAPS:
        source = tap.name.replace("-", "_")
        keys = tap.keys_by_stream()
        tables = [table(source, name, list(keys[name])) for name in streams_of(source)]
        versions = [
            {
                "name": f"{name}{VERSIONS}",
                "description": f"Every version of the rows of `{name}`, if `history` names it",
            }
            for name in streams_of(source)
        ]
        runs = {
            "name": "_runs",
            "description": "Runs of the loader, a row for each stream",
            "columns": described(source, "_runs"),
        }
        yield {
            "name": source,
            "schema": f"{{{{ var('schema_prefix') }}}}{source}",
            "tables": [*tables, *versions, runs],
        }


def table(source: str, name: str, keys: list[str]) -> dict[str, Any]:
    """Return the description of a table that a tap loads."""
    warn_after = {"count": 26, "period": "hour"}
    runs = (
        f"SELECT max(finished_at) FROM {{{{ source('{source}', '_runs') }}}} "
        f"WHERE complete AND stream = '{name}'"
    )
    return {
        "name": name,
        "description": f"Stream `{name}` of `{source.replace('_', '-')}`",
        "config": {
            "meta": {"primary_key": keys},
            "loaded_at_query": runs,
            "freshness": {"warn_after": warn_after},
        },
        "columns": described(source, name),
    }


def described(source: str, name: str) -> list[dict[str, Any]]:
    """Return the description of a table's columns, with personal data marked."""
    properties = schema_of(source, name) if name != "_runs" else {}
    columns = []
    for column, kind in columns_of(source, name).items():
        schema = properties.get(column, {})
        each = {"name": column, "data_type": TYPES[kind]}
        if schema.get("description"):
            each["description"] = schema["description"]
        if schema.get("x-pii"):
            each["config"] = {"meta": {"x-pii": True}}
        columns.append(each)
    return columns


def schema_of(source: str, name: str) -> Mapping[str, Any]:
    """Return the properties of a stream."""
    text = (files("schemas") / source.removeprefix("tap_") / f"{name}.json").read_text("utf-8")
    properties: Mapping[str, Any] = json.loads(text)["properties"]
    return properties


def models() -> Iterator[dict[str, Any]]:
    """Yield the description of each staging model."""
    folder = Folder(TRANSFORM)
    staging = [each for each in folder.models.values() if "staging" in each.folders]
    built = built_columns(folder, [each.name for each in staging])
    for each in sorted(staging, key=lambda model: model.name):
        source, name, alias = _LOADED.findall(each.text)[-1]
        properties = schema_of(source, name)
        columns = []
        for column, type_ in built[each.name].items():
            own = re.search(
                rf"\b{alias}\.(\w+)(?: AS double precision\))? AS {column}\b", each.text
            )
            found = properties.get(own[1] if own else column, {}).get("description")
            text = found if own or column not in DERIVED else DERIVED[column]
            if text is None:
                sys.exit(f"{each.name}: nothing describes the column {column}")
            columns.append({"name": column, "data_type": type_, "description": text})
        yield {
            "name": each.name,
            "description": f"`{name}` of `{source.replace('_', '-')}`, renamed and cast",
            "columns": columns,
            **(
                {"data_tests": [{"is_key": {"arguments": {"columns": KEYED[each.name]}}}]}
                if each.name in KEYED
                else {}
            ),
        }


def built_columns(folder: Folder, names: list[str]) -> dict[str, dict[str, str]]:
    """Return columns and types of models, as DuckDB builds them on empty tables."""
    with tempfile.TemporaryDirectory() as place:
        url = f"duckdb:///{place}/empty.duckdb"
        extractors = [Extractor(tap.name, tap, tap.name.replace("-", "_"), {}) for tap in TAPS]
        for extractor in extractors:
            source = extractor.load_schema
            with closing(connect(url, source)) as adapter:
                for name in streams_of(source):
                    kinds = columns_of(source, name)
                    adapter.create(name, {key: Column(kind) for key, kind in kinds.items()}, [])
                adapter.commit()
        tables = read_tables(Loader("target-warehouse", url, SCHEMA), extractors)
        with closing(Models(folder, url, "attribution", tables)) as built:
            list(built.build(names))
        with closing(connect(url, "attribution")) as adapter:
            return {
                name: {
                    column: DECLARED[each.type] for column, each in adapter.columns(name).items()
                }
                for name in names
            }


if __name__ == "__main__":
    main()
