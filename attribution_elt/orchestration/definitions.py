"""What Dagster is to run: the jobs and schedules of `meltano.yml`."""

from __future__ import annotations

import os

import dagster

from attribution_elt.meltano.project import Project, enter_root
from attribution_elt.meltano.schedules import Job
from attribution_elt.orchestration import alerts
from attribution_elt.orchestration.task import SCHEDULE, name_of, task

RETRY = dagster.RetryPolicy(
    max_retries=2,
    # longer than the five minutes for which Meltano takes a run that was cut off for one going on
    delay=360,
    backoff=dagster.Backoff.EXPONENTIAL,
)


def assemble(
    project: Project,
    *,
    retry: dagster.RetryPolicy = RETRY,
    executor: dagster.ExecutorDefinition | None = None,
) -> dagster.Definitions:
    """Return a project's jobs and schedules.

    Args:
        project: whose `meltano.yml` it is.
        retry: how often, and how long after, what failed is tried again.
        executor: what starts the tasks; None: each is a process on this machine.
    """
    runs = {blocks for job in project.jobs for chain in job.chains for blocks in chain}
    tasks = {blocks: task(project, blocks, retry) for blocks in sorted(runs)}

    def compose(meltano_job: Job) -> dagster.JobDefinition:
        @dagster.job(name=name_of(meltano_job.name))
        def composed() -> None:
            for chain in meltano_job.chains:
                done = tasks[chain[0]]()
                for blocks in chain[1:]:
                    done = tasks[blocks](after=done)

        return composed

    return dagster.Definitions(
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
    """Return those of the project that the working folder is in, with its own retries."""
    enter_root()
    return assemble(Project(os.environ.get("MELTANO_ENVIRONMENT")), executor=executor)


@dagster.definitions
def definitions() -> dagster.Definitions:
    """Return what Dagster runs on one machine."""
    return of_this_project()
