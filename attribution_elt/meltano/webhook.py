"""Tells a webhook what somebody should look at; in it are no secrets and no personal data."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import requests

from attribution_elt.cli.display import Display
from attribution_elt.core.errors import OpsError
from attribution_elt.core.redaction import redactor
from attribution_elt.meltano.execution import Outcome
from attribution_elt.meltano.project import Project

TIMEOUT = 10
"""Seconds that a webhook has to answer."""
MOST_LINES = 30
"""Lines of one alert."""
KEPT = "attribution-elt-alerts"
"""What Meltano calls the state in which the drift is kept that was told before."""


def tell(
    project: Project, outcome: Outcome, display: Display, *, failure_alert: bool = True
) -> None:
    """Send what went wrong in a run, if anything did; a webhook that fails is only a warning.

    Args:
        project: whose webhook it is.
        outcome: of the run.
        display: where the warning goes.
        failure_alert: whether to tell that it failed; what was lost or is new is told anyway.
    """
    drift = [f"{p.tap}, {each}" for p in outcome.watch.pipelines.values() for each in p.drift]
    lines = list(_failures(outcome)) if failure_alert else []
    lines += [f"{p.tap}: {each}" for p in outcome.watch.pipelines.values() for each in p.days_lost]
    try:
        url = project.webhook if lines or drift else None
        if url is None:
            return
        known = project.state(_kept(project)).get("drift", {}) if drift else {}
        new = [each for each in drift if each not in known]
        lines += [f"new from the vendor: {each}" for each in new]
        if lines:
            how = "failed" if outcome.exit_code else "succeeded, but look"
            title = f"{project.environment}: run {outcome.run_id} {how}"
            send(url, title, lines)
        if new:
            told = {**known, **dict.fromkeys(new, True)}
            project.keep_state(_kept(project), {"drift": told})
    except OpsError as error:
        display.say(f"no alert could be sent: {error}")


def _kept(project: Project) -> str:
    return f"{project.environment}:{KEPT}"


def _failures(outcome: Outcome) -> Iterator[str]:
    if outcome.exit_code:
        yield from outcome.watch.complaints or [f"exit code {outcome.exit_code}"]


def send(url: str, title: str, lines: Sequence[str]) -> None:
    """Post a message as Slack takes it.

    Raises:
        OpsError: it did not arrive; the text does not hold the URL, which is secret.
    """
    shown = list(lines[:MOST_LINES])
    if len(lines) > MOST_LINES:
        shown.append(f"and {len(lines) - MOST_LINES} more")
    text = redactor("\n".join([f"*{title}*", *(f"• {line}" for line in shown)]))
    for character, entity in (("&", "&amp;"), ("<", "&lt;"), (">", "&gt;")):
        text = text.replace(character, entity)
    try:
        answer = requests.post(url, json={"text": text}, timeout=TIMEOUT, allow_redirects=False)
    except (requests.RequestException, ValueError) as error:
        raise OpsError(f"the webhook cannot be reached ({type(error).__name__})") from None
    if answer.status_code // 100 != 2:
        raise OpsError(f"the webhook answered {answer.status_code}")
