"""The result of a check."""

from __future__ import annotations

from dataclasses import dataclass, field

SKEW = 60
"""Maximum seconds between another clock and ours."""


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

    def judge_clock(self, whose: str, ahead: float) -> None:
        """Add a fact or a problem, given the seconds by which a clock is ahead of ours."""
        if abs(ahead) > SKEW:
            side = "ahead of" if ahead > 0 else "behind"
            off = f"{whose} clock is {abs(ahead):.0f} s {side} this machine's"
            self.problems.append(f"{off}: set the clock")
        else:
            self.facts.append(f"clocks differ by {abs(ahead):.0f} s" if ahead else "clocks agree")

    @property
    def passed(self) -> bool:
        """Whether there is nothing to do."""
        return not self.problems
