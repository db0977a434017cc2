"""The accounts, warehouses, jobs and schedules of a Meltano project."""

from __future__ import annotations

import json
import os
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import Any

import yaml
from dotenv import dotenv_values
from target_warehouse.warehouses.registry import normalized

from attribution_elt.core.errors import OpsError, in_a_line
from attribution_elt.core.redaction import secrets_of
from attribution_elt.core.settings import reading
from attribution_elt.core.spelling import variable_of
from attribution_elt.kit.settings import DISTRIBUTION
from attribution_elt.kit.tap import VendorTap
from attribution_elt.kit.writing.target import WritingTarget
from attribution_elt.meltano.plugin_types import misread, plugin_type
from attribution_elt.meltano.process import Meltano, secret_folder
from attribution_elt.meltano.schedules import Job, Schedule
from attribution_elt.meltano.warehouse import keep_secret

TARGET = "target-warehouse"
WEBHOOK = "ATTRIBUTION_ELT_WEBHOOK_URL"
SCHEMA = "MELTANO_EXTRACT__LOAD_SCHEMA"
"""The variable for an extractor's schema in a loader's settings."""
MODELS = "attribution"
"""The schema of the models of `transform/`, unless it is built with another name."""
BACKFILL = "backfill-"
"""Prefix of the suffix of a backfill's state id."""
VERIFY = "verify"
"""Suffix of the id of a verification's state; no other run reads this state."""

NO_ACCOUNT = "no account has credentials: set them in .env or in the environment"


@dataclass(frozen=True)
class Extractor:
    """An extractor of the project that runs one of our taps, with its settings."""

    name: str
    tap: type[VendorTap]
    load_schema: str
    settings: Mapping[str, Any] = field(repr=False)

    @property
    def configured(self) -> bool:
        """Whether a setting with credentials is set; one with empty secrets is not."""
        return _are_set(self.tap, self.tap.credentials, self.settings)

    @property
    def credentials(self) -> str:
        """The environment variables of the credentials, joined by "or" and commas."""
        return " or ".join(variable_of(self.name, name) for name in self.tap.credentials)


@dataclass(frozen=True)
class Writer:
    """A loader of the project that runs one of our targets that write to a vendor."""

    name: str
    target: type[WritingTarget]
    settings: Mapping[str, Any] = field(repr=False)

    @property
    def configured(self) -> bool:
        """Whether a setting with credentials is set."""
        return _are_set(self.target, self.target.credentials, self.settings)


@dataclass(frozen=True)
class Loader:
    """A loader of the project that runs `target-warehouse`, with its settings.

    Attributes:
        schema: schema of the tables; `SCHEMA` in it is replaced by the extractor's schema.
        pii_key: key of the hashes of people who are left out.
    """

    name: str
    url: str = field(repr=False)
    schema: str | None
    pii_key: str | None = field(default=None, repr=False)

    def __post_init__(self) -> None:
        keep_secret(self.url)

    def schema_of(self, load_schema: str) -> str | None:
        """Return the schema of an extractor's tables; None for the database's default."""
        return self.schema and self.schema.replace(SCHEMA, load_schema)

    def schema_named(self, name: str) -> str:
        """Return a schema's name with the prefix that the loader gives to schemas of taps."""
        template = self.schema or ""
        return template.replace(SCHEMA, name) if SCHEMA in template else name


class Project:
    """A Meltano project, with its settings resolved by Meltano.

    Args:
        environment: name of an environment; None: the project's default.
        env_file: the file of variables that Meltano reads instead of `.env`.
    """

    def __init__(self, environment: str | None, env_file: Path | None = None) -> None:
        self._chosen = environment
        self.env_file = env_file

    @cached_property
    def environment(self) -> str:
        """The name of the Meltano environment.

        Raises:
            OpsError: none was chosen, and the project has no default.
        """
        name = self._chosen or os.environ.get("MELTANO_DEFAULT_ENVIRONMENT") or _default()
        if not name:
            raise OpsError("meltano.yml has no default environment: choose one by --environment")
        return os.path.expandvars(name)

    @cached_property
    def _manifest(self) -> dict[str, Any]:
        """The project with files, inheritance, environment and `.env` resolved.

        `meltano compile`, in beta, is the only command that returns all plugins at once. It takes
        four seconds for each environment, so it is given one.
        """
        with secret_folder() as folder:
            # the variable's own name is the placeholder for an extractor's schema
            variables = {SCHEMA: SCHEMA}
            try:
                self.meltano.ask(
                    "compile", "--unsafe", f"--directory={folder}", variables=variables
                )
            except OpsError as error:  # Meltano does not name a variable that it cannot read
                raise OpsError("; ".join(misread()) or str(error)) from None
            (path,) = folder.iterdir()
            text = path.read_text(encoding="utf-8")
        root = json.dumps(str(Path.cwd()))[1:-1]
        manifest: dict[str, Any] = json.loads(text.replace("${MELTANO_PROJECT_ROOT}", root))
        return manifest

    @cached_property
    def meltano(self) -> Meltano:
        """Meltano in this environment."""
        return Meltano(self.environment, self.env_file)

    def _plugins(self, kind: str) -> dict[str, tuple[dict[str, str], str]]:
        """Return, by name, the variables and the executable of each plugin of a kind."""
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
            name: Extractor(name, tap, variables[SCHEMA], _settings(tap, variables, "EXTRACT"))
            for name, (variables, executable) in self._plugins("extractors").items()
            if (tap := plugin_type(executable, VendorTap)) is not None
        }

    @property
    def load_schemas(self) -> dict[str, str]:
        """The `load_schema` of every extractor, of other vendors' taps too, by name."""
        plugins = self._plugins("extractors")
        return {name: variables[SCHEMA] for name, (variables, _) in plugins.items()}

    def extractor(self, name: str) -> Extractor:
        """Return one of our extractors.

        Raises:
            OpsError: the project has no such extractor.
        """
        if name not in self.extractors:
            known = ", ".join(self.extractors)
            raise OpsError(f"unknown extractor {name!r}; choose from {known}")
        return self.extractors[name]

    def extractors_of(self, names: Iterable[str]) -> list[str]:
        """Return the names of extractors; a job's name means all of its extractors.

        Raises:
            OpsError: a name is neither an extractor nor a job of the project.
        """
        known = self._plugins("extractors")
        jobs = {job.name: job for job in self.jobs}
        found: dict[str, None] = {}
        for name in names:
            blocks = [block for run in jobs[name].runs for block in run] if name in jobs else [name]
            own = [block for block in blocks if block in known]
            if not own:
                raise OpsError(f"unknown extractor {name!r}; choose from {', '.join(known)}")
            found |= dict.fromkeys(own)
        return list(found)

    @property
    def accounts(self) -> Sequence[Extractor]:
        """The extractors with credentials."""
        return [each for each in self.extractors.values() if each.configured]

    @cached_property
    def loaders(self) -> dict[str, Loader]:
        """The loaders that run `target-warehouse`, by name.

        Raises:
            OpsError: the project has no such loader.
        """
        found = {}
        for name, (variables, executable) in self._plugins("loaders").items():
            if executable == TARGET:
                url = normalized(variables.get("MELTANO_LOAD_URL") or "duckdb:///warehouse.duckdb")
                schema = variables.get("MELTANO_LOAD_DEFAULT_TARGET_SCHEMA") or None
                found[name] = Loader(name, url, schema, variables.get("MELTANO_LOAD_PII_KEY"))
        if not found:
            raise OpsError(f"meltano.yml has no loader that runs {TARGET}")
        return found

    @property
    def writers(self) -> list[Writer]:
        """The loaders that write to a vendor."""
        return [
            Writer(name, target, _settings(target, variables, "LOAD"))
            for name, (variables, executable) in self._plugins("loaders").items()
            if (target := plugin_type(executable, WritingTarget)) is not None
        ]

    @property
    def loader(self) -> Loader:
        """The default loader, which is the first."""
        return next(iter(self.loaders.values()))

    def loader_of(self, extractor: str) -> str:
        """Return the name of an extractor's loader in the first job that has one."""
        runs = [run for job in self.jobs for run in job.runs if extractor in run]
        loaders = self._plugins("loaders")
        return next((each for run in runs for each in run if each in loaders), self.loader.name)

    @property
    def jobs(self) -> list[Job]:
        """The jobs of `meltano.yml`."""
        extractors = self._plugins("extractors")
        return [Job.of(each, extractors) for each in self._manifest.get("jobs", ())]

    @property
    def schedules(self) -> list[Schedule]:
        """The schedules of `meltano.yml`.

        Raises:
            OpsError: a schedule does not name a job.
        """
        return [Schedule.of(each) for each in self._manifest.get("schedules", ())]

    @property
    def webhook(self) -> str | None:
        """The URL for alerts; None if it is not set."""
        if set_here := os.environ.get(WEBHOOK):
            return set_here
        for variables, executable in self._plugins("utilities").values():
            if executable == DISTRIBUTION and (url := variables.get("MELTANO_UTILIZE_WEBHOOK_URL")):
                return url
        return None

    def state_id(self, extractor: str, loader: str, suffix: str = "") -> str:
        """Return the id of Meltano's state for a tap and a loader."""
        return ":".join(filter(None, (self.environment, f"{extractor}-to-{loader}", suffix)))

    def state(self, state_id: str) -> dict[str, Any]:
        """Return the Singer state that Meltano stores; empty if it stores no state of this id."""
        return dict(self.meltano.ask_json("state", "get", state_id).get("singer_state", {}))

    def keep_state(self, state_id: str, state: Mapping[str, Any]) -> None:
        """Write a state to Meltano's store."""
        with secret_folder() as folder:
            file = folder / "state.json"  # the size of an argument is limited
            file.write_text(json.dumps({"singer_state": state}), encoding="utf-8")
            self.meltano.ask("state", "set", "--force", f"--input-file={file}", state_id)

    def state_ids(self) -> list[str]:
        """Return the ids of all states that Meltano keeps, of every environment."""
        return [line.split()[-1] for line in self.meltano.ask("state", "list").splitlines() if line]

    def private_files(self) -> list[Path]:
        """Return the files with secrets and people: variables, lists of customers, states."""
        given = [
            Path(str(value))
            for each in self.extractors.values()
            for name, value in each.settings.items()
            if name.endswith("_file")
        ]
        files = [self.env_file or Path(".env"), *given, Path(".meltano", "meltano.db")]
        return list(dict.fromkeys(files))

    def runs(self) -> list[dict[str, Any]]:
        """Return the runs in Meltano's history, latest first: a year of runs every five minutes."""
        listed = self.meltano.ask("logs", "list", "--limit=100000", "--format=json")
        runs: list[dict[str, Any]] = json.loads(listed)["runs"] if listed.startswith("{") else []
        return runs

    def catalog(self, extractor: str) -> dict[str, Any]:
        """Return the catalog that Meltano uses for an extractor's runs."""
        catalog: dict[str, Any] = self.meltano.ask_json("invoke", "--dump=catalog", extractor)
        return catalog


def _default() -> str | None:
    """Return the default environment of `meltano.yml`."""
    try:
        with Path("meltano.yml").open(encoding="utf-8") as file:
            found: str | None = (yaml.safe_load(file) or {}).get("default_environment")
    except (AttributeError, UnicodeError, yaml.YAMLError) as error:
        raise OpsError(f"meltano.yml is not valid: {in_a_line(error)}") from None
    return found


def enter_root() -> None:
    """Make the project's folder the working folder, as Meltano does for every plugin.

    Raises:
        OpsError: neither the working folder nor a folder above it is a project.
    """
    here = Path(os.environ.get("MELTANO_PROJECT_ROOT") or Path.cwd())
    for folder in (here, *here.parents):
        if (folder / "meltano.yml").is_file():
            os.chdir(folder)
            return
    raise OpsError(f"{here} is not a Meltano project: meltano.yml does not exist")


def load_variables(env_file: Path | None = None) -> None:
    """Set the environment variables of the project's `.env`, or of another file, as Meltano does.

    Variables that are set already keep their values. The file cannot choose the environment,
    because Meltano does not read that choice there either.
    """
    path = env_file or Path(".env")
    with reading(str(path)):
        given = dotenv_values(path)
    for name, value in given.items():
        if value is not None and name != "MELTANO_ENVIRONMENT":
            os.environ.setdefault(name, value)


def _settings(
    plugin: type[VendorTap | WritingTarget], variables: Mapping[str, str], verb: str
) -> dict[str, Any]:
    """Return the settings of a plugin that are set, decoded by the plugin's own schema."""
    found = {}
    for name, schema in plugin.config_jsonschema["properties"].items():
        value = variables.get(f"MELTANO_{verb}_{name.upper()}")
        if value:
            found[name] = value if "string" in schema.get("type", ()) else _decoded(value)
    return found


def _are_set(
    plugin: type[VendorTap | WritingTarget], names: Iterable[str], settings: Mapping[str, Any]
) -> bool:
    """Return whether any of these settings is set; one with empty secrets is not."""
    schemas = plugin.config_jsonschema["properties"]
    for name in names:
        value = settings.get(name)
        if '"secret"' not in json.dumps(schemas[name]):
            if value:
                return True
        elif any(secrets_of({"properties": {name: schemas[name]}}, {name: value})):
            return True
    return False


def _decoded(value: str) -> Any:
    try:
        return json.loads(value)
    except ValueError:
        return value  # the tap reports invalid settings itself
