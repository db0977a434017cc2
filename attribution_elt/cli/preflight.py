"""`attribution-elt preflight`: checks before a run."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from operator import attrgetter

import click

from attribution_elt.checks import accounts, machine, warehouses, writers
from attribution_elt.checks.findings import Finding
from attribution_elt.cli.display import show_findings
from attribution_elt.meltano.project import NO_ACCOUNT, Project

AT_ONCE = 4
"""Number of Meltano commands, or of requests to vendors, at a time."""


@click.command()
@click.option("--json", "as_json", is_flag=True, help="Print one JSON object.")
@click.pass_obj
def preflight(project: Project, *, as_json: bool) -> None:
    """Check accounts, warehouse and machine.

    The command sends each vendor its cheapest request, but none to IHC, where every request costs
    quota. Targets that write to a vendor only read from it. The checks leave nothing in the
    warehouse. Exit with 1 if a check finds a problem.
    """
    findings = list(check(project))
    show_findings(findings, as_json=as_json)
    sys.exit(0 if all(each.passed for each in findings) else 1)


def check(project: Project) -> Iterator[Finding]:
    """Yield the findings in the order of `meltano.yml`."""
    if not project.accounts:
        yield Finding("accounts", problems=[NO_ACCOUNT])
    with ThreadPoolExecutor(AT_ONCE) as pool:
        kept = pool.map(partial(accounts.kept, project), project.accounts)
        probes = [
            probe
            for extractor, each in zip(project.accounts, kept, strict=True)
            for probe in accounts.probes(extractor, each)
        ]
        yield from pool.map(accounts.finding, probes)
        yield from pool.map(writers.finding, filter(attrgetter("configured"), project.writers))
    if not (found := accounts.settings(project)).passed:
        yield found
    for loader in project.loaders.values():
        schemas = [loader.schema_of(each.load_schema) for each in project.accounts]
        place = warehouses.finding(loader, list(dict.fromkeys(schemas)) or [None])
        if place.passed:
            warehouses.judge_views(place, project, loader)
        yield place
    yield machine.finding(project.private_files())
