"""The channels of the sandbox, and the target that writes their statuses."""

from __future__ import annotations

import json
from typing import Any

from target_adtraction.target import TargetAdtraction

from attribution_elt.sandbox import Fault, Sandbox
from tests.targets.target_warehouse.warehouses import Warehouse
from tests.targets.writing import Writer

PENDING = 2
STREAM = "channel_status"


def writer_of(sandbox: Sandbox, warehouse: Warehouse) -> Writer:
    settings = {
        "client_token": sandbox.adtraction.client_token,
        "api_url": sandbox.adtraction.url,
        "max_retries": 2,
        "dry_run": False,
    }
    return Writer(TargetAdtraction, settings, warehouse)


def channels(sandbox: Sandbox, status: int) -> list[int]:
    return [
        row["channelId"]
        for row in sandbox.adtraction.truth()["channels"]
        if row["approvalStatus"] == status
    ]


def status_of(sandbox: Sandbox, channel: int) -> tuple[int, int | None]:
    (row,) = [row for row in sandbox.adtraction.truth()["channels"] if row["channelId"] == channel]
    return row["approvalStatus"], row.get("rejectReason")


def puts(sandbox: Sandbox) -> list[dict[str, Any]]:
    return [each.json() for each in sandbox.adtraction.requests if each.method == "PUT"]


def listing(sandbox: Sandbox, *documents: Any) -> None:
    """Make the next requests for the list return status 200 and these documents."""
    for document in documents:
        body = json.dumps(document)
        fault = Fault("status", status=200, body=body, match="client/channels", times=1)
        sandbox.adtraction.faults.add(fault)
