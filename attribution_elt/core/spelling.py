"""Settings that a plugin does not have, such as misspelt ones."""

from __future__ import annotations

import os
from collections.abc import Collection, Iterator, Mapping


def unknown_settings(
    plugin: str, known: Collection[str], config: Mapping[str, object] | None = None
) -> Iterator[str]:
    """Yield a line for each setting that a plugin does not have, with the nearest known name.

    It may be in `config`, or in an environment variable that begins with the plugin's name.
    """
    unknown = sorted({*(config or ()), *_variables(plugin, known)} - set(known))
    if not unknown:
        return
    from difflib import get_close_matches  # noqa: PLC0415 - of no use to other runs, and slow

    for name in unknown:
        nearest = get_close_matches(name, known, 1)
        hint = f"; did you mean {nearest[0]!r}?" if nearest else ""
        yield f"{plugin} has no setting {name!r}{hint}"


def variable_of(plugin: str, setting: str) -> str:
    """Return the environment variable of a plugin's setting, as Meltano names it."""
    return f"{plugin}_{setting}".upper().replace("-", "_")


def _variables(plugin: str, known: Collection[str]) -> Iterator[str]:
    """Yield the names of settings in a plugin's environment variables.

    Variables that may belong to something else are left out: to a plugin whose name begins with
    this one (`TAP_ECDP_SHOP_API_KEY`), to a member of a setting, to Meltano (`TAP_ECDP__SELECT`)
    or to the SDK (`TAP_ECDP_LOGLEVEL`).
    """
    prefix = variable_of(plugin, "")
    for variable in os.environ:
        name = variable.removeprefix(prefix).lower()
        if not variable.startswith(prefix) or name.startswith("_") or name == "loglevel":
            continue
        if not any(name.endswith(f"_{each}") or name.startswith(f"{each}_") for each in known):
            yield name
