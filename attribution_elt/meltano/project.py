"""What `meltano.yml` and the environment say of accounts and warehouses."""

from __future__ import annotations

import importlib
import json
import os
import tempfile
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from importlib.metadata import entry_points
from pathlib import Path
from typing import Any

from attribution_elt.core.errors import OpsError
from attribution_elt.kit.settings import DISTRIBUTION
from attribution_elt.kit.tap import VendorTap
from attribution_elt.meltano.process import Meltano
from attribution_elt.meltano.schedules import Job, Schedule

TARGET = "target-warehouse"
WEBHOOK = "ATTRIBUTION_ELT_WEBHOOK_URL"
SCHEMA = "MELTANO_EXTRACT__LOAD_SCHEMA"
"""The variable that tells a loader's settings which extractor it loads for."""


@dataclass(frozen=True)
class Extractor:
    """An extractor of the project that runs one of our taps, with its settings."""

    name: str
    tap: type[VendorTap]
    load_schema: str
    settings: Mapping[str, Any] = field(repr=False)

    @property
    def configured(self) -> bool:
        """Whether any setting is set that opens an account."""
        return any(self.settings.get(name) for name in self.tap.credentials)


@dataclass(frozen=True)
class Loader:
    """A loader of the project that runs `target-warehouse`, with its settings."""

    name: str
    url: str = field(repr=False)
    schema: str | None
    """Of the tables; what stands for the extractor's in it is `SCHEMA`."""

    def schema_of(self, extractor: Extractor) -> str | None:
        """Return the schema that an extractor's tables are in; None: the database's own."""
        return self.schema and self.schema.replace(SCHEMA, extractor.load_schema)


class Project:
    """A Meltano project, as Meltano itself understands it.

    Args:
        environment: one of the project's; None: its default.

    Attributes:
        asked_for: Meltano in that environment, without a look into the project.
    """

    def __init__(self, environment: str | None) -> None:
        self.asked_for = Meltano(environment)

    @cached_property
    def _manifest(self) -> dict[str, Any]:
        """The project with everything resolved: files, inheritance, environment, `.env`.

        Of Meltano's commands only this one tells of all plugins at once; it is in beta.
        """
        with tempfile.TemporaryDirectory() as folder:  # which nobody else may look into
            self.asked_for.ask(
                "compile",
                "--unsafe",
                f"--directory={folder}",
                # its own name stands for whatever schema an extractor is going to be loaded into
                variables={SCHEMA: SCHEMA},
            )
            manifests = {path.name: path.read_text() for path in Path(folder).iterdir()}
        environment = self.asked_for.environment
        if not environment:
            whole = json.loads(manifests["meltano-manifest.json"])
            environment = whole["env"].get("MELTANO_DEFAULT_ENVIRONMENT")
        chosen = manifests.get(f"meltano-manifest.{environment}.json")
        if chosen is None:
            raise OpsError("which environment? meltano.yml has no default: give --environment")
        root = json.dumps(str(Path.cwd()))[1:-1]
        manifest = json.loads(chosen.replace("${MELTANO_PROJECT_ROOT}", root))
        return {**manifest, "environment": environment}

    @property
    def environment(self) -> str:
        """The name of the Meltano environment."""
        return str(self._manifest["environment"])

    @cached_property
    def meltano(self) -> Meltano:
        """Meltano in this environment."""
        return Meltano(self.environment)

    def _plugins(self, kind: str) -> dict[str, tuple[dict[str, str], str]]:
        """Return the variables of each plugin of a kind, by name, and the executable it runs."""
        plugins = {each["name"]: each for each in self._manifest["plugins"].get(kind, ())}

        def executable(plugin: dict[str, Any]) -> str:
            parent = plugins.get(plugin.get("inherit_from", ""))
            own = plugin.get("executable")
            return own or (executable(parent) if parent else plugin["name"])

        return {name: (each["env"], executable(each)) for name, each in plugins.items()}

    @cached_property
    def extractors(self) -> dict[str, Extractor]:
        """The extractors that run our taps, by name."""
        return {
            name: Extractor(name, tap, variables[SCHEMA], _settings(tap, variables))
            for name, (variables, executable) in self._plugins("extractors").items()
            if (tap := _tap_type(executable)) is not None
        }

    def extractor(self, name: str) -> Extractor:
        """Return an extractor of ours.

        Raises:
            OpsError: there is none of that name.
        """
        if name not in self.extractors:
            known = ", ".join(self.extractors)
            raise OpsError(f"{name!r} is none of this project's extractors: there are {known}")
        return self.extractors[name]

    @property
    def accounts(self) -> Sequence[Extractor]:
        """The extractors with credentials."""
        return [each for each in self.extractors.values() if each.configured]

    @cached_property
    def loaders(self) -> dict[str, Loader]:
        """The loaders that run `target-warehouse`, by name.

        Raises:
            OpsError: there is none.
        """
        found = {}
        for name, (variables, executable) in self._plugins("loaders").items():
            if executable == TARGET:
                url = variables.get("MELTANO_LOAD_URL") or "duckdb:///warehouse.duckdb"
                schema = variables.get("MELTANO_LOAD_DEFAULT_TARGET_SCHEMA") or None
                found[name] = Loader(name, url, schema)
        if not found:
            raise OpsError(f"meltano.yml has no loader that runs {TARGET}")
        return found

    @property
    def loader(self) -> Loader:
        """The loader to be used where none is named: the first."""
        return next(iter(self.loaders.values()))

    @property
    def jobs(self) -> list[Job]:
        """The jobs of `meltano.yml`."""
        extractors = self._plugins("extractors")
        return [Job.of(each, extractors) for each in self._manifest.get("jobs", ())]

    @property
    def schedules(self) -> list[Schedule]:
        """The schedules of `meltano.yml`.

        Raises:
            OpsError: one names no job.
        """
        return [Schedule.of(each) for each in self._manifest.get("schedules", ())]

    @property
    def webhook(self) -> str | None:
        """The URL that alerts go to, if one is set."""
        if set_here := os.environ.get(WEBHOOK):
            return set_here
        for variables, executable in self._plugins("utilities").values():
            if executable == DISTRIBUTION and (url := variables.get("MELTANO_UTILIZE_WEBHOOK_URL")):
                return url
        return None

    def state_id(self, extractor: str, loader: str, suffix: str = "") -> str:
        """Return what Meltano calls the state of a tap into a loader."""
        return ":".join(filter(None, (self.environment, f"{extractor}-to-{loader}", suffix)))

    def state(self, state_id: str) -> dict[str, Any]:
        """Return the Singer state that Meltano keeps; empty if there is none."""
        kept = self.meltano.ask_json("state", "get", state_id)
        state: dict[str, Any] = kept.get("singer_state", {})
        return state

    def keep_state(self, state_id: str, state: Mapping[str, Any]) -> None:
        """Have Meltano keep a state."""
        document = json.dumps({"singer_state": state})
        self.meltano.ask("state", "set", "--force", state_id, document)

    def runs(self) -> list[dict[str, Any]]:
        """Return the runs that Meltano remembers, the latest first: a thousand at most."""
        listed = self.meltano.ask("logs", "list", "--limit=1000", "--format=json")
        runs: list[dict[str, Any]] = json.loads(listed)["runs"] if listed.startswith("{") else []
        return runs

    def catalog(self, extractor: str) -> dict[str, Any]:
        """Return the catalogue that an extractor is run with."""
        catalog: dict[str, Any] = self.meltano.ask_json("invoke", "--dump=catalog", extractor)
        return catalog


def enter_root() -> None:
    """Make the project's folder the working folder, as it is for every plugin.

    Raises:
        OpsError: this is no project.
    """
    here = Path(os.environ.get("MELTANO_PROJECT_ROOT") or Path.cwd())
    for folder in (here, *here.parents):
        if (folder / "meltano.yml").is_file():
            os.chdir(folder)
            return
    raise OpsError(f"{here} is no Meltano project: there is no meltano.yml")


def _tap_type(executable: str) -> type[VendorTap] | None:
    """Return the tap class of a console script that this distribution installs."""
    for script in entry_points(group="console_scripts", name=executable):
        module, _, attribute = script.value.partition(":")
        if script.dist is not None and script.dist.name == DISTRIBUTION:
            found = getattr(importlib.import_module(module), attribute.partition(".")[0])
            if isinstance(found, type) and issubclass(found, VendorTap):
                return found
    return None


def _settings(tap: type[VendorTap], variables: Mapping[str, str]) -> dict[str, Any]:
    """Return the settings of a tap that are set, as the tap's own schema has them."""
    found = {}
    for name, schema in tap.config_jsonschema["properties"].items():
        value = variables.get(f"MELTANO_EXTRACT_{name.upper()}")
        if value:
            found[name] = value if "string" in schema.get("type", ()) else _decoded(value)
    return found


def _decoded(value: str) -> Any:
    try:
        return json.loads(value)
    except ValueError:
        return value  # for the tap to say what is wrong with it
