"""`attribution-elt run`: runs each task of a job separately."""

from __future__ import annotations

import sys
from collections.abc import Iterable, Iterator, Sequence

import click

from attribution_elt.cli.display import display, exit_code_of
from attribution_elt.cli.extras import create_views
from attribution_elt.core.errors import OpsError
from attribution_elt.meltano import views
from attribution_elt.meltano.display import Display
from attribution_elt.meltano.execution import execute
from attribution_elt.meltano.failures import record_failures
from attribution_elt.meltano.outcome import Outcome
from attribution_elt.meltano.project import Project
from attribution_elt.meltano.schedules import Blocks, Chain, chain_of
from attribution_elt.meltano.webhook import alert

WITH_VALUE = ("--state-id-suffix", "--state-strategy", "--timeout", "--database-uri")
"""Options of `meltano run` whose value may be the next argument."""


@click.command(context_settings={"ignore_unknown_options": True})
@click.argument("blocks", nargs=-1, required=True, type=click.UNPROCESSED, metavar="JOB...")
@click.option(
    "--no-failure-alert",
    is_flag=True,
    help="Do not alert on failure. For schedulers that retry and alert themselves.",
)
@click.pass_obj
def run(project: Project, blocks: tuple[str, ...], *, no_failure_alert: bool) -> None:
    """Run jobs, each task separately.

    A failed task does not stop the others. Extractors of jobs are skipped if they have no
    credentials. Pass plugins such as `tap-ecdp target-warehouse` to run them without a job. Options
    of `meltano run` are passed on.

    On a terminal, the command shows progress and a summary; otherwise it prints JSON lines. Exit
    with 1 if any task failed.
    """
    options, names = split_options(blocks)
    if not names:
        raise click.UsageError("Missing argument 'JOB...'.")
    if any(each.partition("=")[0] == "--run-id" for each in options):
        raise click.UsageError("--run-id: each task gets its own, which the summary has.")
    with display() as shown:
        shown.note(f"starting {' '.join(names)}; reading meltano.yml")
        chains, skipped = plan(project, names)
        outcomes: list[Outcome] = []
        for number, chain in enumerate(chains, 1):
            for each in chain:
                shown.note(f"task {number} of {len(chains)}: {' '.join(each)}")
                outcomes.append(_run(project, each, options, shown))
                if outcomes[-1].exit_code:
                    break
            if outcomes[-1].interrupted:
                break
        shown.summarize(outcomes, skipped)
        alert(project, outcomes, shown, failure_alert=not no_failure_alert)
    if not outcomes:
        todo = f"set the credentials of {' or '.join(skipped)} in .env" if skipped else "no task"
        raise OpsError(f"nothing was run: {todo}")
    sys.exit(exit_code_of(outcomes))


def split_options(arguments: Iterable[str]) -> tuple[list[str], list[str]]:
    """Divide the arguments of `meltano run` into options and blocks."""
    options: list[str] = []
    blocks: list[str] = []
    for each in arguments:
        belongs_to_option = bool(options) and options[-1] in WITH_VALUE
        (options if each.startswith("-") or belongs_to_option else blocks).append(each)
    return options, blocks


def plan(project: Project, names: Iterable[str]) -> tuple[list[Chain], list[str]]:
    """Return the chains of runs, and the extractors skipped because they have no credentials.

    A chain ends before the first extractor that is skipped, because later runs need its data.
    """
    jobs = {job.name: job for job in project.jobs}
    chains: list[Chain] = []
    skipped: dict[str, None] = {}
    plugins: list[str] = []
    for name in names:
        if name not in jobs:
            plugins.append(name)
            continue
        for task in jobs[name].tasks:
            chain = list(_configured(project, task, skipped))
            if chain:
                chains.append(chain)
    if plugins:
        chains.append(chain_of(plugins, project.extractors))
    return chains, list(skipped)


def _configured(project: Project, task: Chain, skipped: dict[str, None]) -> Iterator[Blocks]:
    for blocks in task:
        extractor = project.extractors.get(blocks[0])
        if extractor is not None and not extractor.configured:
            skipped[extractor.name] = None
            return
        yield blocks


def _run(project: Project, blocks: Blocks, options: Sequence[str], shown: Display) -> Outcome:
    _create_views(project, blocks, shown)
    outcome = execute(project.meltano, blocks, shown, options=options)
    record_failures(project, outcome, shown)
    return outcome


def _create_views(project: Project, blocks: Blocks, shown: Display) -> None:
    """Create the view that the extractor of a run reads from; a failure is a note."""
    extractor = project.extractors.get(blocks[0])
    if extractor is None or not views.is_read_by(extractor):
        return
    for loader in [project.loaders[each] for each in blocks if each in project.loaders]:
        try:
            create_views(project, loader)
        except OpsError as error:
            shown.note(str(error))
