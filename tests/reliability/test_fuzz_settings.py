"""Random settings: the run works, or one line per setting explains what is wrong.

The suite uses fixed examples. `FUZZ_EXAMPLES=5000 scripts/test
tests/reliability/test_fuzz_settings.py` generates new ones.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import redirect_stderr, redirect_stdout
from io import BytesIO, StringIO, TextIOWrapper
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, note
from hypothesis import strategies as st
from target_warehouse.target import TargetWarehouse

from attribution_elt.kit.errors import PluginError
from tests.reliability.faults_benches import Bench
from tests.reliability.faults_vendors import open_benches
from tests.reliability.fuzz import few, scalars, values
from tests.reliability.matrix import captured_logs
from tests.signals import signals_kept

DAYS = ["2026-03-30", "2026-03-30T12:00:00Z", "31.03.2026", "2026-02-30", "today", "", "9999-12-31"]
NUMBERS = [0, 1, 7, -1, 10**6, 10**12, 10**30, 1.5, 1e300, "7", True]
KEPT = ("max_retries", "start_date", "api_url", "max_concurrent_requests")
"""Settings that stay as they are: odd values of these may be valid and take any time."""


@pytest.fixture(scope="module")
def benches(tmp_path_factory: pytest.TempPathFactory) -> Iterator[list[Bench]]:
    with open_benches(tmp_path_factory.mktemp("benches")) as (benches, _):
        yield benches


def spoilt(draw: Any, config: dict[str, Any], known: list[str]) -> tuple[str, dict[str, Any]]:
    """Draw a setting and settings with an odd value of it."""
    name = draw(st.sampled_from([each for each in known if each not in KEPT]))
    odd = draw(st.one_of(values, st.sampled_from(NUMBERS), st.sampled_from(DAYS), st.just(...)))
    changed = {each: value for each, value in config.items() if each != name}
    return name, changed if odd is ... else {**changed, name: odd}


@few(40)
@given(data=st.data())
def test_a_tap_runs_or_names_the_wrong_setting(benches: list[Bench], data: st.DataObject) -> None:
    bench = benches[data.draw(st.integers(0, len(benches) - 1))]
    known = list(bench.tap.config_jsonschema["properties"])
    name, config = spoilt(data.draw, bench.config, known)
    note(f"{bench.name}: {name} = {config.get(name, ...)!r}")
    asked = len(bench.vendor.requests)
    with captured_logs() as heard:
        try:
            output = bench.run_as(config)
        except PluginError as error:
            reported = str(error).split("; ")
        else:
            reported = output.stderr.splitlines()
    lines = [*reported, *(record.getMessage() for record in heard)]
    assert not any(secret in line for line in lines for secret in bench.secrets)
    assert not any("Traceback" in line for line in lines)
    if len(bench.vendor.requests) == asked and reported:
        # The SDK reports "flattening", without the rest of the setting's name.
        named = "flattening" if name.startswith("flattening") else name
        assert any(named in line for line in reported), reported


@few(20)
@given(data=st.data())
def test_the_loader_runs_or_names_the_wrong_setting(
    tmp_path_factory: pytest.TempPathFactory, data: st.DataObject
) -> None:
    folder = tmp_path_factory.mktemp("loader")
    known = ["default_target_schema", "load_method", "add_record_metadata", "batch_size_rows"]
    known += ["batch_max_bytes", "url"]
    config = {"url": f"duckdb:///{folder}/w.duckdb"}
    name, config = spoilt(data.draw, config, known)
    if name == "url":
        config["url"] = data.draw(st.one_of(scalars, st.sampled_from(["x://y", "sqlite:", "://"])))
    code, log = command(folder, config)
    note(f"{config}: {log}")
    assert code in {0, 1}
    assert "Traceback" not in log
    if code:
        assert log.strip()


def command(folder: Path, config: dict[str, Any]) -> tuple[int, str]:
    """Run the loader's command line within the test; return its exit code and stderr."""
    settings = folder / "config.json"
    settings.write_text(json.dumps(config, default=float))
    messages = folder / "messages.jsonl"
    schema = {"properties": {"id": {"type": "integer"}}}
    lines = [
        {"type": "SCHEMA", "stream": "s", "schema": schema, "key_properties": ["id"]},
        {"type": "RECORD", "stream": "s", "record": {"id": 1}},
    ]
    messages.write_text("".join(f"{json.dumps(line)}\n" for line in lines))
    errors = StringIO()
    with (
        signals_kept(),
        redirect_stdout(TextIOWrapper(BytesIO())),
        redirect_stderr(errors),
        pytest.raises(SystemExit) as end,
    ):
        TargetWarehouse.cli.main(["--config", str(settings), "--input", str(messages)])
    return int(end.value.code or 0), errors.getvalue()
