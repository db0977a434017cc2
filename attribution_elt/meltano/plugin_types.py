"""The classes of the plugins that this distribution installs."""

from __future__ import annotations

import importlib
from collections.abc import Iterator
from importlib.metadata import entry_points
from typing import Any

from singer_sdk.plugin_base import PluginBase

from attribution_elt.core.settings import misread_variables, whole_schema
from attribution_elt.kit.settings import DISTRIBUTION


def plugin_type(executable: str, kind: type[Any]) -> type[Any] | None:
    """Return the class of a console script that this distribution installs, if it is of a kind."""
    for script in entry_points(group="console_scripts", name=executable):
        module, _, attribute = script.value.partition(":")
        if script.dist is not None and script.dist.name == DISTRIBUTION:
            found = getattr(importlib.import_module(module), attribute.partition(".")[0])
            if isinstance(found, type) and issubclass(found, kind):
                return found
    return None


def misread() -> Iterator[str]:
    """Yield a line for each variable whose text is not of its setting's type, of every plugin."""
    for name in sorted(entry_points(group="console_scripts").names):
        plugin: type[PluginBase] | None = plugin_type(name, PluginBase)
        if plugin is not None:
            yield from misread_variables(name, whole_schema(plugin))
