"""Taps read the same rows from vendors that behave differently where documents are not clear."""

from __future__ import annotations

from collections.abc import Iterator
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest

from attribution_elt.sandbox import Sandbox
from tests.reliability.days import PIPELINES, Pipeline, at_the_sandbox, extract
from tests.tap_process import Output

BY_NAME = {pipeline.name: pipeline for pipeline in PIPELINES}
VARIANTS = [
    *((name, "keeps_alive", False) for name in BY_NAME),
    *((name, "compressed", True) for name in BY_NAME),
    *((name, "shuffled", True) for name in BY_NAME),
    *((name, "chunked", True) for name in ("ecdp", "ignite", "attribution-io")),
    ("ecdp", "date_rule", "strict"),
    ("ecdp", "empty_as", "list"),
    *(("adtraction", "empty_as", form) for form in ("list", "no_content", "envelope")),
    ("adtraction", "page_size", 2),
    ("adtraction", "filters_need_channel", False),
    ("adtraction", "chunked_feeds", False),
    ("ihc", "trigger_ids", "session_id"),
]


@pytest.fixture(scope="module")
def sandbox() -> Iterator[Sandbox]:
    with at_the_sandbox(0) as opened:
        opened.adtraction.feed_sizes = (5, 0)
        yield opened


@pytest.fixture(scope="module")
def usual(sandbox: Sandbox, tmp_path_factory: pytest.TempPathFactory) -> dict[str, Output]:
    folder = tmp_path_factory.mktemp("usual")
    return {name: extract(pipeline, sandbox, folder) for name, pipeline in BY_NAME.items()}


def rows(pipeline: Pipeline, output: Output) -> dict[str, list[str]]:
    """Return the sorted rows of all streams."""
    assert (output.code, output.stderr) == (0, "")
    streams = {message["stream"] for message in output.of("SCHEMA")}
    return {
        stream: sorted(
            str({name: row[name] for name in sorted(set(row) - pipeline.volatile)})
            for row in output.records(stream)
        )
        for stream in streams
    }


@pytest.mark.parametrize("variant", VARIANTS, ids=lambda variant: "-".join(map(str, variant)))
def test_rows_do_not_depend_on_a_variant(
    variant: tuple[str, str, Any], sandbox: Sandbox, usual: dict[str, Output], tmp_path: Path
) -> None:
    name, setting, value = variant
    pipeline = BY_NAME[name]
    expected = rows(pipeline, usual[name])
    assert all(expected.values()) or name == "ihc"
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(pipeline.vendor(sandbox), setting, value)
        assert rows(pipeline, extract(pipeline, sandbox, tmp_path)) == expected


def test_entries_of_one_source_are_separate_rows(sandbox: Sandbox, tmp_path: Path) -> None:
    vendor = sandbox.attribution_io
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(vendor, "split_attributions", True)
        entries = [
            entry
            for customer in vendor.truth()
            for name, value in customer["summary"].items()
            if name.endswith("_attrib")
            for entry in value
        ]
        output = extract(BY_NAME["attribution-io"], sandbox, tmp_path)
    assert len(output.rows("customer_attributions")) == len(entries)


def test_each_model_of_an_event_has_its_rows(sandbox: Sandbox, tmp_path: Path) -> None:
    vendor = sandbox.attribution_io
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(vendor, "all_models", True)
        output = extract(BY_NAME["attribution-io"], sandbox, tmp_path)
    sums: dict[tuple[int, str], Decimal] = {}
    for row in output.rows("event_attributions").values():
        key = (row["event_id"], row["attribution_model_name"])
        sums[key] = sums.get(key, Decimal()) + Decimal(str(row["weight"]))
    assert {round(total, 6) for total in sums.values()} == {100}
    assert len(sums) > len({event for event, _ in sums})


def test_rounded_credits_are_accepted(sandbox: Sandbox, tmp_path: Path) -> None:
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(sandbox.ihc, "exact_sums", False)
        output = extract(BY_NAME["ihc"], sandbox, tmp_path)
    assert (output.code, output.stderr) == (0, "")
    assert len(output.rows("attributions")) == len(sandbox.ihc.sessions())


def test_missing_details_of_groups_fail_with_one_line_each(
    sandbox: Sandbox, usual: dict[str, Output], tmp_path: Path
) -> None:
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(sandbox.ignite, "group_details", False)
        output = extract(BY_NAME["ignite"], sandbox, tmp_path)
    assert output.code == 1
    lines = output.stderr.splitlines()
    assert all("audience_groups" in line and "404" in line for line in lines), lines
    assert output.rows("audience_members") == usual["ignite"].rows("audience_members")
