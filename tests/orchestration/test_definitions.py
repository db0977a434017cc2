from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import dagster
import pytest
import yaml

from attribution_elt.meltano.project import Project
from attribution_elt.orchestration.definitions import assemble
from attribution_elt.orchestration.task import name_of
from tests.orchestration.helpers import enter, with_second_account
from tests.pipeline.meltano import PROJECT, environment

FIRST = {"tap-ecdp": {"api_key": "of-shop-one"}}
SECOND = {"tap-ecdp-shop-two": {"api_key": "of-shop-two"}}


@pytest.fixture(scope="module")
def assembled(tmp_path_factory: pytest.TempPathFactory) -> Iterator[dagster.Definitions]:
    """Return the definitions of the project, whose second account has no key."""
    with pytest.MonkeyPatch.context() as patch:
        enter(patch, with_second_account(tmp_path_factory.mktemp("made")), environment(FIRST))
        yield assemble(Project("prod"))


def test_the_definitions_are_those_of_meltano_yml(assembled: dagster.Definitions) -> None:
    document = yaml.safe_load((PROJECT / "meltano.yml").read_text())
    dagster.Definitions.validate_loadable(assembled)
    repository = assembled.get_repository_def()
    assert {
        each.name: (each.cron_schedule, each.job_name) for each in repository.schedule_defs
    } == {
        name_of(each["name"]): (each["interval"], name_of(each["job"]))
        for each in document["schedules"]
    }
    assert {each.execution_timezone for each in repository.schedule_defs} == {"UTC"}
    for job in document["jobs"]:
        taps = {word for task in job["tasks"] for word in task.split() if word.startswith("tap-")}
        if job["name"] == "ecdp":
            taps.add("tap-ecdp-shop-two")
        found = {node.name for node in repository.get_job(name_of(job["name"])).nodes}
        assert found == {name_of(tap, "target-warehouse") for tap in taps}


def test_tasks_of_a_job_do_not_wait_for_each_other_but_parts_of_one_do(
    assembled: dagster.Definitions,
) -> None:
    repository = assembled.get_repository_def()

    def waits(job: str) -> dict[str, list[str]]:
        structure = repository.get_job(job).dependencies
        return {
            node.name: [
                each.node for inputs in found.values() for each in inputs.get_node_dependencies()
            ]
            for node, found in structure.items()
        }

    assert {tuple(each) for each in waits("all").values()} == {()}
    assert waits("ihc_credits")["tap_ihc_to_target_warehouse"] == [
        "tap_attribution_io_to_target_warehouse"
    ]


def test_accounts_with_the_same_credentials_share_a_quota(assembled: dagster.Definitions) -> None:
    ops = {
        node.definition.name: node.definition
        for job in assembled.get_repository_def().get_all_jobs()
        for node in job.nodes
    }
    pools = {name: op.pool for name, op in ops.items() if isinstance(op, dagster.OpDefinition)}
    assert pools.pop("tap_ecdp_shop_two_to_target_warehouse") == "tap-ecdp"
    assert len(set(pools.values())) == len(pools)


def test_accounts_with_separate_keys_do_not_share_a_quota(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    enter(monkeypatch, with_second_account(tmp_path / "project"), environment(FIRST | SECOND))
    nodes = assemble(Project("prod")).get_repository_def().get_job("ecdp").nodes
    pools = {
        node.definition.pool for node in nodes if isinstance(node.definition, dagster.OpDefinition)
    }
    assert pools == {"tap-ecdp", "tap-ecdp-shop-two"}


def test_names_have_ascii_characters_only() -> None:
    name = name_of("täglich", "target-warehouse")
    assert dagster.GraphDefinition(name=name).name == "t_glich_to_target_warehouse"
