"""A project with two accounts of a vendor, and the environment of its orchestrator."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest
import yaml

from tests.pipeline.meltano import project

SECOND: dict[str, Any] = {
    "name": "tap-ecdp-shop-two",
    "inherit_from": "tap-ecdp",
    "namespace": "tap_ecdp_shop_two",
}
FIRST_TASK = "tap_ecdp_to_target_warehouse"
SECOND_TASK = "tap_ecdp_shop_two_to_target_warehouse"


def with_second_account(
    folder: Path, *tasks: str, variables: Mapping[str, str] | None = None
) -> Path:
    """Return the project with these tasks, and those of a second account, in ECDP's job."""
    project(folder, extractors=(SECOND,))
    path = folder / "meltano.yml"
    document = yaml.safe_load(path.read_text())
    jobs = {job["name"]: job for job in document["jobs"]}
    jobs["ecdp"]["tasks"] += [f"{SECOND['name']} target-warehouse", *tasks]
    for schedule in document["schedules"]:
        if schedule["job"] == "ecdp":
            schedule["env"] = dict(variables or {})
    path.write_text(yaml.safe_dump(document))
    return folder


def enter(monkeypatch: pytest.MonkeyPatch, folder: Path, variables: Mapping[str, str]) -> None:
    """Change to the folder of Dagster's processes, with these variables."""
    monkeypatch.chdir(folder)
    for name, value in variables.items():
        monkeypatch.setenv(name, value)
