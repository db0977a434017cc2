"""What a check has found, and how it is shown."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import asdict, dataclass, field

import click

from attribution_elt.core.redaction import redactor


@dataclass
class Finding:
    """What is well with something, and what is to be done about it.

    Attributes:
        subject: the plugin, or the machine.
        part: which of its accounts, if it has several.
        facts: what is well.
        problems: what is to be done.
    """

    subject: str
    part: str = ""
    facts: list[str] = field(default_factory=list)
    problems: list[str] = field(default_factory=list)

    @property
    def ok(self) -> bool:
        """Whether nothing is to be done."""
        return not self.problems


def show(findings: Sequence[Finding]) -> None:
    """Print a line each: green, or what is to be done; colours only on a terminal."""
    names = [" ".join(filter(None, (each.subject, each.part))) for each in findings]
    width = max(map(len, names), default=0)
    for name, each in zip(names, findings, strict=True):
        mark = click.style("ok   ", fg="green") if each.ok else click.style("to do", fg="red")
        told = "; ".join(each.problems or each.facts)
        click.echo(f"{mark}  {name:{width}}  {redactor(told)}")


def show_json(findings: Sequence[Finding]) -> None:
    """Print one JSON object."""
    checks = [{"ok": each.ok, **asdict(each)} for each in findings]
    document = {"ok": all(each.ok for each in findings), "checks": checks}
    click.echo(redactor(json.dumps(document, indent=2, ensure_ascii=False)))
