"""Credits are the vendor's, with timestamp and channel, wherever the journeys come from."""

from __future__ import annotations

import random
from datetime import UTC, datetime
from decimal import Decimal
from pathlib import Path
from typing import Any

import duckdb
import pyarrow as pa
import pytest
from pyarrow import parquet

from attribution_elt.sandbox import Fault
from attribution_elt.sandbox.ihc import Ihc, documented
from tests.tap_process import Output, Row
from tests.taps.tap_ihc.helpers import (
    CREDITS,
    expected,
    file_of,
    matches_truth,
    run_here,
    sent,
    settings,
    short,
    some,
    sums_to_one,
    table_of,
)

SAMPLE = documented.REQUEST["customer_journeys"]
PARAMETER = {
    "holder": {
        "direction": "any_session",
        "receive_threshold": 0.1,
        "redistribution_channel_labels": ["Direct", "💌 mail"],
    }
}
QUERY = "SELECT * FROM session"


def credits_of(vendor: Ihc, tmp_path: Path, rows: list[Row], **more: Any) -> Output:
    output = run_here(settings(vendor, file_of(tmp_path / "j.jsonl", rows), **more))
    assert (output.code, output.records("failures")) == (0, [])
    return output


def test_credits_are_the_truth_and_sum_to_one(vendor: Ihc, tmp_path: Path) -> None:
    rows = some(150)
    output = credits_of(vendor, tmp_path, rows)
    assert matches_truth(output.rows("attributions"), expected(vendor, rows))
    assert sums_to_one(output.rows("attributions"))
    assert vendor.split_journeys == set()
    for schema in output.of("SCHEMA"):
        assert schema["key_properties"] == ["conv_type_id", "conversion_id", "session_id"]


def test_credits_follow_the_conversion_type_and_the_redistribution(
    vendor: Ihc, tmp_path: Path
) -> None:
    rows = some(60)
    more: Row = {"conv_type_id": "returning_customers", "redistribution_parameter": PARAMETER}
    output = credits_of(vendor, tmp_path, rows, **more)
    truth = expected(vendor, rows, "returning_customers", PARAMETER)
    assert matches_truth(output.rows("attributions"), truth)
    assert truth != expected(vendor, rows, "returning_customers")
    for request in vendor.requests:
        assert request.query == {"conv_type_id": ["returning_customers"]}
        assert request.json()["redistribution_parameter"] == {
            "holder": {**PARAMETER["holder"], "receive_threshold": Decimal("0.1")}
        }


def test_credits_have_the_time_and_the_parameters_of_their_computation(
    vendor: Ihc, tmp_path: Path
) -> None:
    rows = short(3)
    before = datetime.now(UTC).replace(microsecond=0)
    hashes = []
    for more in ({}, {"redistribution_parameter": PARAMETER}, {"conv_type_id": "returning"}):
        vendor.models["returning"] = (1, 1, 1)
        for _ in range(2):
            records = credits_of(vendor, tmp_path, rows, **more).records("attributions")
            (computed,) = {row["computed_at"] for row in records}
            assert before <= datetime.fromisoformat(computed) <= datetime.now(UTC)
            hashes.append({row["parameters"] for row in records})
    assert all(len(each) == 1 for each in hashes)
    assert hashes[0] == hashes[1]
    assert hashes[0] != hashes[2] != hashes[4] != hashes[0]


def test_the_documented_sample_value_by_value(vendor: Ihc, tmp_path: Path) -> None:
    parameter = documented.REQUEST["redistribution_parameter"]
    output = credits_of(vendor, tmp_path, SAMPLE, redistribution_parameter=parameter)
    found = [
        (row["timestamp"], row["channel_label"], *(row[name] for name in CREDITS))
        for row in output.records("attributions")
    ]
    assert found == [
        (time, channel, *map(Decimal, numbers.split()))
        for time, channel, numbers in (
            ("2020-12-27T18:04:24Z", "Shopping - Brand", "0.4723 0.0    0.0 0.2537"),
            ("2021-01-05T13:10:14Z", "Affiliate", "       0.3635 0.4067 0.0 0.2524"),
            ("2021-01-10T16:58:36Z", "SEA - Brand", "     0.1642 0.4659 0.0 0.1537"),
            ("2021-01-10T17:09:33Z", "Email", "           0.0    0.1274 1.0 0.3402"),
        )
    ]
    assert {row["conversion_timestamp"] for row in output.records("attributions")} == {
        "2021-01-10T17:09:33Z"
    }
    assert b'"initializer":0.4723,"holder":0.0,"closer":0.0,"ihc":0.2537' in output.stdout
    (request,) = vendor.requests
    assert request.json() == documented.REQUEST


def test_sessions_of_conversions_may_be_interleaved_and_in_any_order(
    vendor: Ihc, tmp_path: Path
) -> None:
    rows = some(60)
    random.Random(3).shuffle(rows)
    output = credits_of(vendor, tmp_path, rows)
    assert matches_truth(output.rows("attributions"), expected(vendor, rows))
    assert vendor.split_journeys == set()


@pytest.mark.parametrize("name", ["j.csv", "j.json", "j.JSONL", "j.parquet"])
def test_a_file_of_journeys(vendor: Ihc, tmp_path: Path, name: str) -> None:
    rows = some(60)
    if name.endswith("parquet"):
        parquet.write_table(pa.Table.from_pylist(rows), tmp_path / name)
    else:
        file_of(tmp_path / name, rows)
    output = run_here(settings(vendor, tmp_path / name))
    assert matches_truth(output.rows("attributions"), expected(vendor, rows))


def test_a_query_of_journeys(vendor: Ihc, tmp_path: Path) -> None:
    rows = some(60)
    url = table_of(tmp_path / "shop.db", rows)
    output = run_here(settings(vendor, None, journeys_url=url, journeys_query=QUERY))
    assert matches_truth(output.rows("attributions"), expected(vendor, rows))


# types that databases and data frames give to the columns: instants, booleans, floats
TYPED = [
    (datetime(2026, 3, 1, 10, tzinfo=UTC), True, 1.0, False),
    (datetime(2026, 3, 2, 10, 0, 1, 500_000, tzinfo=UTC), False, None, True),
]
PLAIN = [
    {
        "conversion_id": "17",
        "session_id": f"{number}",
        "timestamp": f"2026-03-0{number} 10:00:0{number - 1} +0000",
        "channel_label": "Direct",
        "holder_engagement": 2 - number,
        "closer_engagement": number - 1,
        "conversion": number - 1,
    }
    for number in (1, 2)
]


def typed_table() -> pa.Table:
    return pa.table(
        {
            "conversion_id": [17, 17],
            "session_id": [1, 2],
            "timestamp": [moment for moment, *_ in TYPED],
            "channel_label": ["Direct", "Direct"],
            "holder_engagement": [holder for _, holder, _, _ in TYPED],
            "closer_engagement": [0.0, 1.0],
            "conversion": [conversion for *_, conversion in TYPED],
            "impression_interaction": pa.array([None, None], pa.int64()),
        }
    )


def test_typed_columns_are_written_as_the_vendor_reads_them(vendor: Ihc, tmp_path: Path) -> None:
    parquet.write_table(typed_table(), tmp_path / "j.parquet")
    path = tmp_path / "shop.duckdb"
    with duckdb.connect(str(path)) as connection:
        typed = typed_table()
        connection.register("given", typed)
        decimal = "closer_engagement::DECIMAL(3, 2) AS closer_engagement"
        connection.execute(f"CREATE TABLE session AS SELECT * REPLACE ({decimal}) FROM given")
    url = f"duckdb:///{path}"
    sources = (
        settings(vendor, tmp_path / "j.parquet"),
        settings(vendor, None, journeys_url=url, journeys_query=QUERY),
    )
    for config in sources:
        output = run_here(config)
        assert matches_truth(output.rows("attributions"), expected(vendor, PLAIN))
    assert [request.json()["customer_journeys"] for request in vendor.requests] == [PLAIN, PLAIN]


@pytest.mark.parametrize(
    ("conversions", "sessions"),
    [([17.0, 17.0], [1.0, 2.0]), ([b"17", b"17"], [b"1", b"2"])],
    ids=["floats", "bytes"],
)
def test_ids_in_columns_of_other_types(
    vendor: Ihc, tmp_path: Path, conversions: list[Any], sessions: list[Any]
) -> None:
    typed = typed_table()
    for name, values in (("conversion_id", conversions), ("session_id", sessions)):
        typed = typed.set_column(typed.column_names.index(name), name, pa.array(values))
    parquet.write_table(typed, tmp_path / "j.parquet")
    output = run_here(settings(vendor, tmp_path / "j.parquet"))
    assert matches_truth(output.rows("attributions"), expected(vendor, PLAIN))


def test_texts_of_a_csv_file_are_converted_to_their_types(vendor: Ihc, tmp_path: Path) -> None:
    (tmp_path / "j.csv").write_text(
        "\ufeffsession_id,conversion_id,timestamp,channel_label,note,"
        "holder_engagement,closer_engagement,conversion,impression_interaction\r\n"
        "1,17,2026-03-01T10:00:00Z,Direct,,1.0,false,0,\r\n"
        "2,17,2026-3-2 12:00:01 +0200,Direct,x,FALSE,true, 1 ,\r\n"
    )
    output = run_here(settings(vendor, tmp_path / "j.csv"))
    assert matches_truth(output.rows("attributions"), expected(vendor, PLAIN))


def test_texts_lose_characters_that_no_warehouse_holds(vendor: Ihc, tmp_path: Path) -> None:
    rows = short(1)
    spoilt = [
        {**row, "channel_label": "a\x00b", "session_id": f"\x00{n}"} for n, row in enumerate(rows)
    ]
    output = credits_of(vendor, tmp_path, spoilt)
    found = [(row["session_id"], row["channel_label"]) for row in output.records("attributions")]
    assert found == [("0", "ab"), ("1", "ab"), ("2", "ab")]


def test_members_of_the_response_may_come_in_any_order(vendor: Ihc, tmp_path: Path) -> None:
    rows = short(1)
    value = ",".join(
        str(
            {
                **{name: row[name] for name in ("conversion_id", "session_id")},
                **dict.fromkeys(CREDITS, 0.5),
            }
        ).replace("'", '"')
        for row in rows
    )
    body = f'{{"partialFailureErrors":[],"statusCode":200,"value":[{value}]}}'
    vendor.faults.add(Fault("status", status=200, body=body))
    output = credits_of(vendor, tmp_path, rows)
    assert [row["ihc"] for row in output.records("attributions")] == [Decimal("0.5")] * 3
    assert len(sent(vendor)) == 1


@pytest.mark.parametrize(
    ("name", "content", "words"),
    [
        ("j.jsonl", '{"conversion_id":1}\n[2]\n', "line 2 is not an object"),
        ("j.jsonl", '{"conversion_id":', "line 1"),
        ("j.json", '{"conversion_id":1}', "j.json: it does not begin with an array"),
        ("j.json", "[1]", "entry 1 is not an object"),
        ("j.parquet", "no parquet", "j.parquet: Parquet"),
    ],
)
def test_a_file_that_cannot_be_read_is_reported_before_any_request(
    vendor: Ihc, tmp_path: Path, name: str, content: str, words: str
) -> None:
    (tmp_path / name).write_text(content)
    output = run_here(settings(vendor, tmp_path / name))
    (line,) = output.stderr.splitlines()
    assert words in line
    assert (output.code, sent(vendor)) == (1, [])
