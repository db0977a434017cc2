"""Writes the tables of README.md and docs/ from the code; `--check` only compares.

A table is between comments such as `<!-- tap-ecdp: settings -->` and `<!-- end -->`. The pages in
docs/columns/ are generated completely.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Iterator, Sequence
from functools import cache
from itertools import chain
from typing import Any

import yaml
from generated import ROOT, write
from singer_sdk import Stream
from target_warehouse.columns import ColumnType
from target_warehouse.warehouses.registry import own_adapters

from attribution_elt.kit.settings import common
from plugins import plugin_class, plugin_classes

DOCS = ROOT / "docs"
COLUMNS = DOCS / "columns"
SECTION = re.compile(r"(<!-- (?P<plugin>[\w-]+): (?P<table>\w+) -->\n).*?(<!-- end -->)", re.DOTALL)
COMMON = tuple(common("").wrapped)
INHERITED = ("stream_map", "flattening_", "faker_config", "validate_records")
"""Beginnings of the names of settings that the SDK adds and documents."""

Rows = Iterator[Sequence[str]]


def main() -> None:
    """Write the pages."""
    pages = [ROOT / "README.md", *(page for page in DOCS.rglob("*.md") if page.parent != COLUMNS)]
    written = {page: SECTION.sub(section, page.read_text("utf-8")) for page in pages}
    for tap in vendor_taps():
        written[COLUMNS / f"{vendor(tap)}.md"] = columns(tap)
    write(written, "readme")


def vendor_taps() -> Iterator[Any]:
    """Yield the taps whose streams are known: those of tap-query are in the user's settings."""
    return (tap for tap in plugin_classes("extractors") if tap.stream_types)


def section(found: re.Match[str]) -> str:
    """Return a marked section with its current table."""
    tables = {
        "common": common_settings,
        "limits": limits,
        "model": model,
        "people": all_personal_data,
        "personal": personal_data,
        "settings": settings,
        "streams": streams,
        "taps": taps,
        "types": types,
    }
    return found[1] + table(tables[found["table"]](found["plugin"])) + found[4]


def table(rows: Iterable[Sequence[str]]) -> str:
    """Return rows, the first of which is the header, as a Markdown table."""
    header, *others = rows
    lines = (header, ["---"] * len(header), *others)
    return "".join(f"| {' | '.join(row)} |\n" for row in lines)


@cache
def models() -> dict[str, Any]:
    """Return the description of each SQL model."""
    documents = (ROOT / "transform" / "models").rglob("*.yml")
    described = (yaml.safe_load(path.read_text("utf-8")).get("models", ()) for path in documents)
    return {each["name"]: each for each in chain.from_iterable(described)}


def model(name: str) -> Rows:
    """Yield the columns of a SQL model."""
    yield "column", "meaning"
    for column in models()[name]["columns"]:
        yield f"`{column['name']}`", column["description"].replace("|", "\\|")


def columns(tap: Any) -> str:
    """Return the page with the columns of a tap's streams."""
    name = vendor(tap)
    schemas = f"schemas/{name.replace('-', '_')}/"
    intro = (
        f"# Columns of {title(name)}\n\n"
        f"Generated from `{schemas}`. The tables have these columns and "
        "[those that the loader adds](../loader.md#metadata-columns-and-tables). "
        f"[About the tap](../{name}.md).\n"
    )
    parts = [intro]
    for stream in tap.stream_types:
        parts.append(f"\n## {stream.name}\n\n")
        parts.append(table(column_rows(tap, stream)))
    return "".join(parts)


def column_rows(tap: Any, stream: Any) -> Rows:
    """Yield a row for each column of a stream."""
    yield "column", "type", "description"
    for name, schema in tap.schemas.get_schema(stream.name)["properties"].items():
        type_ = next(each for each in schema["type"] if each != "null")
        marks = [schema.get("format", type_)]
        if name in stream.primary_keys:
            marks.append("key")
        if schema.get("x-pii"):
            marks.append("personal")
        yield f"`{name}`", ", ".join(marks), schema.get("description", "").replace("|", "\\|")


def vendor(tap: Any) -> str:
    """Return the name of a tap's page."""
    return str(tap.name.removeprefix("tap-"))


def title(name: str) -> str:
    """Return a vendor's name, as its page has it."""
    page = DOCS / f"{name}.md"
    heading = page.read_text("utf-8").partition("\n")[0] if page.exists() else ""
    return heading.removeprefix("# ") or name


def settings(name: str) -> Rows:
    """Yield the rows of the table of a plugin's own settings."""
    plugin = plugin_class(name)
    own = ("api_url", *plugin.config_jsonschema.get("required", ()))
    shared = [each for each in COMMON if name.startswith("tap-") and each not in own]
    names = [each for each in plugin.config_jsonschema["properties"] if each not in shared]
    return rows_of(plugin, [each for each in names if not each.startswith(INHERITED)])


def common_settings(name: str) -> Rows:
    """Yield the rows of the table of settings that all taps share."""
    return rows_of(plugin_class(name), [each for each in COMMON if each != "api_url"])


def rows_of(plugin: Any, names: Sequence[str]) -> Rows:
    """Yield a row for each setting."""
    yield "setting", "meaning", "default"
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
        text = default if isinstance(default, str) else json.dumps(default)
        yield (
            f"`{name}`" + (f" ({', '.join(marks)})" if marks else ""),
            setting.get("description", ""),
            "" if default is None else f"`{text}`",
        )


def streams(name: str) -> Rows:
    """Yield the rows of the table of streams."""
    yield "stream", "one row is", "primary key", "replication key"
    for stream in plugin_class(name).stream_types:
        inherited = stream.replication_key is Stream.replication_key
        replication = "" if inherited else f"`{stream.replication_key}`"
        about = stream.__doc__.splitlines()[0].rstrip(".")
        row = about[0].lower() + about[1:]
        yield f"`{stream.name}`", row, code(stream.primary_keys), replication


def personal_data(name: str) -> Rows:
    """Yield the rows of the table of columns with personal data."""
    yield "stream", "personal data"
    tap = plugin_class(name)
    for stream in tap.stream_types:
        properties = tap.schemas.get_schema(stream.name)["properties"]
        marked = [key for key, each in properties.items() if each.get("x-pii")]
        if marked:
            yield f"`{stream.name}`", code(marked)


def all_personal_data(_project: str) -> Rows:
    """Yield the rows of the table of all columns with personal data."""
    yield "vendor", "stream", "personal columns", "what `pii: drop` hashes"
    for tap in vendor_taps():
        for stream in tap.stream_types:
            properties = tap.schemas.get_schema(stream.name)["properties"]
            marked = [key for key, each in properties.items() if each.get("x-pii")]
            if marked:
                page = f"[{title(vendor(tap))}]({vendor(tap)}.md)"
                keys = [key for key in marked if key in stream.primary_keys]
                yield page, f"`{stream.name}`", code(marked), code(keys)


def taps(_project: str) -> Rows:
    """Yield the rows of the table of taps."""
    yield "tap", "data", "streams"
    for tap in vendor_taps():
        about = " ".join(tap.__doc__.split()).rstrip(".")
        names = code(each.name for each in tap.stream_types)
        yield f"[`{tap.name}`](docs/{vendor(tap)}.md)", about, names


def types(_target: str) -> Rows:
    """Yield the rows of the table of types, a column for each warehouse."""
    found = own_adapters()
    yield "kind", *found
    for kind in ColumnType:
        types = (each.types[kind].format(scale="s") for each in found.values())
        yield kind.value, *(f"`{type_}`" for type_ in types)


def limits(_target: str) -> Rows:
    """Yield the rows of the table of each warehouse's limits."""
    yield "warehouse", "longest name in bytes", "default of `batch_max_bytes`"
    for name, adapter in own_adapters().items():
        yield name, str(adapter.dialect.name_limit), f"{adapter.batch_bytes >> 20} MiB"


def code(names: Iterable[str]) -> str:
    """Return names as code, with commas."""
    return ", ".join(f"`{name}`" for name in names)


if __name__ == "__main__":
    main()
