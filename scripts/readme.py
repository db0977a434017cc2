"""Writes the tables of README.md and docs/ from what they tell of; `--check` only compares."""

from __future__ import annotations

import re
import sys
from collections.abc import Iterable, Iterator, Sequence
from importlib.metadata import entry_points
from pathlib import Path
from typing import Any

from singer_sdk import Stream
from target_warehouse.columns import ColumnType
from target_warehouse.warehouses.registry import own_adapters

from attribution_elt.kit.settings import common
from plugins import plugin_class

ROOT = Path(__file__).parent.parent
PAGES = (ROOT / "README.md", *sorted((ROOT / "docs").glob("*.md")))
SECTION = re.compile(r"(<!-- (?P<plugin>[\w-]+): (?P<table>\w+) -->\n).*?(<!-- end -->)", re.DOTALL)
COMMON = tuple(common("").wrapped)
INHERITED = ("stream_map", "flattening_", "faker_config", "validate_records")
"""Beginnings of the names of settings that come with the SDK, and are documented there."""


def main() -> None:
    """Rewrite the pages, or say which of them have fallen behind."""
    behind = []
    for page in PAGES:
        text = page.read_text(encoding="utf-8")
        written = SECTION.sub(section, text)
        if written != text:
            behind.append(str(page.relative_to(ROOT)))
            if "--check" not in sys.argv[1:]:
                page.write_text(written, encoding="utf-8")
    if behind and "--check" in sys.argv[1:]:
        sys.exit(f"{', '.join(behind)}: fallen behind, run `python scripts/readme.py`")


def section(found: re.Match[str]) -> str:
    """Return a marked section with its table as it should be."""
    tables = {
        "common": common_settings,
        "limits": limits,
        "personal": personal_data,
        "settings": settings,
        "streams": streams,
        "taps": taps,
        "types": types,
    }
    rows = tables[found["table"]](found["plugin"])
    return found[1] + "".join(f"| {' | '.join(row)} |\n" for row in rows) + found[4]


def settings(name: str) -> Iterator[Sequence[str]]:
    """Yield the rows of the table of a plugin's own settings."""
    plugin = plugin_class(name)
    shared = [each for each in COMMON if each != "api_url"]
    names = [each for each in plugin.config_jsonschema["properties"] if each not in shared]
    return rows_of(plugin, [each for each in names if not each.startswith(INHERITED)])


def common_settings(name: str) -> Iterator[Sequence[str]]:
    """Yield the rows of the table of settings that every tap has."""
    return rows_of(plugin_class(name), [each for each in COMMON if each != "api_url"])


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


def streams(name: str) -> Iterator[Sequence[str]]:
    """Yield the rows of the table of streams."""
    yield "stream", "one row is", "primary key", "replication key"
    yield "---", "---", "---", "---"
    for stream in plugin_class(name).stream_types:
        inherited = stream.replication_key is Stream.replication_key
        replication = "" if inherited else f"`{stream.replication_key}`"
        about = stream.__doc__.splitlines()[0].rstrip(".")
        row = about[0].lower() + about[1:]
        yield f"`{stream.name}`", row, code(stream.primary_keys), replication


def personal_data(name: str) -> Iterator[Sequence[str]]:
    """Yield the rows of the table of what is marked as personal data."""
    yield "stream", "personal data"
    yield "---", "---"
    tap = plugin_class(name)
    for stream in tap.stream_types:
        properties = tap.schemas.get_schema(stream.name)["properties"]
        marked = [key for key, each in properties.items() if each.get("x-pii")]
        if marked:
            yield f"`{stream.name}`", code(marked)


def taps(_project: str) -> Iterator[Sequence[str]]:
    """Yield the rows of the table of taps."""
    yield "tap", "what it brings", "streams"
    yield "---", "---", "---"
    scripts = entry_points(group="console_scripts")
    for name in sorted(each for each in scripts.names if each.startswith("tap-")):
        tap = plugin_class(name)
        page = f"docs/{name.removeprefix('tap-')}.md"
        about = " ".join(tap.__doc__.split()).rstrip(".")
        yield f"[`{name}`]({page})", about, code(each.name for each in tap.stream_types)


def types(_target: str) -> Iterator[Sequence[str]]:
    """Yield the rows of the table of types, a column for each warehouse."""
    found = own_adapters()
    yield "kind", *found
    yield tuple("---" for _ in range(len(found) + 1))
    for kind in ColumnType:
        types = (each.types[kind].format(scale="s") for each in found.values())
        yield kind.value, *(f"`{type_}`" for type_ in types)


def limits(_target: str) -> Iterator[Sequence[str]]:
    """Yield the rows of the table of what suits each warehouse."""
    yield "warehouse", "bytes of a name, at most", "`batch_max_bytes`"
    yield "---", "---", "---"
    for name, adapter in own_adapters().items():
        yield name, str(adapter.dialect.name_limit), f"{adapter.batch_bytes >> 20} MiB"


def code(names: Iterable[str]) -> str:
    """Return names as code, with commas."""
    return ", ".join(f"`{name}`" for name in names)


if __name__ == "__main__":
    main()
