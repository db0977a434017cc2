"""`attribution-elt views`: the views that taps read from."""

from __future__ import annotations

import click

from attribution_elt.cli.extras import create_views
from attribution_elt.meltano.project import Project
from attribution_elt.meltano.views import has_views


@click.command()
@click.pass_obj
def views(project: Project) -> None:
    """Create the views that taps read from.

    One of them contains the journeys that tap-ihc sends. A view is created or replaced in every
    schema that has its tables. The command `run` creates the views of the taps that it runs.
    """
    for loader in project.loaders.values():
        found = create_views(project, loader)
        for view in found:
            tables = ", ".join(sorted(view.missing))
            click.echo(
                f"{loader.name}: {view.title} "
                + (f"needs the tables {tables}: load them first" if tables else "created")
            )
        if not found:
            missing = "the tables of the views do not exist yet; load them first"
            why = missing if has_views(loader) else "no views in this kind of warehouse"
            click.echo(f"{loader.name}: {why}")
