"""Totals that vendors send are compared with the rows that arrived."""

from __future__ import annotations

import logging
import re
from collections.abc import Iterator
from pathlib import Path

import pytest

from attribution_elt.kit.totals import MOST_NAMED
from attribution_elt.sandbox import Fault, Sandbox
from tests.reliability.days import PIPELINES, Pipeline, at_the_sandbox, extract
from tests.tap_process import Output

TOTALS = {
    "ecdp": (
        rb'"productsCount": ?(\d+)',
        (
            r"attributed_order_lines, order \d+ of website \d+: "
            r"products_count is 99, but \d+ rows? arrived"
        ),
    ),
    "adtraction": (
        rb'"numberOfProducts": ?(\d+)',
        (
            r"products, feed \d+ of program \d+, channel \d+: "
            r"number_of_products is 99, but \d+ rows? arrived"
        ),
    ),
    "attribution-io": (
        rb'"touchpoints_count": ?(\d+)',
        r"touchpoints, customer .+: touchpoints_count is 99, but \d+ rows? arrived",
    ),
    "ihc": (
        rb'"ihc": ?([\d.]+)',
        (
            r"attributions, a journey of \d+ sessions? among \d+ journeys of \d+ sessions: "
            r"ihc adds up to (99|9[89]\.\d+), not to 1"
        ),
    ),
}
"""The total in each vendor's responses, and the warning if it is 99."""


@pytest.fixture(scope="module")
def sandbox() -> Iterator[Sandbox]:
    with at_the_sandbox(0.02) as opened:
        opened.ecdp.history_days, opened.attribution_io.customer_count = 12, 10
        yield opened


def run(pipeline: Pipeline, sandbox: Sandbox, folder: Path, *, wrong: int) -> Output:
    """Run a tap while so many totals in the first response that has any are 99."""
    pattern = re.compile(TOTALS[pipeline.name][0])

    def change(body: bytes) -> bytes:
        nonlocal wrong
        found = list(pattern.finditer(body))[:wrong]
        wrong -= len(found)
        for each in reversed(found):
            body = body[: each.start(1)] + b"99" + body[each.end(1) :]
        return body

    vendor = pipeline.vendor(sandbox)
    vendor.faults.add(Fault("altered", times=None, change=change))
    output = extract(pipeline, sandbox, folder, max_concurrent_requests=1)
    vendor.faults.clear()
    assert wrong == 0
    return output


@pytest.mark.parametrize("pipeline", [each for each in PIPELINES if each.name in TOTALS], ids=str)
def test_a_total_that_differs_is_a_warning(
    pipeline: Pipeline, sandbox: Sandbox, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    assert run(pipeline, sandbox, tmp_path, wrong=1).code == 0
    [warning] = warnings(caplog)
    assert re.fullmatch(TOTALS[pipeline.name][1], warning)
    caplog.clear()
    for _ in range(3):
        sandbox.advance()
        run(pipeline, sandbox, tmp_path, wrong=0)
    assert warnings(caplog) == []


def test_only_the_first_units_are_named(
    sandbox: Sandbox, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    run(PIPELINES[0], sandbox, tmp_path, wrong=MOST_NAMED + 3)
    *named, last = warnings(caplog)
    assert len(named) == MOST_NAMED
    assert (
        last
        == "attributed_order_lines: 3 more totals of the vendor differ from the rows that arrived"
    )


def test_rounded_credits_add_up(
    sandbox: Sandbox,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
) -> None:
    monkeypatch.setattr(sandbox.ihc, "exact_sums", False)
    [pipeline] = [each for each in PIPELINES if each.name == "ihc"]
    run(pipeline, sandbox, tmp_path, wrong=0)
    assert warnings(caplog) == []


def warnings(caplog: pytest.LogCaptureFixture) -> list[str]:
    """Return the warnings about totals."""
    messages = [each.message for each in caplog.records if each.levelno == logging.WARNING]
    return [each for each in messages if re.search("arrived$|adds up", each)]
