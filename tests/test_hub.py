"""Plugin definitions follow the rules of Meltano Hub.

The rules are those of Meltano's page "Plugin Definition Syntax" and of the checks of the repository
meltano/hub, in our own words.
"""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

import pytest

FILES = sorted((Path(__file__).parent.parent / "plugins").glob("*/*--attribution-elt.lock"))
REQUIRED = {
    *("name", "namespace", "variant", "label", "description", "pip_url", "executable", "repo"),
    *("capabilities", "settings", "keywords", "maintenance_status", "quality"),
}
OPTIONAL = {"domain_url", "settings_group_validation", "plugin_type"}
CAPABILITIES = {
    "extractors": {
        *("about", "activate-version", "batch", "catalog", "discover", "log-based", "properties"),
        *("schema-flattening", "state", "stream-maps", "structured-logging", "test"),
    },
    "loaders": {
        *("about", "activate-version", "batch", "datatype-failsafe", "hard-delete"),
        *("record-flattening", "schema-flattening", "soft-delete", "stream-maps"),
        *("structured-logging", "target-schema", "validate-records"),
    },
}
KINDS = {
    *("array", "boolean", "date_iso8601", "decimal", "email", "file", "integer", "object"),
    *("options", "password", "string"),
}
SETTING = {"name", "kind", "label", "description", "value", "sensitive", "options"}


def faults(definition: dict[str, Any], type_: str) -> list[str]:
    """Return each rule that a definition breaks."""
    found = [f"{each} is missing" for each in sorted(REQUIRED - definition.keys())]
    found += [f"{each} is unknown" for each in sorted(definition.keys() - REQUIRED - OPTIONAL)]
    if found:
        return found
    names = [each["name"] for each in definition["settings"]]
    prefix = {"extractors": "tap-", "loaders": "target-"}[type_]
    url = re.compile(r"https://[\w.-]+(/\S*)?")
    checks = {
        "name": definition["name"].startswith(prefix),
        "namespace": bool(re.fullmatch(r"[a-z0-9_]+", definition["namespace"])),
        "description": definition["description"].endswith("."),
        "maintenance_status": definition["maintenance_status"]
        in {"active", "beta", "development", "inactive", "unknown"},
        "quality": definition["quality"] in {"gold", "silver", "bronze", "unknown"},
        "keywords": all(isinstance(each, str) and each for each in definition["keywords"]),
        "repo": definition["repo"] == "${ATTRIBUTION_ELT_REPOSITORY}"
        or bool(url.fullmatch(definition["repo"])),
        "domain_url": bool(url.fullmatch(definition.get("domain_url", "https://example.com"))),
        "capabilities": set(definition["capabilities"]) <= CAPABILITIES[type_],
        "settings": len(set(names)) == len(names),
        "settings_group_validation": all(
            set(group) <= set(names) for group in definition.get("settings_group_validation", ())
        ),
    }
    found += [f"{name} breaks its rule" for name, holds in checks.items() if not holds]
    for each in definition["settings"]:
        unknown = each.keys() - SETTING
        lacking = {"name", "kind", "label", "description"} - each.keys()
        if unknown or lacking or each["kind"] not in KINDS:
            found.append(f"setting {each['name']}: {unknown} {lacking} {each.get('kind')}")
    return found


@pytest.mark.parametrize("file", FILES, ids=lambda file: file.name.partition("--")[0])
def test_a_definition_has_what_the_hub_asks(file: Path) -> None:
    assert faults(json.loads(file.read_text("utf-8")), file.parent.name) == []


@pytest.mark.parametrize(
    ("change", "fault"),
    [
        ({"repo": None}, "repo is missing"),
        ({"quality": "platinum"}, "quality breaks its rule"),
        ({"capabilities": ["catalogue"]}, "capabilities breaks its rule"),
        ({"settings_group_validation": [["no_such"]]}, "settings_group_validation breaks its rule"),
        ({"settings": [{"name": "a", "kind": "text"}]}, "setting a: "),
    ],
    ids=lambda value: value if isinstance(value, str) else "",
)
def test_a_definition_that_breaks_a_rule_is_found(change: dict[str, Any], fault: str) -> None:
    good = json.loads(FILES[0].read_text("utf-8")) | {"settings_group_validation": []}
    changed = {key: each for key, each in (good | change).items() if each is not None}
    (found,) = faults(changed, FILES[0].parent.name)
    assert found.startswith(fault)
