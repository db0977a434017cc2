"""The result of a check."""

from __future__ import annotations

from dataclasses import dataclass, field


@dataclass
class Finding:
    """The facts and the problems of one subject.

    Attributes:
        subject: the plugin, or the machine.
        part: the account, if a plugin has several.
        facts: results that are in order.
        problems: things that the user has to do.
    """

    subject: str
    part: str = ""
    facts: list[str] = field(default_factory=list)
    problems: list[str] = field(default_factory=list)

    @property
    def passed(self) -> bool:
        """Whether there is nothing to do."""
        return not self.problems
