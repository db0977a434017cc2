"""Dagster's definitions of the jobs and schedules of `meltano.yml`."""

from __future__ import annotations

import os

import dagster

from attribution_elt.meltano.project import Project, enter_root, load_variables
from attribution_elt.meltano.schedules import Job
from attribution_elt.orchestration import alerts
from attribution_elt.orchestration.assets import assets
from attribution_elt.orchestration.task import SCHEDULE, name_of, task

RETRY = dagster.RetryPolicy(
    max_retries=2,
    # For five minutes, Meltano treats a killed run as running.
    delay=360,
    backoff=dagster.Backoff.EXPONENTIAL,
)


def assemble(
    project: Project,
    *,
    retry: dagster.RetryPolicy = RETRY,
    executor: dagster.ExecutorDefinition | None = None,
) -> dagster.Definitions:
    """Return a project's jobs, schedules and assets.

    `retry` is for failed tasks. Without an executor, tasks are processes on this machine.
    """
    runs = {blocks for job in project.jobs for blocks in job.runs}
    tasks = {blocks: task(project, blocks, retry) for blocks in sorted(runs)}

    def compose(meltano_job: Job) -> dagster.JobDefinition:
        @dagster.job(name=name_of(meltano_job.name))
        def composed() -> None:
            for chain in meltano_job.tasks:
                done = tasks[chain[0]]()
                for blocks in chain[1:]:
                    done = tasks[blocks](after=done)

        return composed

    return dagster.Definitions(
        assets=assets(project),
        jobs=[compose(each) for each in project.jobs],
        schedules=[
            dagster.ScheduleDefinition(
                name=name_of(each.name),
                job_name=name_of(each.job),
                cron_schedule=each.cron,
                execution_timezone="UTC",
                tags={SCHEDULE: each.name},
            )
            for each in project.schedules
            if each.cron
        ],
        sensors=[alerts.sensor(project)],
        executor=executor,
    )


def of_this_project(executor: dagster.ExecutorDefinition | None = None) -> dagster.Definitions:
    """Return the definitions of the working folder's project, with the default retries."""
    enter_root()
    load_variables()
    return assemble(Project(os.environ.get("MELTANO_ENVIRONMENT")), executor=executor)


@dagster.definitions
def definitions() -> dagster.Definitions:
    """Return the definitions for one machine."""
    return of_this_project()
