"""Reads a vendor with dlt's `rest_api` source into PostgreSQL; run in dlt's environment.

    python dlt_rest.py VENDOR CONFIG URL FOLDER defaults|tuned

CONFIG is the configuration of the project's own tap. With its defaults, dlt makes a table of each
nested list. `tuned` fetches children in parallel, loads Parquet files into PostgreSQL through
ADBC's COPY, normalizes with one process per core, which share files of 25,000 rows, and keeps
nested values in JSON columns. The merge is the default, delete and insert, because upsert fails if
rows share a key.
"""

from __future__ import annotations

import json
import os
import sys
from pathlib import Path
from typing import Any
from urllib.parse import quote

os.environ |= {"RUNTIME__DLTHUB_TELEMETRY": "false", "RUNTIME__LOG_LEVEL": "ERROR"}
if sys.argv[-1] == "tuned":
    os.environ |= {
        "DATA_WRITER__DISABLE_COMPRESSION": "true",
        "DATA_WRITER__FILE_MAX_ITEMS": "25000",
        "NORMALIZE__WORKERS": str(os.cpu_count()),
    }

import dlt
from dlt.sources.rest_api import rest_api_source


def main() -> None:
    """Read and load."""
    vendor, path, url, folder, form = sys.argv[1:]
    api: Any = VENDORS[vendor](json.loads(Path(path).read_text()))
    tuned = form == "tuned"
    for resource in api["resources"] if tuned else ():
        if isinstance(resource, dict):
            resource["max_table_nesting"] = 0
            resource["parallelized"] = True
    pipeline = dlt.pipeline(
        "vendor",
        destination=dlt.destinations.postgres(url),
        dataset_name="shop",
        pipelines_dir=folder,
    )
    pipeline.run(
        rest_api_source(api), loader_file_format="parquet" if tuned else None
    ).raise_on_failed_jobs()


def adtraction(config: dict[str, Any]) -> dict[str, Any]:
    """Programs, and the products in their feeds."""
    channel = config["channel_ids"][0]
    return {
        "client": {"base_url": config["api_url"], "headers": {"X-Token": config["partner_token"]}},
        "resource_defaults": {
            "write_disposition": "merge",
            "endpoint": {"method": "POST", "paginator": "single_page"},
        },
        "resources": [
            {
                "name": "programs",
                "primary_key": "programId",
                "processing_steps": [{"filter": lambda program: program["feeds"]}],
                "endpoint": {
                    "path": "partner/programs/",
                    "json": {"market": config["markets"][0], "channelId": channel},
                },
            },
            {
                "name": "products",
                "primary_key": "productUrl",
                "endpoint": {
                    "path": "partner/products/feed/",
                    "json": {"programId": "{resources.programs.programId}", "channelId": channel},
                },
            },
        ],
    }


def ecdp(config: dict[str, Any]) -> dict[str, Any]:
    """Orders in one request, because dlt does not page by windows."""
    return {
        "client": {
            "base_url": config["api_url"],
            "auth": {
                "type": "api_key",
                "name": "x-api-key",
                "api_key": config["api_key"],
                "location": "header",
            },
        },
        "resources": [
            {
                "name": "orders",
                "primary_key": ["websiteId", "orderId"],
                "write_disposition": "merge",
                "endpoint": {
                    "path": "reports/attribution/orders",
                    "paginator": "single_page",
                    "data_selector": "data",
                    "params": {
                        "startDate": "{incremental.start_value}",
                        "endDate": config["end_date"],
                        "includeDetails": "true",
                    },
                    "incremental": {
                        "cursor_path": "orderDateTime",
                        "initial_value": config["start_date"],
                        "convert": lambda moment: moment[:10],
                    },
                },
            }
        ],
    }


def ignite(config: dict[str, Any]) -> dict[str, Any]:
    """Visitors, locations, audiences and their members."""
    (website,) = config["websites"]
    hashes = {"response_actions": [objects]}
    return {
        "client": {"base_url": config["api_url"], "paginator": "single_page"},
        "resource_defaults": {
            "primary_key": "id",
            "write_disposition": "merge",
            "endpoint": {"params": {"token": website["token"], "secret": website["secret"]}},
        },
        "resources": [
            {
                "name": "visitors",
                "primary_key": "hashed_email",
                "endpoint": {"path": "visitors", **hashes},
            },
            {"name": "locations", "endpoint": {"path": "locations"}},
            {"name": "audiences", "endpoint": {"path": "audiences"}},
            {
                "name": "audience_members",
                "primary_key": ["audience_id", "hashed_email"],
                "include_from_parent": ["id"],
                "processing_steps": [{"map": of_audience}],
                "endpoint": {"path": "audiences/{resources.audiences.id}", **hashes},
            },
        ],
    }


def objects(response: Any, *_: Any, **__: Any) -> Any:
    """Turn a list of texts into objects, because dlt requires rows."""
    rows = [{"hashed_email": each} for each in response.json()]
    response._content = json.dumps(rows).encode()  # noqa: SLF001 - as dlt's documentation does it
    return response


def of_audience(row: dict[str, Any]) -> dict[str, Any]:
    """Rename the columns from the parent."""
    return {"audience_id": row["_audiences_id"], "hashed_email": row["hashed_email"]}


def attribution_io(config: dict[str, Any]) -> dict[str, Any]:
    """Customers with their timelines; `meta` stays JSON, because it may contain any number."""
    json_columns = {"columns": {"meta": {"data_type": "json"}}}
    ids = [{"path_id": quote(each, safe="")} for each in config["customer_ids"]]
    return {
        "client": {"base_url": config["api_url"], "paginator": "single_page"},
        "resources": [
            dlt.resource([ids], name="ids", selected=False),
            {
                "name": "customers",
                "primary_key": "client_id",
                "write_disposition": "merge",
                **json_columns,
                "nested_hints": {"events": json_columns, "identities": json_columns},
                "endpoint": {
                    "path": f"{config['public_key']}/customers/{{resources.ids.path_id}}",
                    "params": {"secret": config["secret"], "show_all": "true"},
                    "data_selector": "customer",
                },
            },
        ],
    }


VENDORS = {
    "adtraction": adtraction,
    "ecdp": ecdp,
    "ignite": ignite,
    "attribution-io": attribution_io,
}

if __name__ == "__main__":
    main()
