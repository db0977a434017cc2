"""The files of `transform/` in dbt's layout: models, seeds, macros, tests, descriptions."""

from __future__ import annotations

import csv
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import Any

import yaml

from attribution_elt.core.errors import OpsError

PROJECT_FILE = "dbt_project.yml"
_Loader = getattr(yaml, "CSafeLoader", yaml.SafeLoader)
"""The faster loader, if PyYAML was built with it."""


@dataclass(frozen=True)
class Model:
    """A SELECT of the folder."""

    name: str
    folders: Sequence[str]
    """The folders under `models/` that contain it, such as staging and ecdp."""
    text: str = field(repr=False)


@dataclass(frozen=True)
class Description:
    """The description of a model in a YAML file of the folder."""

    columns: Mapping[str, str]
    """Type of each column."""
    tests: Sequence[tuple[str, Mapping[str, Any]]]
    """Names of generic tests with their arguments."""


@dataclass(frozen=True)
class Seed:
    """A CSV file of the folder; None replaces empty values."""

    name: str
    columns: Mapping[str, str]
    """Type of each column."""
    rows: Sequence[tuple[str | None, ...]]


class Folder:
    """The part of a dbt project that `attribution-elt models` reads.

    Raises:
        OpsError: the file does not exist or cannot be read.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        file = path / PROJECT_FILE
        if not file.is_file():
            raise OpsError(
                f"{path} has no dbt_project.yml: the models are in the folder transform/"
            )
        self._project: dict[str, Any] = _read_yaml(file)

    @property
    def variables(self) -> Mapping[str, Any]:
        """The variables with their defaults."""
        found: Mapping[str, Any] = self._project.get("vars") or {}
        return found

    @cached_property
    def models(self) -> dict[str, Model]:
        """The models by name."""
        root = self.path / "models"
        return {
            path.stem: Model(path.stem, path.relative_to(root).parts[:-1], path.read_text("utf-8"))
            for path in sorted(root.rglob("*.sql"))
        }

    @cached_property
    def tests(self) -> dict[str, str]:
        """The SQL of singular tests, by name."""
        files = sorted((self.path / "tests").glob("*.sql"))
        return {path.stem: path.read_text(encoding="utf-8") for path in files}

    @cached_property
    def macros(self) -> str:
        """The texts of all macros."""
        files = sorted((self.path / "macros").glob("*.sql"))
        return "\n".join(path.read_text(encoding="utf-8") for path in files)

    @cached_property
    def descriptions(self) -> dict[str, Description]:
        """Descriptions of the models in YAML files, by name."""
        found = {}
        for path in sorted((self.path / "models").rglob("*.yml")):
            for each in _read_yaml(path).get("models") or ():
                columns = {
                    column["name"]: column["data_type"] for column in each.get("columns") or ()
                }
                tests = [
                    (macro, test.get("arguments") or {})
                    for named in each.get("data_tests") or ()
                    for macro, test in named.items()
                ]
                found[each["name"]] = Description(columns, tests)
        return found

    @cached_property
    def seeds(self) -> dict[str, Seed]:
        """The seeds by name."""
        types = self._project["seeds"][self._project["name"]]
        return {
            path.stem: _seed(path, types[path.stem]["+column_types"])
            for path in sorted((self.path / "seeds").glob("*.csv"))
        }


def _read_yaml(path: Path) -> dict[str, Any]:
    try:
        found: dict[str, Any] = yaml.load(path.read_text("utf-8"), _Loader) or {}  # noqa: S506 - both are safe
    except yaml.YAMLError as error:
        raise OpsError(f"{path} is not YAML: {' '.join(str(error).split())}") from None
    return found


def _seed(path: Path, types: Mapping[str, str]) -> Seed:
    with path.open(newline="", encoding="utf-8-sig") as file:
        reader = csv.reader(file)
        header = next(reader, [])
        if sorted(header) != sorted(types):
            raise OpsError(f"{path}: the columns must be {', '.join(types)}")
        rows = []
        for row in reader:
            if len(row) != len(header):
                raise OpsError(f"{path}, line {reader.line_num}: {len(header)} values are required")
            rows.append(tuple(value or None for value in row))
    return Seed(path.stem, {name: types[name] for name in header}, rows)
