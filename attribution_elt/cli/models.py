"""`attribution-elt models`: build and test the SQL models of `transform/`."""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import closing
from typing import TYPE_CHECKING, Any

import click
import yaml

from attribution_elt.cli.extras import extra
from attribution_elt.core.errors import OpsError
from attribution_elt.core.redaction import redactor
from attribution_elt.core.text import counted
from attribution_elt.meltano.project import MODELS, Project

if TYPE_CHECKING:
    from attribution_elt.models.build import Models, Tested


@click.command()
@click.option(
    "--select",
    "wanted",
    metavar="NAMES",
    multiple=True,
    help="Models to build, or a folder of models such as `marts`. `+NAME` adds the models that "
    "it reads, `NAME+` the models that read it. Repeatable; separate names by spaces.",
)
@click.option(
    "--var",
    "assignments",
    metavar="NAME=VALUE",
    multiple=True,
    help="Value of a variable of dbt_project.yml. Repeatable.",
)
@click.option(
    "--schema", metavar="NAME", default=MODELS, show_default=True, help="Schema to build in."
)
@click.option("--dry-run", is_flag=True, help="List what would be built, and write nothing.")
@click.pass_obj
def models(
    project: Project,
    *,
    wanted: tuple[str, ...],
    assignments: tuple[str, ...],
    schema: str,
    dry_run: bool,
) -> None:
    """Build and test the SQL models of transform/.

    Each model is replaced in a separate transaction. Models of vendors whose tables do not exist
    are left out. Exit with 1 if a test fails.
    """
    with extra("report", "the command models"):
        from attribution_elt.models.project import open_models  # noqa: PLC0415 - Jinja is an extra
    chosen_variables = _variables(assignments)
    with closing(open_models(project, schema, chosen_variables, dry_run=dry_run)) as opened:
        chosen = opened.chosen(name for names in wanted for name in names.split())
        _show_left_out(opened, chosen)
        if dry_run:
            for name in chosen:
                click.echo(f"would build  {name}")
            return
        for built in opened.build(chosen):
            what = "view" if built.is_view else f"{built.rows:,} rows"
            click.echo(f"built   {built.name} ({what}, {built.seconds:.1f} s)")
        failed = [each for each in opened.test(chosen) if not _show_test(each)]
    if failed:
        raise OpsError(f"{len(failed)} of the models' tests failed")


def _variables(assignments: Sequence[str]) -> dict[str, Any]:
    variables = {}
    for assignment in assignments:
        name, equals, value = assignment.partition("=")
        if not equals:
            raise OpsError(f"--var {assignment!r} is not NAME=VALUE")
        try:
            variables[name] = yaml.safe_load(value) if value else ""
        except yaml.YAMLError:
            raise OpsError(f"--var {name}: the value is not valid YAML") from None
    return variables


def _show_left_out(opened: Models, chosen: Sequence[str]) -> None:
    """Print the tables that do not exist, and the models that are left out because of that."""
    for account, read in opened.tables.left_out.items():
        click.echo(f"not read: {account}, because models read one account of a vendor: {read}")
    for source, names in opened.plan.missing.items():
        click.echo(f"not loaded: {source} ({', '.join(names)})")
    if opened.plan.left_out:
        click.echo(f"left out: {', '.join(sorted(opened.plan.left_out))}")
    if not chosen:
        raise OpsError("nothing to build: no model has an existing table to read")


def _show_test(tested: Tested) -> bool:
    """Print a test that found rows; return whether the exit code may stay 0."""
    if tested.failures:
        mark = "warning" if tested.warns_only else "failed "
        click.echo(redactor(f"{mark}  {tested.name} ({counted(tested.failures, 'row')})"))
    return tested.passed
