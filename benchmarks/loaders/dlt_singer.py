"""Loads Singer lines with dlt, merged on their key; run in dlt's environment.

    python dlt_singer.py DESTINATION URL FOLDER dictionaries|arrow < products.singer

The merge strategy is upsert. Parquet files go into PostgreSQL through ADBC's COPY, which took less
time than CSV. Dictionaries are normalized by one process per core, which share files of 25,000
rows. Nested values are kept in a JSON column. Telemetry is off. pyarrow's own JSON reader makes
Arrow tables from 16 MB of lines at a time.
"""

from __future__ import annotations

import io
import os
import sys
from collections.abc import Iterator
from typing import IO, Any

os.environ |= {
    "RUNTIME__DLTHUB_TELEMETRY": "false",
    "RUNTIME__LOG_LEVEL": "ERROR",
    "DATA_WRITER__DISABLE_COMPRESSION": "true",
}

import dlt
import orjson
import pyarrow as pa
from pyarrow import json as arrow_json

BLOCK = 16 << 20
RECORD = b'{"type":"RECORD"'
ARROW_TYPES = {
    "bigint": pa.int64(),
    "decimal": pa.decimal128(38, 9),
    "text": pa.string(),
    "bool": pa.bool_(),
    "timestamp": pa.timestamp("us", "UTC"),
}
TYPES = {
    "integer": "bigint",
    "number": "decimal",
    "string": "text",
    "boolean": "bool",
    "array": "json",
    "object": "json",
}


def main() -> None:
    """Load what comes on stdin."""
    destination, url, folder, form = sys.argv[1:]
    lines = sys.stdin.buffer
    message = orjson.loads(lines.readline())
    types = {
        name: "timestamp" if property_.get("format") else TYPES[property_["type"][0]]
        for name, property_ in message["schema"]["properties"].items()
    }
    if form == "arrow":
        rows = tables(lines, types)
        types = {name: type_ for name, type_ in types.items() if type_ == "json"}
    else:
        os.environ |= {
            "NORMALIZE__WORKERS": str(os.cpu_count()),
            "DATA_WRITER__FILE_MAX_ITEMS": "25000",
        }
        rows = dictionaries(lines)
    resource = dlt.resource(
        rows,
        name=message["stream"],
        primary_key=message["key_properties"],
        write_disposition={"disposition": "merge", "strategy": "upsert"},
        columns={name: {"data_type": type_} for name, type_ in types.items()},
        max_table_nesting=0,
    )
    pipeline = dlt.pipeline(
        "loading",
        destination=getattr(dlt.destinations, destination)(url),
        dataset_name="shop",
        pipelines_dir=folder,
    )
    pipeline.run(resource, loader_file_format="parquet").raise_on_failed_jobs()


def dictionaries(lines: IO[bytes]) -> Iterator[list[dict[str, Any]]]:
    """Yield the records as they are, some at a time."""
    for part in parts(lines):
        yield [orjson.loads(line)["record"] for line in part]


def tables(lines: IO[bytes], types: dict[str, str]) -> Iterator[pa.Table]:
    """Yield the records as tables of Arrow's."""
    flat = [(name, ARROW_TYPES[type_]) for name, type_ in types.items() if type_ != "json"]
    schema = pa.schema([("record", pa.struct(flat))])
    for part in parts(lines):
        table = arrow_json.read_json(
            io.BytesIO(b"".join(part)),
            arrow_json.ReadOptions(block_size=2 * BLOCK),
            arrow_json.ParseOptions(explicit_schema=schema),
        )
        records = pa.Table.from_struct_array(table["record"])
        columns = {
            name: nested(records[name]) if type_ == "json" else records[name]
            for name, type_ in types.items()
        }
        yield pa.table(columns)


def parts(lines: IO[bytes]) -> Iterator[list[bytes]]:
    """Yield the lines that are records, some at a time."""
    while block := lines.readlines(BLOCK):
        yield [line for line in block if line.startswith(RECORD)]


def nested(column: pa.ChunkedArray) -> pa.Array:
    """Return values as JSON texts."""
    values = (
        None if value is None else orjson.dumps(value).decode() for value in column.to_pylist()
    )
    return pa.array(values, pa.string())


if __name__ == "__main__":
    main()
