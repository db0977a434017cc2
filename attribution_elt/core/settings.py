"""Error messages for invalid settings."""

from __future__ import annotations

import contextlib
import copy
import json
import os
from collections.abc import Iterator, Mapping
from decimal import Decimal
from functools import cache
from typing import Any, ClassVar

import click
from jsonschema import Draft202012Validator, FormatChecker
from jsonschema.exceptions import ValidationError
from singer_sdk.plugin_base import PluginBase
from typing_extensions import override

from attribution_elt.core import redaction
from attribution_elt.core.dates import day_of
from attribution_elt.core.events import event
from attribution_elt.core.spelling import unknown_settings, variable_of

_formats = FormatChecker(())
_BOOLEANS = {"true", "1", "yes", "on", "false", "0", "no", "off"}


@contextlib.contextmanager
def reading(option: str) -> Iterator[None]:
    """End the command with one line if the file of an option cannot be read."""
    try:
        yield
    except (OSError, TypeError, ValueError) as error:
        reason = "it is not a JSON object" if isinstance(error, TypeError) else error
        raise click.ClickException(f"{option}: {reason}") from error


def misread_variables(plugin: str, schema: Mapping[str, Any]) -> Iterator[str]:
    """Yield a line for each environment variable whose text is not of its setting's type.

    The SDK would read such a text as false, or fail without the name of the setting.
    """
    for name, property_ in schema["properties"].items():
        variable = variable_of(plugin, name)
        kinds, text = _listed(property_.get("type")), os.environ.get(variable)
        if text is None:
            continue
        if "integer" in kinds:
            is_valid, wanted = text.strip().removeprefix("-").isdecimal(), "an integer"
        elif "boolean" in kinds:
            is_valid, wanted = text.lower() in _BOOLEANS, "true or false"
        elif "object" in kinds or ("array" in kinds and not _has_texts(property_)):
            is_valid, wanted = _is_json(text), "JSON"
        else:
            continue
        if not is_valid:
            yield f"setting {name!r}: the environment variable {variable} is not {wanted}"


def _has_texts(schema: Mapping[str, Any]) -> bool:
    return "string" in _listed(schema.get("items", {}).get("type"))


def _is_json(text: str) -> bool:
    try:
        json.loads(text)
    except ValueError:
        return False
    return True


@cache
def whole_schema(plugin: type[PluginBase]) -> Mapping[str, Any]:
    """Return the schema of a plugin's settings, with those of the SDK.

    The SDK adds its settings to the plugin's own schema up to 0.54, and to a copy since 0.55.
    """
    schema = copy.deepcopy(plugin.config_jsonschema)
    plugin.append_builtin_config(schema)
    return schema


class Plugin(PluginBase):
    """Keeps secrets of settings out of all output, and reports settings that cannot be used."""

    name_variable: ClassVar[str]
    """The environment variable in which Meltano passes the plugin's name."""

    @classmethod
    @override
    def append_builtin_config(cls, config_jsonschema: dict[str, Any]) -> None:
        super().append_builtin_config(config_jsonschema)
        mend_stream_maps(config_jsonschema)

    @classmethod
    @override
    def cb_config(cls, ctx: click.Context, param: click.Option, value: tuple[str, ...]) -> Any:
        with reading(f"--config {' '.join(value)}"):
            return super().cb_config(ctx, param, value)

    def keep_secrets(self) -> None:
        """Keep the secrets of the settings out of all output."""
        config = dict(self.config)
        secrets = redaction.secrets_of(whole_schema(type(self)), config)
        redaction.redactor.add([*secrets, *redaction.passwords_of(config)])

    def warn_of_unknown_settings(self) -> None:
        """Log a warning for each setting that the plugin does not have."""
        plugin = os.environ.get(self.name_variable) or self.name
        known = whole_schema(type(self))["properties"]
        for line in unknown_settings(plugin, known, self.config):
            self.logger.warning(line, extra=event("warning"))


def mend_stream_maps(config_jsonschema: dict[str, Any]) -> None:
    """Correct the SDK's schema of `stream_maps`, whose alternatives validators cannot read."""
    properties = config_jsonschema["properties"]
    text = json.dumps(properties["stream_maps"])
    properties["stream_maps"] = json.loads(text, object_hook=_with_valid_alternatives)


def _with_valid_alternatives(schema: dict[str, Any]) -> dict[str, Any]:
    """Replace alternatives that the SDK writes as the name of a type, such as `null`."""
    alternatives = schema.get("anyOf", [])
    for place, each in enumerate(alternatives):
        if isinstance(each, str):
            alternatives[place] = {"type": each}
    return schema


def invalid_settings(schema: Mapping[str, Any], config: Mapping[str, Any]) -> Iterator[str]:
    """Yield a line for each invalid setting: its name and the valid values.

    Values of secret settings are not repeated.
    """
    validator = Draft202012Validator(dict(schema), format_checker=_formats)
    for error in sorted(validator.iter_errors(dict(config)), key=lambda e: e.json_path):
        yield _sentence(error)


def _sentence(error: ValidationError) -> str:
    name = "".join(f"[{part}]" if isinstance(part, int) else f".{part}" for part in error.path)
    name = name.lstrip(".")
    schema = error.schema if isinstance(error.schema, dict) else {}
    if error.validator == "required":
        missing = error.message.split("'")[1]
        known = schema.get("properties", {}).get(missing, {})
        where = f"{name}.{missing}" if name else missing
        return f"setting {where!r} is missing: {known.get('description', 'it is required')}"
    value: Any = error.instance
    if error.validator == "additionalProperties":
        known = schema.get("properties", {})
        unknown = (f"{name}.{each}".lstrip(".") for each in value if each not in known)
        return f"setting {', '.join(map(repr, unknown))} is unknown; known are {', '.join(known)}"
    given = (
        "" if schema.get("secret") else f"{value if isinstance(value, Decimal) else repr(value)} "
    )
    kinds = [kind for kind in _listed(schema.get("type", "value")) if kind != "null"]
    rules = {
        "type": f"must be of type {' or '.join(kinds)}",
        "enum": f"must be one of {', '.join(map(str, schema.get('enum', ())))}",
        "minimum": f"must be at least {schema.get('minimum')}",
        "maximum": f"must be at most {schema.get('maximum')}",
        "exclusiveMinimum": f"must be more than {schema.get('exclusiveMinimum')}",
        "minItems": "must have at least one entry",
        "minLength": _length_rule(schema),
        "pattern": f"must match {schema.get('pattern')}",
        "format": "must be a date, YYYY-MM-DD",
        "anyOf": "must be of another type",
    }
    rule = rules.get(str(error.validator), f"violates the rule {error.validator!r}")
    return f"setting {name!r}: {given}{rule} ({schema.get('description', 'see --about')})"


def _length_rule(schema: Mapping[str, Any]) -> str:
    least = schema.get("minLength", 1)
    return "must not be empty" if least == 1 else f"must have at least {least} characters"


def _listed(value: Any) -> list[str]:
    return value if isinstance(value, list) else [value]


@_formats.checks("date", raises=ValueError)
def _is_date(value: object) -> bool:
    if isinstance(value, str):
        day_of(value)
    return True
