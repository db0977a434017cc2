"""Tests that every vendor's tap must pass."""

from __future__ import annotations

import json
import random
import signal
import tempfile
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from datetime import UTC, datetime, timedelta
from importlib.metadata import version
from pathlib import Path
from typing import Any

import pytest
from singer_sdk.testing import SuiteConfig, get_tap_test_class

from attribution_elt.kit.http import client
from attribution_elt.kit.settings import DISTRIBUTION
from attribution_elt.kit.testing import process
from attribution_elt.kit.testing.bench import Bench, Expectations, VendorT
from attribution_elt.kit.testing.process import Output, Row, lists_in, merged
from attribution_elt.kit.testing.warehouse import Warehouse, claims_of
from attribution_elt.sandbox import Fault, Sandbox

SECRET = "s3cr3t+key/with=all&of%it"  # noqa: S105 - made up
HASH_KEY = "a key of the hash of sixteen characters"
FAULTS = (
    Fault("status", status=404, body=json.dumps({"message": f"nothing for {SECRET}"})),
    Fault("status", status=500, body=json.dumps({"error": {"key": SECRET}})),
    Fault("reset"),
    Fault("truncate"),
    Fault("html", body=f"<html>{SECRET}</html>"),
    Fault("invalid_json"),
    Fault("status", status=302),
)


def conformance(expectations: Expectations[VendorT]) -> type:
    """Return a class of tests for a vendor's tap; assign it to a name that pytest collects.

    It includes the SDK's own suite (`get_tap_test_class`), except for the tests of single
    attributes: this suite compares whole records with the vendor's. A vendor needs two files: one
    with `rows` and the other inputs of the expectations, and one with

        TestTapX = conformance(Expectations(TapX, vendor, settings, rows, set_secrets))

    Put tests of the vendor's special behaviour into modules next to it.
    """
    # the SDK's suite reads the streams while pytest collects the tests, before any fixture runs
    sandbox = Sandbox(seed=7, today=expectations.today).__enter__()
    config = expectations.settings(expectations.vendor(sandbox), Path(tempfile.mkdtemp()))
    standard = get_tap_test_class(
        expectations.tap,
        config=config,
        include_stream_attribute_tests=False,
        suite_config=SuiteConfig(max_records_limit=100),
    )
    name = f"Test{expectations.tap.__name__}"
    members = {"expectations": expectations, "params": standard.params}
    return type(name, (Conformance, standard), members)


@pytest.mark.filterwarnings("ignore:No records were available")
class Conformance:
    """Tests of rows, resumption, refusals, settings, secrets, personal data and selection."""

    expectations: Expectations[Any]

    @pytest.fixture
    def bench(self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Bench[Any]]:
        """A fresh vendor, and retries that do not wait."""
        monkeypatch.setattr(client, "FIRST_WAIT", 0.0)
        with Sandbox(seed=7, today=self.expectations.today) as sandbox:
            yield Bench(self.expectations, self.expectations.vendor(sandbox), tmp_path)

    # rows

    def test_discovered_streams_have_exactly_the_vendor_s_rows(self, bench: Bench[Any]) -> None:
        discovered = bench.run("--discover")
        assert discovered.code == 0
        assert bench.vendor.requests == []
        catalog = json.loads(discovered.stdout)
        output = bench.run(catalog=catalog)
        assert (output.code, output.errors) == (0, [])
        tolerated = self.expectations.tolerated
        assert [w for w in output.warnings if not any(each in w for each in tolerated)] == []
        bench.assert_matches_truth(output)
        keys = {each["tap_stream_id"]: each["key_properties"] for each in catalog["streams"]}
        assert keys.keys() == self.expectations.rows(bench.vendor).keys()
        described: dict[str, set[str]] = {}
        for message in output.messages:
            if message["type"] == "SCHEMA":
                assert message["key_properties"] == keys[message["stream"]]
                described[message["stream"]] = set(message["schema"]["properties"])
            elif message["type"] == "RECORD":
                assert set(message["record"]) == described[message["stream"]]

    def test_concurrency_changes_no_row_and_no_request_is_sent_twice(
        self, bench: Bench[Any]
    ) -> None:
        records = []
        for width in (1, 8):
            bench.vendor.requests.clear()
            config = {**bench.config, "max_concurrent_requests": width}
            output = bench.run_here(config=config)
            assert output.code == 0
            sent = Counter(
                (each.method, each.path, str(each.query), each.body)
                for each in bench.vendor.requests
            )
            assert set(sent.values()) == {1}
            assert max(each.in_flight for each in bench.vendor.requests) <= width
            records.append(
                [(each["stream"], bench.text(each["record"])) for each in output.of("RECORD")]
            )
        assert records[0] == records[1]

    # resumption

    def test_a_killed_run_loses_nothing(self, bench: Bench[Any]) -> None:
        lines = len(bench.run_here().stdout.splitlines())
        number = iter(range(lines // 3, -1, -1))
        bench.vendor.latency = 0.01
        killed = process.killed(
            bench.folder,
            self.expectations.tap.name,
            lambda _line: next(number, 0) == 0,
            config=bench.config,
        )
        assert killed.code == -signal.SIGKILL
        bench.vendor.latency = 0.0
        rest = bench.run_here(state=merged(*killed.states))
        assert rest.code == 0
        bench.assert_matches_truth(killed, rest)

    def test_a_run_resumes_from_any_state(self, bench: Bench[Any]) -> None:
        lines = bench.run_here().stdout.splitlines(keepends=True)
        for seed in range(4):
            cut = Output(b"".join(lines[: random.Random(seed).randrange(len(lines))]))
            state = merged(*cut.states)
            assert not lists_in(state)
            bench.assert_matches_truth(cut, bench.run_here(state=state))

    # withdrawn rows

    @pytest.mark.parametrize("pii", ["keep", "hash"])
    def test_rows_that_the_vendor_withdraws_leave_the_warehouse(
        self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, pii: str
    ) -> None:
        monkeypatch.setattr(client, "FIRST_WAIT", 0.0)
        first_day = (self.expectations.today or datetime.now(UTC).date()) - timedelta(days=3)
        warehouse = Warehouse()
        state: dict[str, Any] = {}
        with Sandbox(seed=7, today=first_day) as sandbox:
            vendor = self.expectations.vendor(sandbox)
            vendor.withdrawals.share = 0.1
            bench = Bench(self.expectations, vendor, tmp_path)
            for days in (0, 1, 2):
                sandbox.advance(days)
                masking = {"pii": pii, "pii_key": HASH_KEY}
                config = {**bench.config, **self.expectations.reread(vendor), **masking}
                output = bench.run_here(config=config, state=state)
                warehouse.load(output)
                state = merged(state, output.states[-1])
            tap = self.expectations.tap(config=config)
            claimed = {name for name, each in tap.streams.items() if "x-claims" in each.schema}
            if not claimed:
                pytest.skip("no stream of the tap makes claims")
            assert any(warehouse.removed[name] for name in claimed)
            if pii == "hash":
                fresh = bench.run_here(config=config)
                rows: Mapping[str, Iterable[Row]] = {
                    name: fresh.rows(name).values() for name in claimed
                }
            else:
                rows = self.expectations.rows(vendor)
            for name in claimed:
                found = bench.comparable(warehouse.rows[name].values())
                assert found == bench.comparable(rows[name]), name

    @pytest.mark.parametrize("status", [404, 500])
    def test_a_failed_run_and_a_connection_test_remove_nothing(
        self, bench: Bench[Any], status: int
    ) -> None:
        config = {**bench.config, **self.expectations.reread(bench.vendor), "max_retries": 1}
        whole = bench.run_here(config=config)
        warehouse = Warehouse()
        warehouse.load(whole)
        assert not any(warehouse.removed.values())
        keys = {name: set(rows) for name, rows in warehouse.rows.items()}
        bench.vendor.faults.add(Fault("status", status=status, times=None))
        warehouse.load(bench.run_here(config=config, state=whole.states[-1]))
        bench.vendor.faults.clear()
        tested = bench.run("--test")
        warehouse.load(tested)
        assert not [name for name in keys for _ in claims_of(tested, name)]
        assert {name: set(rows) for name, rows in warehouse.rows.items()} == keys

    def test_an_account_that_had_rows_and_has_none_is_a_warning(
        self, bench: Bench[Any], caplog: pytest.LogCaptureFixture
    ) -> None:
        text = "no rows at all, although earlier runs had rows"
        config = {**bench.config, **self.expectations.reread(bench.vendor)}
        state = bench.run_here(config=config).states[-1]
        bench.vendor.requests.clear()
        bench.vendor.emptied = True
        bench.run_here(config=config)
        assert text not in caplog.text
        again = bench.run_here(config=config, state=state)
        warned = [each for each in caplog.messages if text in each]
        accounts = self.expectations.tap(config=config).make_clients()
        if again.of("RECORD") or not self.expectations.has_rereads:
            assert warned == []
        else:
            assert len(warned) == len(accounts)
            assert all(any(name in each for each in warned) for name in accounts)

    # refusals

    @pytest.mark.parametrize("status", [401, 403])
    def test_refused_credentials_end_the_run_with_a_line_that_names_the_setting(
        self, bench: Bench[Any], status: int
    ) -> None:
        self.expectations.set_secrets(bench.vendor, SECRET)
        body = json.dumps({"message": f"bad key {SECRET}"})
        bench.vendor.faults.add(Fault("status", status=status, times=None, body=body))
        config = bench.config
        output = bench.run(level="DEBUG", config=config)
        assert output.code == 1
        assert output.of("RECORD") == []
        accounts = self.expectations.tap(config=config).make_clients().values()
        assert len(output.errors) == len(accounts)
        for account in accounts:
            words = (account.vendor, account.account, str(status), account.credential)
            assert any(all(word in line for word in words) for line in output.errors)
        bench.assert_private(output, config)

    def test_the_connection_test_reads_a_record_of_each_stream(self, bench: Bench[Any]) -> None:
        output = bench.run("--test")
        assert (output.code, output.errors) == (0, [])
        rows = self.expectations.rows(bench.vendor)
        assert {each: len(output.records(each)) for each in rows} == dict.fromkeys(rows, 1)
        bench.vendor.faults.add(Fault("status", status=401, times=None))
        refused = bench.run("--test")
        assert (refused.code, len(refused.errors)) == (1, 1)

    # settings

    def test_every_setting_is_documented(self, bench: Bench[Any]) -> None:
        about = json.loads(bench.run("--about", "--format=json").stdout)
        for name, setting in about["settings"]["properties"].items():
            assert setting.get("title"), name
            assert setting.get("description"), name
        assert "batch" not in about["capabilities"]
        assert about["version"] == version(DISTRIBUTION)

    def test_each_wrong_setting_is_a_line_and_no_request_is_sent(self, bench: Bench[Any]) -> None:
        self.expectations.set_secrets(bench.vendor, SECRET)
        schema = self.expectations.tap.config_jsonschema
        given = bench.config
        odd = {"max_retries": "many", "request_timeout": [0], "pii": "hush"}
        config = {**given, **odd}
        required = [name for name in schema.get("required", ()) if name in config]
        for name in required:
            del config[name]
        output = bench.run(level="DEBUG", config=config)
        assert (output.code, output.stdout) == (1, b"")
        for name in (*odd, *required):
            assert len([line for line in output.errors if f"'{name}'" in line]) == 1, name
        assert bench.vendor.requests == []
        bench.assert_private(output, given)

    # secrets and personal data

    def test_failures_show_neither_secrets_nor_people(self, bench: Bench[Any]) -> None:
        self.expectations.set_secrets(bench.vendor, SECRET)
        for fault in FAULTS:
            bench.vendor.faults.add(fault)
        config = {**bench.config, "max_retries": 1, "max_concurrent_requests": 1}
        output = bench.run(level="DEBUG", config=config)
        assert output.code == 1
        assert output.errors
        bench.assert_private(output, config)

    def test_a_vendor_that_cannot_be_reached_is_one_line(self, bench: Bench[Any]) -> None:
        config = {**bench.config, "api_url": "http://127.0.0.1:9", "max_retries": 1}
        output = bench.run(config=config)
        assert output.code == 1
        (line,) = output.errors
        assert "refused" in line
        bench.assert_private(output, config)

    def test_masked_records_show_no_people(self, bench: Bench[Any]) -> None:
        people = set(self.expectations.personal(bench.vendor))
        kept = bench.run_here()
        assert all(person in kept.stdout.decode() for person in people)
        outputs = []
        for pii in ("drop", "hash", "hash"):
            config = {**bench.config, "pii": pii, "pii_key": HASH_KEY}
            masked = bench.run_here(config=config)
            assert masked.code == 0
            assert len(masked.of("RECORD")) == len(kept.of("RECORD"))
            assert not [person for person in people if person in masked.stdout.decode()]
            outputs.append(masked)
        for stream in self.expectations.rows(bench.vendor):
            first, second = (bench.comparable(each.records(stream)) for each in outputs[1:])
            assert first == second, stream

    # selection

    def test_a_stream_alone_has_the_rows_that_it_has_among_all(self, bench: Bench[Any]) -> None:
        whole = bench.run_here()
        for stream in self.expectations.rows(bench.vendor):
            catalog = process.selected(self.expectations.tap(config=bench.config), [stream])
            alone = bench.run_here(catalog=catalog)
            assert {each["stream"] for each in alone.of("RECORD")} <= {stream}
            assert bench.comparable(alone.records(stream)) == bench.comparable(
                whole.records(stream)
            )

    def test_a_deselected_property_is_neither_in_schema_nor_in_records(
        self, bench: Bench[Any]
    ) -> None:
        tap = self.expectations.tap(config=bench.config)
        streams = list(self.expectations.rows(bench.vendor))
        catalog = process.selected(tap, streams, without=["_extra"])
        output = bench.run_here(catalog=catalog)
        for stream in streams:
            (*_, schema) = output.of("SCHEMA", stream)
            assert "_extra" not in schema["schema"]["properties"]
            assert not any("_extra" in record for record in output.records(stream))
