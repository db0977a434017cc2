"""Scripts, Meltano's definitions, settings and schemas agree with each other."""

from __future__ import annotations

import copy
import importlib.resources
import json
import re
import subprocess
import sys
import tomllib
from collections.abc import Sequence
from importlib.metadata import EntryPoint
from pathlib import Path
from typing import Any

import pytest
import yaml

import schemas
from attribution_elt.kit.tap import VendorTap

ROOT = Path(__file__).parent.parent
SCRIPTS: dict[str, str] = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]["scripts"]
TAPS = sorted(name for name in SCRIPTS if name.startswith("tap-"))
MELTANO = yaml.safe_load((ROOT / "meltano.yml").read_text())
EXTRACTORS = {each["name"]: each for each in MELTANO["plugins"]["extractors"]}
DEFINITIONS: dict[str, dict[str, Any]] = {
    path.stem.removesuffix("--attribution-elt"): json.loads(path.read_text())
    for path in (ROOT / "plugins").glob("*/*--attribution-elt.lock")
}
PLUGINS = EXTRACTORS | {each["name"]: each for each in MELTANO["plugins"]["loaders"]}
COMMON = {
    "api_url",
    "user_agent",
    "request_timeout",
    "max_retries",
    "max_concurrent_requests",
    "pii",
    "pii_key",
}

ZERO_IS_ALLOWED = {
    *("approval_status", "lookback_days", "max_changes", "max_errors", "max_new"),
    "program_status",
}
LARGEST = {
    "batch_size": 40,
    "lookback_days": 36_500,
    "max_concurrent_requests": 64,
    "max_journeys_per_request": 100,
    "max_sessions_per_request": 3000,
    "snapshot_days": 59,
    "window_days": 36_500,
}

VENDOR_TAPS = [name for name in TAPS if name != "tap-query"]  # its streams are the user's queries
every_tap = pytest.mark.parametrize("name", TAPS)
every_vendor = pytest.mark.parametrize("name", VENDOR_TAPS)


def plugin_type(name: str) -> Any:
    """The class behind a console script."""
    return EntryPoint(name, SCRIPTS[name].removesuffix(".cli"), "console_scripts").load()


def tap_type(name: str) -> type[VendorTap]:
    """The class of a tap."""
    loaded: type[VendorTap] = plugin_type(name)
    assert issubclass(loaded, VendorTap)
    return loaded


def keys_of(name: str) -> dict[str, set[str]]:
    """Every stream that a tap declares, and its primary key."""
    streams: Sequence[Any] = tap_type(name).stream_types
    return {stream.name: set(stream.primary_keys) for stream in streams}


def folder(name: str) -> str:
    return name.removeprefix("tap-").replace("-", "_")


def settings_of(name: str) -> dict[str, Any]:
    properties: dict[str, Any] = tap_type(name).config_jsonschema["properties"]
    return properties


def streams_of(name: str) -> dict[str, dict[str, Any]]:
    """Every stream's schema file."""
    files = importlib.resources.files(schemas) / folder(name)
    return {
        file.name.removesuffix(".json"): json.loads(file.read_text())
        for file in files.iterdir()
        if file.name.endswith(".json")
    }


def test_taps_are_console_scripts_are_extractors_are_folders() -> None:
    assert sorted(EXTRACTORS) == TAPS
    assert sorted(tap_type(name).name for name in TAPS) == TAPS
    packages = {each.parent.name.removeprefix("tap_") for each in (ROOT / "taps").glob("*/tap.py")}
    assert packages == {folder(name) for name in TAPS}
    assert {folder(name) for name in VENDOR_TAPS} == {
        each.parent.name for each in (ROOT / "schemas").glob("*/__init__.py")
    }


@every_tap
def test_an_extractor_runs_the_console_script_of_its_name(name: str) -> None:
    assert EXTRACTORS[name]["variant"] == "attribution-elt"
    assert DEFINITIONS[name]["executable"] == name
    assert DEFINITIONS[name]["namespace"] == name.replace("-", "_")


@pytest.mark.parametrize("script", ["models", "plugins", "readme"])
def test_generated_files_are_up_to_date(script: str) -> None:
    command = [sys.executable, str(ROOT / "scripts" / f"{script}.py"), "--check"]
    assert subprocess.run(command, check=False).returncode == 0


@pytest.mark.parametrize("name", sorted(DEFINITIONS))
def test_a_definition_has_the_settings_and_capabilities_of_its_plugin(name: str) -> None:
    plugin = plugin_type(name)
    schema = copy.deepcopy(plugin.config_jsonschema)
    plugin.append_builtin_config(schema)
    declared = DEFINITIONS[name]
    assert declared["capabilities"] == [each.value for each in plugin.capabilities]
    properties = schema["properties"]
    listed = {each["name"]: each for each in declared["settings"]}
    assert listed.keys() == properties.keys() - {"faker_config"}
    for key, each in listed.items():
        assert each.get("description") == properties[key]["description"]
        assert each.get("sensitive", False) is properties[key].get("secret", False)
        assert [option["value"] for option in each.get("options", [])] == properties[key].get(
            "enum", []
        )
        if key not in {"default_target_schema", "user_agent"}:
            assert each.get("value") == properties[key].get("default")
    assert declared["pip_url"].partition("[")[0] == "${ATTRIBUTION_ELT_PACKAGE}"


@pytest.mark.parametrize("name", sorted(DEFINITIONS))
def test_settings_accept_every_number_and_text_that_makes_sense(name: str) -> None:
    plugin = plugin_type(name)
    of_the_sdk: dict[str, Any] = {"type": "object", "properties": {}}
    plugin.append_builtin_config(of_the_sdk)  # the SDK adds them to the class with the first tap
    settings = plugin.config_jsonschema["properties"]
    for key in settings.keys() - of_the_sdk["properties"].keys():
        each = settings[key].get("items", settings[key])
        if "integer" in each["type"] and "string" not in each["type"]:
            limits = (0 if key in ZERO_IS_ALLOWED else 1, LARGEST.get(key))
            assert (each["minimum"], each.get("maximum")) == limits, key
        assert each.get("minLength", 1) == (16 if key == "pii_key" else 1), key


def test_meltano_passes_every_setting_from_the_environment_on() -> None:
    kinds = {each["kind"] for plugin in DEFINITIONS.values() for each in plugin["settings"]}
    assert "date_iso8601" not in kinds  # Meltano reads 2026-13-01 as 13 January
    assert "decimal" not in kinds  # Meltano cannot write the value as JSON


def test_every_plugin_that_this_project_installs_has_a_definition() -> None:
    ours = {name for name, each in PLUGINS.items() if each["pip_url"].startswith("-e .")}
    assert ours <= DEFINITIONS.keys()


@every_vendor
def test_every_vendor_has_a_job_and_a_schedule(name: str) -> None:
    jobs = {job["name"]: job["tasks"] for job in MELTANO["jobs"]}
    task = f"{name} target-warehouse"
    assert jobs[name.removeprefix("tap-")] == [task]
    assert task in jobs["all"]
    assert name.removeprefix("tap-") in {each["job"] for each in MELTANO["schedules"]}


@every_vendor
def test_every_tap_has_the_settings_that_all_share(name: str) -> None:
    assert set(settings_of(name)) >= COMMON
    assert all(each.get("description") for each in settings_of(name).values())


@every_vendor
def test_names_are_snake_case_and_short(name: str) -> None:
    names = [*settings_of(name), *streams_of(name)]
    names += [key for schema in streams_of(name).values() for key in schema["properties"]]
    assert [each for each in names if not re.fullmatch(r"_?[a-z][a-z0-9_]{0,61}", each)] == []


@every_vendor
def test_there_is_a_schema_file_for_each_stream_and_no_other(name: str) -> None:
    assert streams_of(name).keys() == keys_of(name).keys()


@every_vendor
def test_keys_are_never_null_and_everything_else_may_be(name: str) -> None:
    keys = keys_of(name)
    for stream, schema in streams_of(name).items():
        assert keys[stream] <= set(schema["properties"])
        for key, each in schema["properties"].items():
            assert ("null" in each["type"]) is (key not in keys[stream]), f"{stream}.{key}"


@every_vendor
def test_every_stream_has_extra_and_describes_its_columns(name: str) -> None:
    for stream, schema in streams_of(name).items():
        assert {"object", "null"} == set(schema["properties"]["_extra"]["type"])
        for key, each in schema["properties"].items():
            assert each.get("description"), f"{stream}.{key} has no description"


@every_vendor
def test_no_column_is_called_as_the_loader_calls_its_own(name: str) -> None:
    for stream, schema in streams_of(name).items():
        assert not [key for key in schema["properties"] if key.startswith("_sdc")], stream
