"""Renders models as SQL, with dbt's `ref`, `source`, `var` and `config`, and `loaded`."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from functools import cache
from math import inf
from types import CodeType, SimpleNamespace
from typing import Any
from zoneinfo import available_timezones

from jinja2 import Environment, StrictUndefined, Template, TemplateError
from target_warehouse.columns import ColumnType

from attribution_elt.core.errors import OpsError
from attribution_elt.models.folder import Folder
from attribution_elt.models.tables import Tables, no_rows

DIALECTS = {"postgresql": "postgres"}
"""dbt's names of databases that differ from the scheme of the URL."""


def _environment() -> Environment:
    return Environment(  # noqa: S701 - it makes SQL, not HTML
        extensions=["jinja2.ext.do"],
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )


@cache
def _compiled(text: str) -> CodeType:
    """Return the code of a template; each is rendered for the plan and for the build."""
    return _environment().compile(text)


def _check(name: str, value: Any, default: Any) -> None:
    """Check that a variable has the type of its default, before anything is built."""
    if isinstance(default, int | float):
        is_number = isinstance(value, int | float) and not isinstance(value, bool)
        if not is_number or not 0 <= value < inf:
            raise OpsError(f"the variable {name} must be a number of at least 0, not {value!r}")
    elif isinstance(default, list | dict):
        if not isinstance(value, type(default)):
            raise OpsError(f"the variable {name} must be a {type(default).__name__}, not {value!r}")
    elif not isinstance(value, str) or "'" in value:
        raise OpsError(f"the variable {name} must be a text without quotes, not {value!r}")
    zones = available_timezones() if name == "reporting_timezone" and value != "UTC" else ()
    if zones and value.lower() not in map(str.lower, zones):
        raise OpsError(
            f"the variable {name} must be a time zone such as Europe/Berlin, not {value!r}"
        )


@dataclass
class Rendered:
    """The SQL of a model or test, and the references found while rendering it."""

    sql: str = field(repr=False)
    refs: list[str] = field(default_factory=list)
    sources: list[tuple[str, str]] = field(default_factory=list)
    config: dict[str, Any] = field(default_factory=dict)

    @property
    def requires(self) -> list[str]:
        """The models that must exist for this one to be built."""
        return list(self.config.get("meta", {}).get("requires", ()))


class Renderer:
    """Renders the templates of a folder for one warehouse.

    Args:
        folder: the dbt project.
        dialect: dbt's name of the database: duckdb, postgres, snowflake or sqlite.
        types: the warehouse's type of each kind of column.
        tables: the tables that taps have loaded.
        variables: values that replace the folder's defaults.

    Raises:
        OpsError: a variable is unknown or has a wrong value, or a macro is not valid.
    """

    def __init__(
        self,
        folder: Folder,
        dialect: str,
        types: Mapping[ColumnType, str],
        tables: Tables,
        variables: Mapping[str, Any],
    ) -> None:
        unknown = variables.keys() - folder.variables.keys()
        if unknown:
            known = ", ".join(folder.variables)
            names = ", ".join(sorted(unknown))
            raise OpsError(f"unknown variable {names}; choose from {known}")
        self._folder = folder
        self._types = types
        self._tables = tables
        self._variables = {**folder.variables, **variables}
        for name, value in self._variables.items():
            _check(name, value, folder.variables[name])
        self._environment = _environment()
        self._environment.globals["target"] = SimpleNamespace(type=dialect)
        self._environment.globals["var"] = self._variable
        module = self._template("the macros", folder.macros).module
        self._macros = {
            name: macro for name, macro in vars(module).items() if not name.startswith("_")
        }

    def render(self, name: str, text: str, ref: Callable[[str], str]) -> Rendered:
        """Return the SQL of a template.

        Args:
            name: name of the model or test, for errors.
            text: the template.
            ref: returns SQL for a FROM clause, given the name of a model or seed.

        Raises:
            OpsError: the template is not valid.
        """
        rendered = Rendered("")

        def ref_(model: str) -> str:
            if model not in rendered.refs:
                rendered.refs.append(model)
            return ref(model)

        def loaded(source: str, table: str) -> str:
            if (source, table) not in rendered.sources:
                rendered.sources.append((source, table))
            return self._tables.select(source, table, self._types)

        def config(**given: Any) -> str:
            rendered.config.update(given)
            return ""

        names = {**self._macros, "ref": ref_, "loaded": loaded, "config": config}
        try:
            rendered.sql = self._template(name, text).render(names).strip()
        except TemplateError as error:
            raise OpsError(f"{name} cannot be rendered: {error}") from None
        return rendered

    def macro(self, name: str) -> Callable[..., str]:
        """Return a macro of the folder.

        Raises:
            OpsError: the macro does not exist.
        """
        if name not in self._macros:
            raise OpsError(f"the macro {name} does not exist")
        found: Callable[..., str] = self._macros[name]
        return found

    def empty(self, model: str) -> str:
        """Return SQL for a FROM clause: the columns of a model that was left out, without rows.

        Raises:
            OpsError: no YAML file describes the model.
        """
        described = self._folder.descriptions.get(model)
        if described is None:
            raise OpsError(f"no YAML file describes the columns of {model}")
        own = {"timestamp": self._types[ColumnType.TIMESTAMP]}
        types = {name: own.get(type_, type_) for name, type_ in described.columns.items()}
        return f"({no_rows(types)})"

    def _template(self, name: str, text: str) -> Template:
        environment = self._environment
        try:
            return Template.from_code(environment, _compiled(text), environment.make_globals(None))
        except TemplateError as error:
            raise OpsError(f"{name} cannot be read as a template: {error}") from None

    def _variable(self, name: str, default: Any = None) -> Any:
        if name not in self._variables and default is None:
            raise OpsError(f"the variable {name} does not exist")
        return self._variables.get(name, default)
