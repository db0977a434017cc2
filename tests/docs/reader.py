"""Executes the blocks of a page in a copy of the project."""

from __future__ import annotations

import contextlib
import importlib.resources
import json
import os
import re
import shutil
import signal
import subprocess
import sys
import tomllib
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import duckdb
import psycopg
from jsonschema.validators import validator_for
from ruamel.yaml import YAML
from singer_sdk import Tap

from tests.docs import registry
from tests.docs.pages import PROJECT, Block

SCHEMA = json.loads(
    (importlib.resources.files("meltano.schemas") / "meltano.schema.json").read_text()
)
TIME_LIMIT = 600  # seconds for one block, because commands that start Meltano often take minutes

_EXIT_CODE = re.compile(r"# exit code (\d+)$", re.MULTILINE)


def copy_project(folder: Path) -> None:
    """Copy the files that git does not ignore."""
    command = ("git", "ls-files", "--cached", "--others", "--exclude-standard")
    listed = subprocess.run(command, cwd=PROJECT, capture_output=True, text=True, check=True).stdout
    for name in filter(lambda name: (PROJECT / name).is_file(), listed.splitlines()):
        copy = folder / name
        copy.parent.mkdir(parents=True, exist_ok=True)
        shutil.copy(PROJECT / name, copy)


class Reader:
    """Follows one page.

    Args:
        folder: of the reader's project, which is made here.
        made: a project whose environment and plugins are to be used, instead of making them.
        variables: of the environment.
        database: URL of the PostgreSQL that `variables` lead to.
    """

    def __init__(
        self, folder: Path, made: Path | None, variables: Mapping[str, str], database: str
    ) -> None:
        copy_project(folder)
        self._folder = folder
        self._database = database
        self._yaml = YAML()  # keeps the formatting of unchanged parts
        self._yaml.indent(mapping=2, sequence=4, offset=2)
        self._yaml.preserve_quotes = True
        self._yaml.width = 1000
        self._shell = folder.parent / "shell"  # variables that a terminal keeps between commands
        tools = folder.parent / "tools"
        registry.put_into(tools)
        if made is not None:
            (folder / ".venv").symlink_to(made / ".venv")
            shutil.copytree(made / ".meltano", folder / ".meltano", symlinks=True)
        programs = (tools, Path(sys.base_prefix) / "bin", os.defpath)
        self._variables = {**variables, "PATH": os.pathsep.join(map(str, programs))}

    def follow(self, block: Block) -> None:
        """Execute a block."""
        match block.language:
            case "sh":
                self._type(block)
            case "sql":
                self._ask(block)
            case "yaml":
                self._configure(block)
            case _ if block.file:
                self._write(block)

    # commands

    def _type(self, block: Block) -> None:
        expected = _EXIT_CODE.search(block.text)
        script = (
            f"test ! -e {self._shell} || source {self._shell}\n{block.text}"
            f'{{ export -p; echo "cd $PWD"; }} >{self._shell}\n'
        )
        code, output = self._run(script)
        assert code == int(expected[1] if expected else 0), f"{block}: exit {code}\n{output}"

    def _run(self, script: str) -> tuple[int, str]:
        log = self._folder.parent / "log"
        with log.open("w") as output:
            process = subprocess.Popen(
                ["bash", "-eu", "-o", "pipefail", "-c", script],
                cwd=self._folder,
                env=self._variables,
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=subprocess.STDOUT,
                start_new_session=True,
            )
            try:
                code = process.wait(TIME_LIMIT)
            finally:
                with contextlib.suppress(ProcessLookupError):  # every command has ended
                    os.killpg(process.pid, signal.SIGKILL)
        return code, log.read_text()[-5000:]

    # questions

    def _ask(self, block: Block) -> None:
        """Run a query in the page's warehouses; one of them must have a result."""
        warehouses: list[Path | str] = [*sorted(self._folder.glob("*.duckdb")), self._database]
        differences = []
        for warehouse in warehouses:
            try:
                if _rows(warehouse, block.text):
                    return
                differences.append("no rows")
            except (duckdb.Error, psycopg.Error) as error:
                differences.append(str(error))
        raise AssertionError(f"{block}: {' | '.join(differences)}")

    # files

    def _configure(self, block: Block) -> None:
        assert block.file in {None, "meltano.yml"}, f"{block}: not of meltano.yml"
        path = self._folder / "meltano.yml"
        document = self._yaml.load(path)
        before = set(self._faults(document))
        _merge(document, self._yaml.load(block.text))
        new = set(self._faults(document)) - before
        assert not new, f"{block}: {new}"
        self._yaml.dump(document, path)

    def _faults(self, document: dict[str, Any]) -> Iterator[str]:
        """Yield keys that Meltano's schema or a plugin's definition does not have."""
        for error in validator_for(SCHEMA)(SCHEMA).iter_errors(document):
            yield f"{error.json_path}: {error.message}"
        plugins = {each["name"]: each for each in _plugins(document)}
        for environment in (document, *(each["config"] for each in document["environments"])):
            for plugin in _plugins(environment):
                if plugin["name"] not in plugins:
                    yield f"there is no plugin {plugin['name']}"
                    continue
                root = plugins[plugin["name"]]
                known = self._settings(plugins.get(root.get("inherit_from"), root))
                for name in plugin.get("config", {}).keys() - known:
                    yield f"{plugin['name']} has no setting {name}"

    def _settings(self, plugin: Mapping[str, Any]) -> set[str]:
        """Return the names of a plugin's settings, by its lock file or by meltano.yml."""
        name = f"{plugin['name']}--{plugin.get('variant')}.lock"
        for path in self._folder.glob(f"plugins/*/{name}"):
            plugin = json.loads(path.read_text())
        builtin: dict[str, Any] = {"properties": {}}
        Tap.append_builtin_config(builtin)
        return {each["name"] for each in plugin.get("settings", ())} | {*builtin["properties"]}

    def _write(self, block: Block) -> None:
        path = self._folder / str(block.file)
        if path.name == "pyproject.toml":
            _insert(path, block.text)
            return
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(block.text)


def _rows(warehouse: Path | str, sql: str) -> list[Any]:
    if isinstance(warehouse, Path):
        with duckdb.connect(str(warehouse)) as connection:
            return connection.execute(sql).fetchall()
    with psycopg.connect(warehouse) as session:
        return session.execute(sql.encode()).fetchall()


def _insert(path: Path, text: str) -> None:
    """Insert the lines of a TOML table after its heading."""
    heading, _, lines = text.partition("\n")
    whole = path.read_text()
    assert f"{heading}\n" in whole, f"{path.name} has no {heading}"
    path.write_text(whole.replace(f"{heading}\n", f"{heading}\n{lines}", 1))
    tomllib.loads(path.read_text())


def _merge(held: dict[str, Any], given: Mapping[str, Any]) -> None:
    """Merge a part of meltano.yml: entries with a name and tasks are added to the others."""
    for name, value in given.items():
        if isinstance(value, dict):
            _merge(held.setdefault(name, {}), value)
        elif name == "tasks":
            held[name] = [*held.get(name, ()), *value]
        elif isinstance(value, list) and value and isinstance(value[0], dict):
            entries = {entry["name"]: entry for entry in held.setdefault(name, [])}
            for entry in value:
                if entry["name"] not in entries:
                    held[name].append({})
                _merge(entries.get(entry["name"], held[name][-1]), entry)
        else:
            held[name] = value


def _plugins(document: Mapping[str, Any]) -> Iterator[dict[str, Any]]:
    for entries in document.get("plugins", {}).values():
        yield from entries
