"""Writes definitions of the taps and loaders for Meltano and for the package.

Run it after you added a tap, or changed the settings of one. It writes

- the console scripts and import rules of `pyproject.toml`,
- a definition of each plugin under `plugins/`, which Meltano reads as a lock file,
- `__init__.py` and `py.typed` of each package, if they are missing,
- for a new tap: its extractor, job and schedule in `meltano.yml`, and a page in `docs/`.

With `--check` it writes nothing, and fails if a file is out of date.
"""

from __future__ import annotations

import importlib
import json
import re
import sys
from collections.abc import Iterator, Mapping
from io import StringIO
from pathlib import Path
from typing import Any

from generated import ROOT, write
from ruamel.yaml import YAML

PYPROJECT = ROOT / "pyproject.toml"
PROJECT = ROOT / "meltano.yml"
DISTRIBUTION = "attribution-elt"
PACKAGES = {"extractors": "taps", "loaders": "targets"}
"""Folder of the packages of each type of plugin."""
PACKAGE = "${ATTRIBUTION_ELT_PACKAGE}"
"""The package that other projects install: never a bare name, which anybody could register."""
REPOSITORY = "${ATTRIBUTION_ELT_REPOSITORY}"
"""The variable that a publisher replaces by the URL of the repository."""
DOMAINS = {
    "adtraction": "https://adtraction.com",
    "attribution-io": "https://attribution.io",
    "ecdp": "https://www.expertsender.com",
    "ihc": "https://ihc-attribution.com",
}
"""Websites of the vendors, by the name of the plugin without its first part."""
EXTRAS = dict.fromkeys(
    ("tap-query", "target-adtraction", "target-ignite", "target-warehouse"), "[duckdb,postgres]"
)
LEFT_OUT = {"faker_config"}
"""Settings of the SDK that need a package which this project does not install."""
VALUES = {
    "default_target_schema": "$MELTANO_EXTRACT__LOAD_SCHEMA",
    "user_agent": None,  # the plugin's default contains its version
}
"""Defaults that differ under Meltano from the plugin's own."""
PAGE = """# {label}

{about}.

```sh
scripts/meltano run {name} target-warehouse
```

## Streams

<!-- {name}: streams -->
<!-- end -->

## Personal data

<!-- {name}: personal -->
<!-- end -->

## Settings

<!-- {name}: settings -->
<!-- end -->

[All taps share more settings](taps.md#common-settings).
"""


def main() -> None:
    """Write the files."""
    for folder in PACKAGES.values():
        sys.path.insert(0, str(ROOT / folder))
    write(dict(files()), "plugins")


def files() -> Iterator[tuple[Path, str]]:
    """Yield each file that is written here, with its text."""
    plugins = {type_: list(plugin_classes(type_)) for type_ in PACKAGES}
    everything = [plugin for found in plugins.values() for plugin in found]
    project = with_taps(PROJECT.read_text("utf-8"), plugins["extractors"])
    entries = YAML(typ="safe").load(project)["plugins"]
    labels = {each["name"]: each.get("label") for type_ in PACKAGES for each in entries[type_]}
    yield (
        PYPROJECT,
        with_packages(
            with_scripts(PYPROJECT.read_text("utf-8"), everything),
            sorted(each.__module__.partition(".")[0] for each in everything),
        ),
    )
    yield PROJECT, project
    for type_, found in plugins.items():
        for plugin in found:
            path = ROOT / "plugins" / type_ / f"{plugin.name}--{DISTRIBUTION}.lock"
            found_label = labels.get(plugin.name) or label_of(plugin)
            document = definition(type_, plugin, found_label)
            yield path, json.dumps(document, indent=2, ensure_ascii=False) + "\n"
    for plugin in everything:
        folder = Path(sys.modules[plugin.__module__].__file__ or "").parent
        yield folder / "py.typed", ""
        if not (folder / "__init__.py").exists():
            yield folder / "__init__.py", f'"""{about_of(plugin)}"""\n'
    old = {each["name"] for each in YAML(typ="safe").load(PROJECT)["plugins"]["extractors"]}
    for plugin in plugins["extractors"]:
        page = ROOT / "docs" / f"{plugin.name.removeprefix('tap-')}.md"
        if plugin.name not in old and not page.exists():
            about = about_of(plugin).rstrip(".")
            yield page, PAGE.format(label=label_of(plugin), about=about, name=plugin.name)


def plugin_classes(type_: str) -> Iterator[Any]:
    """Yield the class of each plugin of a type, by the names of the packages."""
    module = {"extractors": "tap", "loaders": "target"}[type_]
    for path in sorted((ROOT / PACKAGES[type_]).glob(f"{module}_*/{module}.py")):
        yield plugin_class(path.parent.name.replace("_", "-"))


def plugin_class(name: str) -> Any:
    """Return the class of a tap or loader: `tap-ecdp` is `tap_ecdp.tap.TapEcdp`."""
    package = name.replace("-", "_")
    module = importlib.import_module(f"{package}.{package.partition('_')[0]}")
    return getattr(module, "".join(part.capitalize() for part in name.split("-")))


def label_of(plugin: Any) -> str:
    """Return the label of a plugin that has none in meltano.yml."""
    return str(plugin.name.partition("-")[2].replace("-", " ").capitalize())


def about_of(plugin: Any) -> str:
    """Return a plugin's description, a sentence."""
    return " ".join(plugin.__doc__.split("\n\n")[0].split())


def with_scripts(text: str, plugins: list[Any]) -> str:
    """Return pyproject.toml with a console script for each plugin."""
    places = {each.name: f"{each.__module__}:{each.__name__}.cli" for each in plugins}
    places[DISTRIBUTION] = "attribution_elt.cli.main:cli"
    lines = [f'{name} = "{place}"\n' for name, place in sorted(places.items())]
    section = re.compile(r"(?<=^\[project\.scripts\]\n)(?:.+\n)*", re.MULTILINE)
    return section.sub("".join(lines), text, count=1)


def with_packages(text: str, packages: list[str]) -> str:
    """Return pyproject.toml with the packages of all plugins in the import rules."""
    taps = [each for each in packages if each.startswith("tap_")]
    text = re.sub(
        r'(?:^  "(?:tap|target)_\w+",\n)+',
        "".join(f'  "{each}",\n' for each in packages),
        text,
        flags=re.MULTILINE,
    )
    text = re.sub(r'"tap_\w+(?: : \w+)+"', f'"{" : ".join(packages)}"', text)
    independent = ", ".join(f'"{each}"' for each in taps)
    return re.sub(r'(?<=^modules = )\["tap_.*\]$', f"[{independent}]", text, flags=re.MULTILINE)


def with_taps(text: str, taps: list[Any]) -> str:
    """Return meltano.yml with an extractor, a job and a schedule for each tap.

    Those that are there already are not changed.
    """
    yaml = YAML()  # keeps comments and layout
    yaml.indent(mapping=2, sequence=4, offset=2)
    yaml.preserve_quotes = True
    yaml.width = 1000
    project = yaml.load(text)
    known = {each["name"] for each in project["plugins"]["extractors"]}
    new = [tap for tap in taps if tap.name not in known]
    if not new:
        return text
    jobs = {job["name"]: job for job in project["jobs"]}
    for tap in new:
        job = tap.name.removeprefix("tap-")
        project["plugins"]["extractors"].insert(
            len(known),
            {"name": tap.name, "variant": DISTRIBUTION, "pip_url": "-e . -c constraints.txt"},
        )
        task = f"{tap.name} target-warehouse"
        project["jobs"].insert(0, {"name": job, "tasks": [task]})
        jobs["all"]["tasks"].append(task)
        schedule = {"name": f"{job}-every-morning", "interval": "30 4 * * *", "job": job}
        project["schedules"].append(schedule)
    written = StringIO()
    yaml.dump(project, written)
    return written.getvalue()


def definition(type_: str, plugin: Any, label: str) -> dict[str, Any]:
    """Return a plugin's definition, as Meltano Hub describes plugins."""
    required = plugin.config_jsonschema.get("required")
    vendor = plugin.name.partition("-")[2]
    return {
        "plugin_type": type_,
        "name": plugin.name,
        "namespace": plugin.name.replace("-", "_"),
        "variant": DISTRIBUTION,
        "label": label,
        "description": about_of(plugin),
        "pip_url": PACKAGE + EXTRAS.get(plugin.name, ""),
        "repo": REPOSITORY,
        **({"domain_url": DOMAINS[vendor]} if vendor in DOMAINS else {}),
        "maintenance_status": "beta",
        "quality": "unknown",  # the Hub rates it
        "keywords": ["attribution", "marketing", "meltano_sdk", vendor],
        "executable": plugin.name,
        "capabilities": [each.value for each in plugin.capabilities],
        **({"settings_group_validation": [required]} if required else {}),
        "settings": list(settings(plugin)),
    }


def settings(plugin: Any) -> Iterator[dict[str, Any]]:
    """Yield a plugin's settings as Meltano describes them."""
    plugin.append_builtin_config(plugin.config_jsonschema)
    for name, schema in plugin.config_jsonschema["properties"].items():
        if name in LEFT_OUT:
            continue
        choices = schema.get("enum")
        setting = {
            "name": name,
            "kind": "options" if choices else kind(schema),
            "options": choices and [{"label": each, "value": each} for each in choices],
            "sensitive": schema.get("secret"),
            "value": VALUES.get(name, schema.get("default")),
            "label": schema.get("title"),
            "description": schema.get("description"),
        }
        yield {key: each for key, each in setting.items() if each is not None}


def kind(schema: Mapping[str, Any]) -> str:
    """Return Meltano's word for a setting's type.

    A date is a string: Meltano's `date_iso8601` reads 2026-13-01 as 13 January, without an error.
    Nothing is `decimal`: Meltano fails to write such a value from the environment as JSON. A
    number of seconds is an integer there, and a share is a string.
    """
    types = schema["type"] if isinstance(schema["type"], list) else [schema["type"]]
    if "string" in types:
        return "string"
    found = next(each for each in types if each != "null")
    return "integer" if found == "number" else found


if __name__ == "__main__":
    main()
