"""Writes the README's tables of settings and streams from the plugins; `--check` only compares."""

from __future__ import annotations

import re
import sys
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

from singer_sdk import Stream

from plugins import plugin_class
from taps.settings import common

README = Path(__file__).parent.parent / "README.md"
SECTION = re.compile(r"(<!-- (?P<plugin>[\w-]+): (?P<table>\w+) -->\n).*?(<!-- end -->)", re.DOTALL)
COMMON = tuple(common("").wrapped)
INHERITED = ("stream_map", "flattening_", "faker_config", "validate_records")
"""Beginnings of the names of settings that come with the SDK, and are documented there."""


def main() -> None:
    """Rewrite the README, or say that it has fallen behind."""
    text = README.read_text(encoding="utf-8")
    written = SECTION.sub(section, text)
    if "--check" not in sys.argv[1:]:
        README.write_text(written, encoding="utf-8")
    elif written != text:
        sys.exit("README.md has fallen behind the plugins: run `python scripts/readme.py`")


def section(found: re.Match[str]) -> str:
    """Return a marked section with its table as it should be."""
    plugin = plugin_class(found["plugin"])
    tables = {"settings": settings, "streams": streams, "common": common_settings}
    rows = tables[found["table"]](plugin)
    return found[1] + "".join(f"| {' | '.join(row)} |\n" for row in rows) + found[4]


def settings(plugin: Any) -> Iterator[Sequence[str]]:
    """Yield the rows of the table of a plugin's own settings."""
    shared = [name for name in COMMON if name != "api_url"]
    names = [name for name in plugin.config_jsonschema["properties"] if name not in shared]
    return rows_of(plugin, [name for name in names if not name.startswith(INHERITED)])


def common_settings(plugin: Any) -> Iterator[Sequence[str]]:
    """Yield the rows of the table of settings that every tap has."""
    return rows_of(plugin, [name for name in COMMON if name != "api_url"])


def rows_of(plugin: Any, names: Sequence[str]) -> Iterator[Sequence[str]]:
    """Yield a row for each setting."""
    yield "setting", "meaning", "default"
    yield "---", "---", "---"
    schema = plugin.config_jsonschema
    for name in names:
        setting = schema["properties"][name]
        marks = [
            word
            for word, holds in (
                ("required", name in schema.get("required", ())),
                ("secret", setting.get("secret")),
            )
            if holds
        ]
        default = setting.get("default")
        yield (
            f"`{name}`" + (f" ({', '.join(marks)})" if marks else ""),
            setting.get("description", ""),
            "" if default is None else f"`{str(default).lower() if default is True else default}`",
        )


def streams(plugin: Any) -> Iterator[Sequence[str]]:
    """Yield the rows of the table of streams."""
    yield "stream", "one row is", "primary key", "replication key"
    yield "---", "---", "---", "---"
    for stream in plugin.stream_types:
        keys = ", ".join(f"`{key}`" for key in stream.primary_keys)
        inherited = stream.replication_key is Stream.replication_key
        replication = "" if inherited else f"`{stream.replication_key}`"
        about = stream.__doc__.splitlines()[0].rstrip(".")
        yield f"`{stream.name}`", about[0].lower() + about[1:], keys, replication


if __name__ == "__main__":
    main()
