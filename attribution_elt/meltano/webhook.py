"""Alerts to a webhook, without secrets and personal data."""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence

import requests

from attribution_elt.core.errors import OpsError, in_a_line
from attribution_elt.core.redaction import redactor
from attribution_elt.core.text import printable
from attribution_elt.meltano.display import Display
from attribution_elt.meltano.execution import pipelines
from attribution_elt.meltano.outcome import Outcome
from attribution_elt.meltano.project import Project

TIMEOUT = 10
"""Timeout in seconds between two bytes of the webhook's response."""
MOST_LINES = 30
"""Maximum number of lines of an alert."""
MOST_KEPT = 1000
"""Maximum number of properties that are stored as reported; the oldest ones are dropped."""
STATE = "attribution-elt-alerts"
"""Name of the state in Meltano's store with the drift that was reported before."""
_MARKUP = re.compile(r"(?<=[@*~`])|(?<=:)(?=//)")
"""Positions where a zero-width space prevents a mention, a format or a link in a chat service."""
_ZERO_WIDTH_SPACE = "\u200b"


def alert(
    project: Project, outcomes: Sequence[Outcome], display: Display, *, failure_alert: bool = True
) -> None:
    """Send the failures, lost days and new properties of runs, if there are any.

    Interrupted runs have not failed. Without `failure_alert`, only lost days and new properties are
    sent. If an alert cannot be sent, a note is shown; the run does not fail.
    """
    failed = [each for each in outcomes if each.exit_code and not each.interrupted]
    lines = [line for each in failed for line in each.complaints] if failure_alert else []
    every = list(pipelines(outcomes))
    lines += [f"{pipeline.tap}: {each}" for pipeline in every for each in pipeline.days_lost]
    drift = [f"{pipeline.tap}, {each}" for pipeline in every for each in pipeline.drift]
    if not lines and not drift:
        return
    try:
        if url := project.webhook:
            _send_new(project, url, _title(project, outcomes, failed), lines, drift)
    except (OpsError, OSError) as error:
        display.note(f"the alert could not be sent: {in_a_line(error)}")


def _title(project: Project, outcomes: Sequence[Outcome], failed: Sequence[Outcome]) -> str:
    if len(outcomes) > 1:
        return f"{project.environment}: {len(failed)} of {len(outcomes)} runs failed"
    ended = "failed" if failed else "succeeded with warnings"
    return f"{project.environment}: run {outcomes[0].run_id} {ended}"


def _send_new(
    project: Project, url: str, title: str, lines: Sequence[str], drift: Iterable[str]
) -> None:
    """Send the lines, and the drift that was not reported before."""
    state_id = f"{project.environment}:{STATE}"
    try:
        reported: dict[str, bool] = project.state(state_id).get("drift", {}) if drift else {}
    except OpsError:
        reported = {}  # drift that is sent twice is better than a failure that is not sent
    new = [each for each in dict.fromkeys(drift) if each not in reported]
    lines = [*lines, *(f"new from the vendor: {each}" for each in new)]
    if lines:
        send(url, title, lines)
    if new:
        every = {**reported, **dict.fromkeys(new, True)}
        # Meltano merges states, so properties that are dropped have to be cleared first
        if len(every) > MOST_KEPT:
            project.meltano.ask("state", "clear", "--force", state_id)
        project.keep_state(state_id, {"drift": dict(list(every.items())[-MOST_KEPT:])})


def send(url: str, title: str, lines: Sequence[str]) -> None:
    """Post a message in Slack's format.

    Raises:
        OpsError: the message did not arrive; the text does not contain the URL, which is secret.
    """
    shown = list(lines[:MOST_LINES])
    if len(lines) > MOST_LINES:
        shown.append(f"and {len(lines) - MOST_LINES} more")
    text = "\n".join([f"*{_plain(title)}*", *(f"• {_plain(line)}" for line in shown)])
    try:
        # the body of the response has no effect, and may be broken or endless
        with requests.post(
            url, json={"text": text}, timeout=TIMEOUT, allow_redirects=False, stream=True
        ) as answer:
            status = answer.status_code
    except (requests.RequestException, ValueError) as error:
        raise OpsError(f"the webhook cannot be reached ({type(error).__name__})") from None
    if status // 100 != 2:
        raise OpsError(f"the webhook returned {status}")


def _plain(text: str) -> str:
    """Return a text that a chat service shows unchanged: no mention, format, link or entity."""
    text = _MARKUP.sub(_ZERO_WIDTH_SPACE, printable(redactor(text)))
    for character, entity in (("&", "&amp;"), ("<", "&lt;"), (">", "&gt;")):
        text = text.replace(character, entity)
    return text
