"""Alerts for runs that failed after their last retry."""

from __future__ import annotations

from collections.abc import Iterator

import dagster

from attribution_elt.core.errors import OpsError
from attribution_elt.meltano import webhook
from attribution_elt.meltano.project import Project


def sensor(project: Project) -> dagster.SensorDefinition:
    """Return the sensor that sends an alert for each failed run, after its last retry."""

    @dagster.run_failure_sensor(
        name="alerts",
        description="Sends failed runs to the webhook, with the reasons of every failed task.",
        default_status=dagster.DefaultSensorStatus.RUNNING,
    )
    def alert(context: dagster.RunFailureSensorContext) -> None:
        url = project.webhook
        if url is None:
            return
        lines = [line for each in context.get_step_failure_events() for line in _reasons(each)]
        title = f"{project.environment}: {context.dagster_run.job_name} failed"
        try:
            webhook.send(url, title, lines or [_first_line(context.failure_event.message)])
        except OpsError as error:
            context.log.warning("the alert could not be sent: %s", error)

    return alert


def _reasons(event: dagster.DagsterEvent) -> Iterator[str]:
    failed = event.step_failure_data
    if failed.user_failure_data and failed.user_failure_data.description:
        yield from failed.user_failure_data.description.splitlines()
    else:
        yield f"{event.step_key}: {_first_line(failed.error.message if failed.error else None)}"


def _first_line(text: str | None) -> str:
    return next(iter((text or "").splitlines()), "it failed without a message")
