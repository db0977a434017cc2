from __future__ import annotations

import os
import shlex
import signal
import subprocess
import sys
from importlib.metadata import version
from pathlib import Path

import click
import pytest
import yaml
from click.testing import CliRunner

from attribution_elt.cli.files import replace
from attribution_elt.cli.main import cli
from attribution_elt.cli.report import report
from attribution_elt.core.errors import OpsError
from attribution_elt.meltano.project import WEBHOOK
from tests.pipeline.meltano import PROJECT, SCRIPTS

UTILITY = yaml.safe_load((PROJECT / "meltano.yml").read_text())["plugins"]["utilities"][0]


def test_commands_of_the_meltano_plugin_exist() -> None:
    for arguments in UTILITY["commands"].values():
        name, *given = shlex.split(arguments)
        command = cli.get_command(click.Context(cli), name)
        assert command is not None
        command.make_context(name, given)


def test_the_webhook_is_a_setting_of_meltanos_plugin() -> None:
    (setting,) = UTILITY["settings"]
    assert f"{UTILITY['name']}_{setting['name']}".upper().replace("-", "_") == WEBHOOK
    assert setting["sensitive"] is True


def test_the_version_option_prints_the_version() -> None:
    done = CliRunner().invoke(cli, ["--version"])
    assert done.output == f"attribution-elt v{version('attribution-elt')}\n"


def test_an_unknown_option_is_not_a_job() -> None:
    done = CliRunner().invoke(cli.commands["run"], ["--nosuch"], obj=None)
    assert done.exit_code == 2
    assert "Missing argument 'JOB...'" in done.output


def test_no_line_of_the_help_is_cut() -> None:
    done = CliRunner().invoke(cli, ["--help"], terminal_width=80)
    assert "..." not in done.output.partition("Commands:")[2]
    for name in cli.commands:
        shown = CliRunner().invoke(cli.commands[name], ["--help"], obj=None)
        assert "%Y" not in shown.output


def test_every_command_and_option_has_a_help_text() -> None:
    for command in cli.commands.values():
        assert command.help
        assert all(each.help for each in command.params if isinstance(each, click.Option))


def test_closed_streams_are_not_an_error() -> None:
    script = "import sys; sys.stdout = sys.stderr = None\n"
    script += "from attribution_elt.cli.main import cli\n"
    script += "sys.stdin = None; cli.commands['views'].callback = lambda: sys.stdout.isatty()\n"
    done = subprocess.run(
        [sys.executable, "-c", f"{script}cli(['views'])"], cwd=PROJECT, check=False
    )
    assert done.returncode == 0


def test_a_number_of_days_is_checked() -> None:
    with pytest.raises(click.BadParameter):
        report.make_context("report", ["--days", "0"])


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_a_signal_while_meltano_runs_leaves_no_process_and_no_file(
    tmp_path: Path, number: signal.Signals
) -> None:
    for folder in (tmp_path / "bin", tmp_path / "temporary"):
        folder.mkdir()
    (tmp_path / "meltano.yml").write_text("default_environment: dev\n")
    meltano = tmp_path / "bin/meltano"
    meltano.write_text(f"#!/bin/sh\nsleep 0.3\necho $$ >{tmp_path}/asked\nexec sleep 100\n")
    meltano.chmod(0o700)
    os.mkfifo(tmp_path / "asked")
    with subprocess.Popen(
        [str(SCRIPTS / "attribution-elt"), "freshness", "--max-age=1h"],
        cwd=tmp_path,
        env={
            **os.environ,
            "PATH": f"{tmp_path}/bin{os.pathsep}{os.environ['PATH']}",
            "TMPDIR": str(tmp_path / "temporary"),
        },
        stderr=subprocess.PIPE,
        text=True,
    ) as process:
        asked = int((tmp_path / "asked").read_text())
        process.send_signal(number)
        assert process.communicate()[1] == ""
    assert process.returncode == 128 + number
    assert not list((tmp_path / "temporary").iterdir())
    with pytest.raises(ProcessLookupError):
        os.kill(asked, 0)


def test_ctrl_c_has_the_exit_code_of_its_signal(monkeypatch: pytest.MonkeyPatch) -> None:
    def interrupt() -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr("attribution_elt.cli.main.enter_root", interrupt)
    assert CliRunner().invoke(cli, ["views"]).exit_code == 128 + signal.SIGINT


DURING_A_QUERY = """
import os, signal, threading, duckdb
from attribution_elt.cli import main
def query():
    threading.Timer(0.5, os.kill, (os.getpid(), signal.SIGTERM)).start()
    rows = "range(200000) AS a, range(20000) AS b WHERE hash(a.range, b.range) % 7 = 3"
    duckdb.sql(f"SELECT count(*) FROM {rows}").fetchall()
main.enter_root = query
main.cli(["views"])
"""


def test_a_signal_during_a_query_of_duckdb_is_not_a_warehouse_error() -> None:
    done = subprocess.run(
        [sys.executable, "-c", DURING_A_QUERY], capture_output=True, text=True, check=False
    )
    assert (done.returncode, done.stderr) == (-signal.SIGTERM, "")


def test_a_file_is_replaced_at_once_but_a_link_or_a_device_is_written_to(tmp_path: Path) -> None:
    page, link, full = tmp_path / "page", tmp_path / "link", tmp_path / "full"
    page.write_text("old")
    before = page.open()
    replace(page, "new")
    assert (page.read_text(), before.read()) == ("new", "old")
    link.symlink_to(page)
    replace(link, "newer")
    assert (page.read_text(), link.is_symlink()) == ("newer", True)
    full.symlink_to("/dev/full")
    for place in (full, Path("/dev/full")):
        with pytest.raises(OpsError, match="cannot be written: No space left on device"):
            replace(place, "text")
    assert sorted(each.name for each in tmp_path.iterdir()) == ["full", "link", "page"]
    before.close()
