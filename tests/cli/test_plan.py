from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import pytest
from click.testing import CliRunner
from tap_ecdp.tap import TapEcdp
from tap_ihc.tap import TapIhc

from attribution_elt.cli.run import plan, run, split_options
from attribution_elt.meltano.project import Extractor, Project
from attribution_elt.meltano.schedules import Job

ECDP, IHC = ("tap-ecdp", "target"), ("tap-ihc", "target")
JOBS = [
    {"name": "ecdp", "tasks": ["tap-ecdp target"]},
    {"name": "ihc", "tasks": ["tap-ihc target"]},
    {"name": "both", "tasks": ["tap-ecdp target tap-ihc target"]},
    {"name": "all", "tasks": ["tap-ihc target", "tap-ecdp target", "dbt:run"]},
]


class FakeProject(Project):
    """A project with an account at ECDP and none at IHC."""

    extractors: dict[str, Extractor] = {  # noqa: RUF012 - a stand-in
        "tap-ecdp": Extractor("tap-ecdp", TapEcdp, "tap_ecdp", {"api_key": "made-up"}),
        "tap-ihc": Extractor("tap-ihc", TapIhc, "tap_ihc", {"api_key": ""}),
    }

    @property
    def jobs(self) -> list[Job]:
        return [Job.of(each, self.extractors) for each in JOBS]


@pytest.mark.parametrize(
    ("names", "chains", "skipped"),
    [
        (["ecdp"], [[ECDP]], []),
        (["ecdp", "ihc"], [[ECDP]], ["tap-ihc"]),
        (["both"], [[ECDP]], ["tap-ihc"]),
        (["all"], [[ECDP], [("dbt:run",)]], ["tap-ihc"]),
        (["ihc"], [], ["tap-ihc"]),
        (["tap-ihc", "target"], [[IHC]], []),
        (["tap-ecdp", "target", "tap-ihc", "target"], [[ECDP, IHC]], []),
    ],
)
def test_each_task_is_a_run_and_extractors_without_credentials_are_skipped(
    names: Sequence[str], chains: Any, skipped: Sequence[str]
) -> None:
    assert plan(FakeProject("dev"), names) == (chains, skipped)


def test_options_of_meltano_run_keep_their_values() -> None:
    given = ["--full-refresh", "ecdp", "--state-id-suffix", "shop", "--timeout=9", "ihc"]
    assert split_options(given) == (
        ["--full-refresh", "--state-id-suffix", "shop", "--timeout=9"],
        ["ecdp", "ihc"],
    )


@pytest.mark.parametrize("given", [["--run-id", "1"], ["--run-id=1"]])
def test_a_run_id_is_refused_because_each_task_has_its_own(given: list[str]) -> None:
    done = CliRunner().invoke(run, [*given, "ecdp"], obj=FakeProject("dev"))
    assert done.exit_code == 2
    assert "each task gets its own" in done.output
