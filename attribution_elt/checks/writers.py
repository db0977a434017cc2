"""Checks of the targets that write to a vendor."""

from __future__ import annotations

from attribution_elt.checks import warehouses
from attribution_elt.checks.accounts import IMPATIENT
from attribution_elt.checks.findings import Finding
from attribution_elt.kit.errors import PluginError
from attribution_elt.meltano.project import Loader, Writer


def finding(writer: Writer) -> Finding:
    """Check the settings, the account and the audit table's warehouse, without writing."""
    found = Finding(writer.name)
    try:
        target = writer.target(config={**writer.settings, **IMPATIENT})
        found.facts.append(target.check())
    except PluginError as error:
        return Finding(writer.name, problems=error.lines)
    dry = target.config["dry_run"]
    found.facts.append("dry run: it sends nothing" if dry else "dry_run is false: it writes")
    schema = target.config.get("outcomes_schema")
    place = warehouses.finding(Loader(writer.name, target.config["outcomes_url"], schema), [schema])
    found.facts += [f"outcomes: {fact}" for fact in place.facts]
    found.problems += [f"outcomes: {problem}" for problem in place.problems]
    return found
