"""The command line, settings and refused credentials."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from tap_ihc.tap import TapIhc

from attribution_elt.kit.errors import InvalidSettingsError, PluginError
from attribution_elt.sandbox import Fault
from attribution_elt.sandbox.ihc import Ihc
from tests.invalid_journeys import invalid_journeys
from tests.taps.tap_ihc.helpers import (
    DAY,
    file_of,
    run,
    run_here,
    sent,
    sessions_sent,
    settings,
    short,
)

PHASE = {
    "direction": "any_session",
    "receive_threshold": 0.5,
    "redistribution_channel_labels": ["Direct"],
}


def test_a_connection_test_costs_one_request_of_one_journey(vendor: Ihc, tmp_path: Path) -> None:
    bad = [row for rows in invalid_journeys(DAY).values() for row in rows]
    config = settings(vendor, file_of(tmp_path / "j.jsonl", bad + short(500)))
    output = run(tmp_path, "--test", config=config)
    assert (output.code, output.errors) == (0, [])
    assert sessions_sent(vendor) == [3]


@pytest.mark.parametrize(
    ("more", "words"),
    [
        ({"api_key": "wrong"}, ["IHC", "403", "api_key"]),
        ({"conv_type_id": "unknown"}, ["IHC", "Unknown 'conv_type_id': unknown"]),
    ],
)
def test_a_failed_connection_test_is_one_request_and_one_reason(
    vendor: Ihc, tmp_path: Path, more: dict[str, Any], words: list[str]
) -> None:
    config = settings(vendor, file_of(tmp_path / "j.jsonl", short(200)), **more)
    with pytest.raises(PluginError) as raised:
        TapIhc(config=config).run_connection_test()
    assert all(word in str(raised.value) for word in words)
    assert sessions_sent(vendor) == [3]


def test_a_file_without_one_of_the_columns_is_refused_before_any_request(
    vendor: Ihc, tmp_path: Path
) -> None:
    path = tmp_path / "journeys.csv"
    path.write_text("conversion_id;session_id\nc1;s1\n")
    output = run(tmp_path, config=settings(vendor, path))
    assert output.code == 1
    (error,) = output.errors
    assert "setting 'journeys_file': no row has the column channel_label, " in error
    assert "there are conversion_id;session_id" in error
    assert not sent(vendor)


def test_the_number_of_requests_follows_from_the_loaded_sessions(
    vendor: Ihc, tmp_path: Path
) -> None:
    tap = TapIhc(config=settings(vendor, file_of(tmp_path / "j.jsonl", short(1))))
    loaded = dict.fromkeys(tap.listing_streams, 20_000)
    assert tap.count_requests(loaded) >= 20_000 // tap.config["max_sessions_per_request"]
    assert tap.count_requests({}) == 1


def test_neither_secrets_nor_ids_are_logged(vendor: Ihc, tmp_path: Path) -> None:
    rows = short(200)
    for number, row in enumerate(rows):
        row["session_id"] = f"jane-{number}@example.com"
    rows[4]["holder_engagement"] = 7
    vendor.refused_conversions = {rows[30]["conversion_id"]}
    vendor.missing_sessions = {rows[70]["session_id"]}
    vendor.partial_failures = False
    vendor.faults.add(Fault("status", status=500))
    config = settings(vendor, file_of(tmp_path / "j.jsonl", rows))
    output = run(tmp_path, config=config, level="DEBUG")
    assert output.code == 1
    assert len(output.errors) == 1
    conversions = {row["conversion_id"] for row in rows}
    assert not any(each in output.stderr for each in (vendor.api_key, "example.com", *conversions))
    assert vendor.api_key not in output.stdout.decode()


def test_a_password_of_the_database_is_in_no_output(vendor: Ihc, tmp_path: Path) -> None:
    url = "postgresql+psycopg://user:pa%2Fss-w0rd@127.0.0.1:1/shop"
    config = settings(vendor, None, journeys_url=url, journeys_query="SELECT 1")
    output = run(tmp_path, config=config, level="DEBUG")
    assert output.code == 1
    (error,) = output.errors
    assert "settings 'journeys_url' and 'journeys_query': " in error
    for spelling in ("pa%2Fss-w0rd", "pa/ss-w0rd", "ss-w0rd"):
        assert spelling not in output.stderr + output.stdout.decode()


@pytest.mark.parametrize(
    ("more", "lines"),
    [
        ({"journeys_file": None}, ["'journeys_file' or 'journeys_url' is missing"]),
        ({"journeys_file": "/nowhere/j.csv"}, ["'/nowhere/j.csv' does not exist"]),
        ({"journeys_file": __file__}, ["must end in one of .csv, .json, .jsonl, .parquet"]),
        ({"journeys_url": "sqlite://"}, ["must be set together"]),
        ({"journeys_query": "SELECT 1"}, ["must be set together"]),
        ({"api_key": ""}, ["'api_key'"]),
        ({"api_key": None, "conv_type_id": None}, ["'api_key' is missing", "'conv_type_id' is"]),
        ({"max_journeys_per_request": 101}, ["'max_journeys_per_request': 101 must be at most"]),
        ({"max_journeys_per_request": 0}, ["'max_journeys_per_request': 0 must be at least"]),
        ({"max_sessions_per_request": 3001}, ["'max_sessions_per_request': 3001 must be"]),
        ({"max_requests_per_run": 0}, ["'max_requests_per_run': 0 must be at least 1"]),
        ({"pii": "hash"}, ["'pii_key'"]),
    ],
)
def test_invalid_settings_are_reported_in_a_line_each(
    vendor: Ihc, tmp_path: Path, more: dict[str, Any], lines: list[str]
) -> None:
    config = settings(vendor, file_of(tmp_path / "j.jsonl", short(1)), **more)
    with pytest.raises(InvalidSettingsError) as raised:
        TapIhc(config=config)
    assert len(raised.value.faults) == len(lines)
    assert all(any(words in fault for fault in raised.value.faults) for words in lines)


def without(name: str) -> dict[str, Any]:
    return {each: value for each, value in PHASE.items() if each != name}


REDISTRIBUTIONS = [
    ([], "redistribution_parameter'"),
    ("x", "redistribution_parameter'"),
    ({"middle": PHASE}, "redistribution_parameter.middle'"),
    ({"Holder": PHASE}, "redistribution_parameter.Holder'"),
    ({"holder": None}, "redistribution_parameter.holder'"),
    ({"holder": []}, "redistribution_parameter.holder'"),
    ({"holder": {**PHASE, "receiveThreshold": 0}}, "redistribution_parameter.holder.receiveT"),
    *(({"holder": without(name)}, f"redistribution_parameter.holder.{name}'") for name in PHASE),
    *(
        ({"closer": {**PHASE, name: value}}, f"redistribution_parameter.closer.{name}{place}'")
        for name, value, place in (
            ("direction", "earlier", ""),
            ("direction", "", ""),
            ("direction", 1, ""),
            ("receive_threshold", 1.01, ""),
            ("receive_threshold", -0.01, ""),
            ("receive_threshold", "0.5", ""),
            ("receive_threshold", True, ""),
            ("receive_threshold", None, ""),
            ("receive_threshold", float("nan"), ""),
            ("receive_threshold", float("inf"), ""),
            ("redistribution_channel_labels", "Direct", ""),
            ("redistribution_channel_labels", None, ""),
            ("redistribution_channel_labels", ["Direct", 1], "[1]"),
            ("redistribution_channel_labels", [None], "[0]"),
        )
    ),
]


@pytest.mark.parametrize(("parameter", "name"), REDISTRIBUTIONS)
def test_a_bad_redistribution_parameter_is_refused_by_name(
    vendor: Ihc, tmp_path: Path, parameter: Any, name: str
) -> None:
    path = file_of(tmp_path / "j.jsonl", short(1))
    with pytest.raises(InvalidSettingsError) as raised:
        TapIhc(config=settings(vendor, path, redistribution_parameter=parameter))
    assert all(f"setting '{name}" in fault for fault in raised.value.faults)
    assert raised.value.faults


def test_a_bad_redistribution_parameter_ends_the_run_before_any_request(
    vendor: Ihc, tmp_path: Path
) -> None:
    path = file_of(tmp_path / "j.jsonl", short(1))
    bad = {"holder": {**PHASE, "direction": "up"}, "closer": without("direction")}
    output = run(tmp_path, config=settings(vendor, path, redistribution_parameter=bad))
    assert (output.code, len(output.errors), sent(vendor)) == (1, 2, [])
    assert output.stdout == b""
    assert "Traceback" not in output.stderr


def test_without_journeys_no_label_is_reported_missing(
    vendor: Ihc, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    (tmp_path / "j.jsonl").touch()
    config = settings(vendor, tmp_path / "j.jsonl", redistribution_parameter={"holder": PHASE})
    assert run_here(config).code == 0
    assert [each for each in caplog.records if each.levelname == "WARNING"] == []


def test_labels_that_never_occur_are_one_warning(
    vendor: Ihc, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    rows = short(30)
    known = rows[0]["channel_label"]
    of = {**PHASE, "redistribution_channel_labels": ["direct", known, "Nowhere"]}
    config = settings(
        vendor,
        file_of(tmp_path / "j.jsonl", rows),
        redistribution_parameter={"holder": of, "closer": of},
    )
    assert run_here(config).code == 0
    warnings = [record.getMessage() for record in caplog.records if record.levelname == "WARNING"]
    assert warnings == ["redistribution_parameter: no session has the channel 'Nowhere', 'direct'"]
