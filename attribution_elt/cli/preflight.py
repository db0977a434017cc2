"""`attribution-elt preflight`: would the next run succeed?"""

from __future__ import annotations

import sys
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from functools import partial

import click

from attribution_elt.checks import accounts, machine, warehouses
from attribution_elt.checks.findings import Finding, show, show_json
from attribution_elt.meltano.project import Project

AT_ONCE = 4
"""Commands of Meltano and requests to vendors at once."""


@click.command()
@click.option("--json", "as_json", is_flag=True, help="One JSON object instead of lines.")
@click.pass_obj
def preflight(project: Project, *, as_json: bool) -> None:
    """Check every configured account and the warehouse; a line each.

    Each vendor is asked its cheapest question, IHC none: there every call costs quota. Nothing is
    left behind in the warehouse. Exit code 1 if anything is to be done.
    """
    findings = list(check(project))
    (show_json if as_json else show)(findings)
    sys.exit(0 if all(each.ok for each in findings) else 1)


def check(project: Project) -> Iterator[Finding]:
    """Yield what is found, in the order of `meltano.yml`."""
    if not project.accounts:
        problem = "no account has credentials: set them in .env or in the environment"
        yield Finding("accounts", problems=[problem])
    with ThreadPoolExecutor(AT_ONCE) as pool:
        kept = pool.map(partial(accounts.kept, project), project.accounts)
        probes = [
            probe
            for extractor, each in zip(project.accounts, kept, strict=True)
            for probe in accounts.probes(extractor, each)
        ]
        yield from pool.map(accounts.finding, probes)
    for loader in project.loaders.values():
        schemas = [loader.schema_of(each) for each in project.accounts]
        yield warehouses.finding(loader, list(dict.fromkeys(schemas)) or [None])
    yield machine.finding()
