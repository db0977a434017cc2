"""`attribution-elt metrics`: metrics of the loads as a Prometheus text file."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from functools import partial
from pathlib import Path

import click
from target_warehouse.warehouses.registry import is_through_dlt

from attribution_elt.checks import accounts
from attribution_elt.cli.files import replace
from attribution_elt.core.errors import OpsError
from attribution_elt.meltano.project import Loader, Project
from attribution_elt.reporting.metrics import Sample, samples, text_of


@click.command()
@click.option(
    "--output",
    type=click.Path(dir_okay=False, path_type=Path),
    help="File to write, such as one for node_exporter's textfile collector. Defaults to stdout.",
)
@click.option(
    "--quota", is_flag=True, help="Add the remaining quota, with one request for each account."
)
@click.pass_obj
def metrics(project: Project, *, output: Path | None, quota: bool) -> None:
    """Print metrics of the loads for Prometheus.

    The values come from the table _runs of each schema, and the days of Ignite's retention from
    Meltano's state. Exit with 1 if a warehouse cannot be read.
    """
    found, errors = [], []
    known = {each.load_schema for each in project.extractors.values()}
    optional = known - {each.load_schema for each in project.accounts}
    for loader in project.loaders.values():
        try:
            found += samples(loader, _load_schemas(project, loader), optional)
        except OpsError as error:
            errors.append(str(error))
            up = 0
        else:
            up = 1
        found.append(Sample("warehouse_up", {"loader": loader.name}, up))
    found += _of_accounts(project, quota=quota)
    text = text_of(found, {"environment": project.environment})
    if output is None or str(output) == "-":
        click.echo(text, nl=False)
    else:
        replace(output, text)
    if errors:
        raise OpsError("; ".join(errors))


def _load_schemas(project: Project, loader: Loader) -> Iterable[str]:
    if is_through_dlt(loader.url):  # a connection would create a schema that is missing
        return [each.load_schema for each in project.accounts]
    return project.load_schemas.values()


def _of_accounts(project: Project, *, quota: bool) -> Iterator[Sample]:
    wanted = [each for each in project.accounts if quota or each.tap.has_retention]
    for extractor, kept in zip(wanted, map(partial(accounts.kept, project), wanted), strict=True):
        for probe in accounts.probes(extractor, kept):
            labels = {"tap": extractor.name, "account": probe.finding.part}
            if probe.days_left is not None:
                yield Sample("retention_days_left", labels, probe.days_left)
            if quota and probe.client is not None:
                accounts.finding(probe)
                head = probe.client.last_headers
                if head is not None and head.remaining is not None:
                    yield Sample("quota_requests_left", labels, head.remaining)
