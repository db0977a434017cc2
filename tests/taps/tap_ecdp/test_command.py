"""The console script, run as users and Meltano run it."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from tap_ecdp.tap import TapEcdp

from attribution_elt.kit.errors import InvalidSettingsError
from attribution_elt.sandbox import Fault, Sandbox
from tests.taps.tap_ecdp.helpers import LINES, ORDERS, run, settings


def test_settings_from_several_files(small: Sandbox, tmp_path: Path) -> None:
    config = settings(small)
    other = tmp_path / "other.json"
    other.write_text(json.dumps({"api_key": config.pop("api_key")}))
    assert run(tmp_path, config, "--config", str(other)).code == 0


def test_settings_from_the_environment(small: Sandbox, monkeypatch: pytest.MonkeyPatch) -> None:
    config = settings(small, website_ids=[22], request_timeout=...)
    for name, value in config.items():
        text = value if isinstance(value, str) else json.dumps(value)
        monkeypatch.setenv(f"TAP_ECDP_{name.upper()}", text)
    tap = TapEcdp(parse_env_config=True)
    assert {name: tap.config[name] for name in config} == config


@pytest.mark.parametrize(
    ("wrong", "expected"),
    [
        ({"api_key": ...}, ["api_key"]),
        ({"api_key": ""}, ["api_key"]),
        ({"start_date": "yesterday-ish"}, ["start_date"]),
        ({"end_date": "2025-13-01"}, ["end_date"]),
        ({"end_date": "2020-01-01"}, ["end_date"]),
        ({"window_days": 0, "lookback_days": -1}, ["lookback_days", "window_days"]),
        ({"message_types": ["newsletter"]}, ["message_types[0]"]),
        ({"website_ids": ["x", -1]}, ["website_ids[0]", "website_ids[1]"]),
        ({"api_url": "ftp://api.ecdp.app"}, ["api_url"]),
        ({"pii": "hash"}, ["pii_key"]),
        ({"api_key": ..., "start_date": ..., "pii": "x"}, ["api_key", "pii", "start_date"]),
    ],
)
def test_invalid_settings_are_reported_in_a_line_each(
    small: Sandbox, wrong: dict[str, Any], expected: list[str]
) -> None:
    with pytest.raises(InvalidSettingsError) as caught:
        TapEcdp(config=settings(small, **wrong))
    faults = caught.value.faults
    assert len(faults) == len(expected)
    assert all(any(f"'{name}'" in line for line in faults) for name in expected)


def test_invalid_settings_end_the_run_before_any_request(small: Sandbox, tmp_path: Path) -> None:
    wrong = {"api_key": ..., "start_date": "yesterday-ish", "max_retries": 2.5}
    output = run(tmp_path, settings(small, **wrong))
    assert output.code == 1
    assert len(output.errors) == 3
    assert "'yesterday-ish' must be a date, YYYY-MM-DD" in output.stderr
    assert "2.5 must be of type integer" in output.stderr
    assert "Traceback" not in output.stderr
    assert "Decimal" not in output.stderr
    assert small.ecdp.requests == []
    assert output.stdout == b""


@pytest.mark.parametrize("content", ["{", '"x"'])
def test_a_settings_file_that_is_not_a_json_object(
    small: Sandbox, tmp_path: Path, content: str
) -> None:
    path = tmp_path / "broken.json"
    path.write_text(content)
    output = run(tmp_path, settings(small), "--config", str(path))
    assert output.code != 0
    assert "Traceback" not in output.stderr
    assert small.ecdp.requests == []


MAPS: dict[str, Any] = {
    ORDERS: {
        "__filter__": "original_currency == 'PLN'",
        "__alias__": "polish_orders",
        "order_number": "order_id",
        "customer_email": None,
    }
}


def test_stream_maps_rename_and_filter(small: Sandbox, tmp_path: Path) -> None:
    output = run(tmp_path, settings(small, stream_maps=MAPS))
    assert output.code == 0
    records = output.records("polish_orders")
    polish = [row for row in small.ecdp.truth() if row["originalCurrency"] == "PLN"]
    assert {record["order_number"] for record in records} == {row["orderId"] for row in polish}
    assert len(records) == len(polish)
    assert "customer_email" not in records[0]
    assert output.records(ORDERS) == []
    schemas = output.of("SCHEMA", "polish_orders")
    assert schemas
    assert all("order_number" in message["schema"]["properties"] for message in schemas)
    assert output.records(LINES)


@pytest.mark.parametrize(
    ("maps", "message"),
    [
        ({"x": "nope"}, "setting 'stream_maps.attributed_orders'"),
        ({"x": "int(customer_email or customer_phone)"}, "setting 'stream_maps.attributed_orders'"),
        ({"x": "order_value_converted * 1.2"}, "setting 'stream_maps.attributed_orders'"),
        ({"x": "nonsense("}, "setting 'stream_maps'"),
        ({"website_id": None}, "setting 'stream_maps'"),
        ({"__else__": "everything"}, "stream_maps"),  # newer SDKs refuse it themselves
    ],
    ids=lambda given: str(given)[:24],
)
def test_a_stream_map_that_fails_is_one_line_without_personal_data(
    maps: dict[str, Any], message: str, small: Sandbox, tmp_path: Path
) -> None:
    output = run(tmp_path, settings(small, stream_maps={ORDERS: maps}))
    (error,) = output.errors
    assert message in error
    assert output.code == 1
    assert "Traceback" not in output.stderr
    assert "@example.com" not in output.stderr


def test_a_failed_window_is_reported_once_at_the_end(small: Sandbox, tmp_path: Path) -> None:
    small.ecdp.faults.add(Fault("status", status=400, times=1, body='{"message":"no"}'))
    output = run(tmp_path, settings(small))
    assert output.code == 1
    (error,) = output.errors
    assert "returned 400: no" in error
    assert output.stderr.splitlines()[-1] == error
    assert len(output.rows(ORDERS)) > 10


@pytest.mark.parametrize("option", ["--state", "--catalog"])
@pytest.mark.parametrize("content", [b"{bad", b"\xff", b""])
def test_an_input_that_is_not_json_is_a_line_with_its_file(
    small: Sandbox, tmp_path: Path, option: str, content: bytes
) -> None:
    file = tmp_path / "input.json"
    file.write_bytes(content)
    output = run(tmp_path, settings(small), option, str(file))
    assert output.code == 1
    assert output.stderr.splitlines()[-1].startswith(f"Error: {option} {file}: ")
