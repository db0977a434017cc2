"""Tells the webhook of what failed for good."""

from __future__ import annotations

from collections.abc import Iterator

import dagster

from attribution_elt.meltano import webhook as alerts
from attribution_elt.meltano.project import Project


def sensor(project: Project) -> dagster.SensorDefinition:
    """Return what sends one alert for each run that failed, when its last retry has failed."""

    @dagster.run_failure_sensor(
        name="alerts",
        description="Tells the webhook of a run that failed, with every task that did and why.",
        default_status=dagster.DefaultSensorStatus.RUNNING,
    )
    def tell(context: dagster.RunFailureSensorContext) -> None:
        url = project.webhook
        if url is None:
            return
        lines = [line for each in context.get_step_failure_events() for line in _reasons(each)]
        title = f"{project.environment}: {context.dagster_run.job_name} failed"
        alerts.send(url, title, lines or [_first_line(context.failure_event.message)])

    return tell


def _reasons(event: dagster.DagsterEvent) -> Iterator[str]:
    failed = event.step_failure_data
    if failed.user_failure_data and failed.user_failure_data.description:
        yield from failed.user_failure_data.description.splitlines()
    else:
        yield f"{event.step_key}: {_first_line(failed.error.message if failed.error else None)}"


def _first_line(text: str | None) -> str:
    return next(iter((text or "").splitlines()), "it failed without a reason")
