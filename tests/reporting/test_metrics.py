"""The Prometheus text file, its dashboard and its alert rules."""

from __future__ import annotations

import json
import os
import re
from collections.abc import Iterable
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import psycopg
import pytest
import yaml

from attribution_elt.core.errors import OpsError
from attribution_elt.meltano.project import SCHEMA, Loader
from attribution_elt.reporting.metrics import KINDS, METRICS, PREFIX, Sample, samples, text_of
from tests.pipeline.meltano import PROJECT
from tests.targets.target_warehouse.warehouses import Warehouse, record, schema, state

ORDERS = schema("attributed_orders", id="integer", at={"type": "string", "format": "date-time"})
DEPLOY = PROJECT / "deploy"
DASHBOARD = DEPLOY / "grafana" / "attribution-elt.json"
RULES = DEPLOY / "prometheus" / "alerts.yml"
LINE = re.compile(
    r"(?P<name>[a-z_]+)"
    r"\{(?P<labels>(?:[a-z_]+=\"(?:[^\"\\\n]|\\[\\\"n])*\",?)*)\}"
    r" (?P<value>[0-9.]+)"
)


def values(text: str) -> dict[str, float]:
    """The samples of a text file, whose lines must be valid."""
    found: dict[str, float] = {}
    for line in text.splitlines():
        if not line.startswith("# "):
            matched = LINE.fullmatch(line)
            assert matched, line
            found[f"{matched['name']}{{{matched['labels']}}}"] = float(matched["value"])
    return found


def of(warehouse: Warehouse) -> list[Sample]:
    return samples(Loader("target-warehouse", warehouse.url, None), ["tap_ecdp"])


def test_the_file_has_what_runs_loaded(warehouse: Warehouse) -> None:
    rows = [record("attributed_orders", id=i, at="2026-03-01T00:00:00Z") for i in (1, 2, 3)]
    began = datetime.now(UTC).timestamp() - 1
    last = {"type": "STATE", "value": {"bookmarks": {}}, "complete": True}
    warehouse.load(ORDERS, *rows, last, add_record_metadata=True)
    units = 'failed_units{loader="target-warehouse",stream="attributed_orders"}'
    assert values(text_of(of(warehouse), {}))[PREFIX + units] == 0
    refused = record("attributed_orders", id=4, at="never")
    warehouse.load(ORDERS, *rows[:2], refused, state(1), add_record_metadata=True, fails=True)

    found = values(text_of(of(warehouse), {"environment": "prod"}))

    own = 'environment="prod",loader="target-warehouse",stream="attributed_orders"'

    def value(name: str, **more: str) -> float:
        labels = own + "".join(f',{label}="{text}"' for label, text in more.items())
        return found[f"{PREFIX}{name}{{{labels}}}"]

    assert value("rows_total", kind="inserted") == 3
    assert value("rows_total", kind="unchanged") == 2
    assert value("rows_total", kind="rejected") == 1
    assert value("runs_total", result="complete") == 1
    assert began < value("last_success_timestamp_seconds")
    assert value("last_success_timestamp_seconds") <= value("last_run_timestamp_seconds")
    assert all(each.name in METRICS for each in of(warehouse))


def test_a_rule_finds_streams_that_never_had_a_complete_run(warehouse: Warehouse) -> None:
    refused = record("attributed_orders", id=1, at="never")
    last = {"type": "STATE", "value": {"bookmarks": {}}, "complete": False}
    warehouse.load(ORDERS, refused, last, add_record_metadata=True, fails=True)
    names = {each.name for each in of(warehouse)}
    present, absent = "last_run_timestamp_seconds", "last_success_timestamp_seconds"
    assert present in names
    assert absent not in names
    assert f"{PREFIX}{present} unless {PREFIX}{absent}" in expressions(RULES)


def test_a_warehouse_that_cannot_be_read_is_an_error(tmp_path: Path) -> None:
    (tmp_path / "w.db").write_text("this is not a database" * 100)
    with pytest.raises(OpsError, match=r"target-warehouse: .*w\.db cannot be read: "):
        samples(Loader("target-warehouse", f"sqlite:///{tmp_path}/w.db", None), ["tap_ecdp"])


def test_labels_are_escaped_and_equal_ones_joined() -> None:
    labels = {"stream": 'a"b\\c\nd'}
    text = text_of(
        [Sample("rows_total", labels, 1), Sample("rows_total", labels, 2)]
        + [Sample("failed_units", {}, value) for value in (3, 1.5)],
        {},
    )
    assert text.count("# TYPE") == 2
    assert values(text) == {
        PREFIX + r'rows_total{stream="a\"b\\c\nd"}': 3,
        PREFIX + "failed_units{}": 3,
    }


def expressions(file: Path) -> list[str]:
    """Every PromQL expression of a dashboard or of alert rules."""

    def walk(node: Any) -> Iterable[str]:
        if isinstance(node, dict):
            for key, value in node.items():
                if key in {"expr", "query"} and isinstance(value, str):
                    yield value
                else:
                    yield from walk(value)
        elif isinstance(node, list):
            for each in node:
                yield from walk(each)

    text = file.read_text("utf-8")
    return list(walk(json.loads(text) if file.suffix == ".json" else yaml.safe_load(text)))


def unknown_names(expression: str) -> set[str]:
    """The metrics and the values of labels that an expression names and that do not exist."""
    names = set(re.findall(rf"{PREFIX}\w+", expression)) - {PREFIX + name for name in METRICS}
    kinds = set(re.findall(r'kind!?="(\w+)"', expression)) - set(KINDS)
    return names | kinds


@pytest.mark.parametrize("file", [DASHBOARD, RULES], ids=lambda file: file.name)
def test_dashboard_and_rules_name_only_metrics_that_exist(file: Path) -> None:
    found = expressions(file)
    assert len(found) > 5
    assert [each for each in found if unknown_names(each)] == []
    assert all(each.count("(") == each.count(")") for each in found)


def test_every_metric_is_on_the_dashboard() -> None:
    shown = " ".join(expressions(DASHBOARD))
    assert [name for name in METRICS if PREFIX + name not in shown] == []


def test_the_check_finds_names_that_do_not_exist() -> None:
    assert unknown_names('sum(attribution_elt_lines_total{kind="lost"})') == {
        f"{PREFIX}lines_total",
        "lost",
    }


def test_a_schema_of_others_is_left_out_if_it_cannot_be_read(postgres_url: str) -> None:
    role = f"metrics_{os.getpid()}"
    with psycopg.connect(postgres_url, autocommit=True) as connection:
        connection.execute(f"DROP ROLE IF EXISTS {role}".encode())
        connection.execute(f"CREATE ROLE {role} LOGIN".encode())
        connection.execute("CREATE SCHEMA tap_ecdp")
        connection.execute("CREATE TABLE tap_ecdp._runs (stream text)")
    url = postgres_url.replace("//postgres:", f"//{role}:").replace("//postgres@", f"//{role}@")
    loader = Loader("target-warehouse", url, SCHEMA)
    assert samples(loader, ["tap_ecdp"], {"tap_ecdp"}) == []
    with pytest.raises(OpsError, match="permission denied for schema tap_ecdp"):
        samples(loader, ["tap_ecdp"])
