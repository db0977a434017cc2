"""Writes what our plugins say of themselves to where Meltano reads it; `--check` only compares.

Their capabilities and settings go into meltano.yml, and definitions of them, in the form of Meltano
Hub, into plugins/, for other projects to `meltano add --from-ref`.
"""

from __future__ import annotations

import json
import re
import sys
from collections.abc import Iterator
from importlib.metadata import entry_points
from pathlib import Path
from typing import Any

import yaml

ROOT = Path(__file__).parent.parent
PROJECT = ROOT / "meltano.yml"
DISTRIBUTION = "attribution-elt"
KINDS = {
    "string": "string",
    "integer": "integer",
    "number": "decimal",
    "boolean": "boolean",
    "array": "array",
    "object": "object",
}
LEFT_OUT = {"faker_config"}
"""Settings of the SDK that need a package which we do not bring."""
VALUES = {
    "default_target_schema": "$MELTANO_EXTRACT__LOAD_SCHEMA",
    "user_agent": None,  # its default names the version
}
"""Defaults that Meltano is to have in the place of the plugin's own."""


def main() -> None:
    """Write the files, or say which of them have fallen behind."""
    text = PROJECT.read_text(encoding="utf-8")
    written = dict(definitions(yaml.safe_load(text)))
    for path in written:
        text = with_own_words(text, plugin_class(path.stem))
    written[PROJECT] = text
    behind = [path for path, text in written.items() if not holds(path, text)]
    if "--check" not in sys.argv[1:]:
        for path in behind:
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(written[path], encoding="utf-8")
    elif behind:
        names = ", ".join(str(path.relative_to(ROOT)) for path in behind)
        sys.exit(f"{names}: fallen behind the plugins, run `python scripts/plugins.py`")


def holds(path: Path, text: str) -> bool:
    """Tell whether a file says the same, however Meltano may have laid it out since."""
    return path.is_file() and yaml.safe_load(path.read_text("utf-8")) == yaml.safe_load(text)


def plugin_class(name: str) -> Any:
    """Return the class behind a console script."""
    (script,) = entry_points(group="console_scripts", name=name)
    module, _, attribute = script.value.partition(":")
    return getattr(__import__(module, fromlist=["_"]), attribute.partition(".")[0])


def with_own_words(text: str, plugin: Any) -> str:
    """Return meltano.yml with a plugin's capabilities and settings, a line each."""
    entry = re.compile(
        rf"(    - name: {plugin.name}\n(?:      .*\n)*?)"
        r"      capabilities: .*\n      settings:\n(?:        .*\n)*"
    )
    lines = [
        f"      capabilities: [{', '.join(each.value for each in plugin.capabilities)}]",
        "      settings:",
        *(f"        - {in_a_line(each)}" for each in settings(plugin)),
    ]
    written, times = entry.subn(lambda found: found[1] + "\n".join(lines) + "\n", text)
    if not times:
        sys.exit(
            f"{PROJECT.name}: {plugin.name} needs the lines `capabilities: []` and `settings:`"
        )
    return written


def in_a_line(setting: dict[str, Any]) -> str:
    """Return a setting as a YAML mapping in one line."""
    plain = {"name", "kind"}
    values = (
        f"{key}: {value if key in plain else json.dumps(value, ensure_ascii=False)}"
        for key, value in setting.items()
    )
    return f"{{{', '.join(values)}}}"


def settings(plugin: Any) -> Iterator[dict[str, Any]]:
    """Yield a plugin's settings as Meltano describes them."""
    plugin.append_builtin_config(plugin.config_jsonschema)
    for name, schema in plugin.config_jsonschema["properties"].items():
        if name in LEFT_OUT:
            continue
        choices = schema.get("enum")
        value = VALUES.get(name, schema.get("default"))
        setting = {
            "name": name,
            "kind": "options" if choices else kind(schema),
            "options": choices and [{"label": each, "value": each} for each in choices],
            "sensitive": schema.get("secret"),
            "value": value,
            "label": schema.get("title"),
            "description": schema.get("description"),
        }
        yield {key: each for key, each in setting.items() if each is not None}


def kind(schema: dict[str, Any]) -> str:
    """Return Meltano's word for a setting's type."""
    types = schema["type"] if isinstance(schema["type"], list) else [schema["type"]]
    first = next(each for each in types if each != "null")
    return "date_iso8601" if schema.get("format") == "date" else KINDS[first]


def definitions(project: dict[str, Any]) -> Iterator[tuple[Path, str]]:
    """Yield the definition of each of our plugins that the project runs, and where it stands."""
    for type_ in ("extractors", "loaders"):  # the utility has no settings of a schema
        for entry in project["plugins"][type_]:
            if not entry.get("pip_url", "").startswith("-e ."):
                continue
            plugin = plugin_class(entry["name"])
            extras = re.search(r"\[.*\]", entry["pip_url"])
            required = plugin.config_jsonschema.get("required")
            definition = {
                "name": entry["name"],
                "variant": DISTRIBUTION,
                "label": entry["label"],
                "description": " ".join(plugin.__doc__.split()),
                "namespace": entry["namespace"],
                "pip_url": DISTRIBUTION + (extras[0] if extras else ""),
                "executable": entry["executable"],
                "capabilities": [each.value for each in plugin.capabilities],
                **({"settings_group_validation": [required]} if required else {}),
                "settings": list(settings(plugin)),
            }
            text = yaml.safe_dump(definition, sort_keys=False, allow_unicode=True, width=100)
            yield ROOT / "plugins" / type_ / f"{entry['name']}.yml", text


if __name__ == "__main__":
    main()
