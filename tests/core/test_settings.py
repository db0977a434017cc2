"""Exit codes and messages of wrong command lines, files and environment variables."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import click
import pytest
from singer_sdk.exceptions import ConfigValidationError
from singer_sdk.plugin_base import PluginBase
from tap_ecdp.tap import TapEcdp
from tap_query.tap import TapQuery
from target_adtraction.target import TargetAdtraction
from target_warehouse.target import TargetWarehouse

from attribution_elt.cli.main import cli
from attribution_elt.kit.errors import InvalidSettingsError

PLUGINS: list[type[PluginBase]] = [TapEcdp, TapQuery, TargetAdtraction, TargetWarehouse]


@pytest.mark.parametrize("command", [cli, *(plugin.get_singer_command() for plugin in PLUGINS)])
@pytest.mark.parametrize("arguments", [["--nosuch"], ["--config"], ["nosuch"]])
def test_a_wrong_command_line_has_exit_code_2(command: click.Command, arguments: list[str]) -> None:
    with pytest.raises(SystemExit) as caught:
        command.main(arguments)
    assert caught.value.code == 2


@pytest.mark.parametrize("plugin", PLUGINS)
@pytest.mark.parametrize(
    ("content", "reason"),
    [
        (None, "not found"),
        ("{'a': 1}", "line 1"),
        ("[1]", "it is not a JSON object"),
        ("null", "it is not a JSON object"),
        ("\xff", "codec can't decode"),
    ],
)
def test_a_settings_file_that_cannot_be_read(
    plugin: type[PluginBase], content: str | None, reason: str, tmp_path: Path
) -> None:
    path = tmp_path / "config.json"
    if content is not None:
        path.write_bytes(content.encode("latin-1"))
    with pytest.raises(click.ClickException) as caught:
        plugin.cb_config(click.Context(click.Command("x")), click.Option(["-x"]), (str(path),))
    assert caught.value.exit_code == 1
    assert str(path) in caught.value.message
    assert reason in caught.value.message


@pytest.mark.parametrize(
    ("plugin", "name", "text", "wanted"),
    [
        (TargetAdtraction, "dry_run", "ture", "true or false"),
        (TargetAdtraction, "dry_run", "", "true or false"),
        (TargetWarehouse, "add_record_metadata", "n", "true or false"),
        (TargetWarehouse, "batch_size_rows", "1e3", "an integer"),
        (TapEcdp, "website_ids", "1,x", "JSON"),
        (TapQuery, "streams", "{", "JSON"),
    ],
)
def test_an_environment_variable_of_another_type(
    plugin: Any, name: str, text: str, wanted: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    variable = f"{plugin.name.upper().replace('-', '_')}_{name.upper()}"
    monkeypatch.setenv(variable, text)
    with pytest.raises((InvalidSettingsError, ConfigValidationError)) as caught:
        plugin(parse_env_config=True)
    error: Any = caught.value
    lines = error.errors if isinstance(error, ConfigValidationError) else error.faults
    assert lines == [f"setting {name!r}: the environment variable {variable} is not {wanted}"]


@pytest.mark.parametrize("text", ["true", "ON", "0", "No"])
def test_booleans_of_the_environment(text: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TARGET_WAREHOUSE_DRY_RUN", text)
    assert TargetWarehouse(parse_env_config=True).config["dry_run"] is (text in ("true", "ON"))
