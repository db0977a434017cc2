"""`attribution-elt models` and `views`, run inside this process."""

from __future__ import annotations

import sys
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import duckdb
import pytest
from click.testing import CliRunner, Result

from attribution_elt.cli.extras import create_views
from attribution_elt.cli.models import models
from attribution_elt.cli.views import views
from attribution_elt.core.errors import OpsError
from attribution_elt.meltano.project import SCHEMA, Extractor, Loader
from tests.targets.target_warehouse.warehouses import DuckDB, Warehouse
from tests.transform.shop import TAPS, Shop, order, purchase, touch


@dataclass
class FakeProject:
    """The part of a Meltano project that the command reads."""

    loader: Loader
    extractors: dict[str, Extractor]
    loaders: dict[str, Loader] = field(default_factory=dict)


def project(warehouse: Warehouse, prefix: str = "") -> Any:
    loader = Loader("target-warehouse", warehouse.url, prefix + SCHEMA)
    extractors = {
        name: Extractor(name.replace("_", "-"), tap, name, {}) for name, tap in TAPS.items()
    }
    return FakeProject(loader, extractors)


def run(project: Any, *arguments: str) -> Result:
    return CliRunner().invoke(models, arguments, obj=project)


@pytest.fixture
def shop(tmp_path: Path) -> Shop:
    made = Shop(DuckDB(f"duckdb:///{tmp_path}/warehouse.duckdb", tmp_path))
    made.load("tap_ecdp", "attributed_orders", order("1", "2026-03-02T10:00:00Z", 5.0))
    return made


def test_a_dry_run_makes_no_schema(shop: Shop) -> None:
    done = run(project(shop.warehouse), "--dry-run")
    assert "would build  fct_credits" in done.output
    made = "SELECT 1 FROM duckdb_schemas() WHERE schema_name = 'attribution'"
    with duckdb.connect(shop.warehouse.url.removeprefix("duckdb:///")) as connection:
        assert connection.execute(made).fetchall() == []


def test_models_are_built_and_tested(shop: Shop) -> None:
    done = run(project(shop.warehouse))
    assert done.exit_code == 0, done.output
    lines = done.output.splitlines()
    assert "not loaded: tap_ihc (attributions)" in lines
    (left_out,) = (line for line in lines if line.startswith("left out: "))
    assert "int_journeys" in left_out
    assert "fct_credits" not in left_out
    assert any(line.startswith("built   fct_credits (1 rows, ") for line in lines), done.output
    assert shop.rows("fct_credits", ("model",)) == [("ecdp",)]

    only = run(project(shop.warehouse), "--select", "dim_messages stg_ecdp__orders")
    built = [line.split()[1] for line in only.output.splitlines() if line.startswith("built")]
    assert built == ["stg_ecdp__orders", "dim_messages"]
    layer = run(project(shop.warehouse), "--select=staging", "--dry-run").output.splitlines()
    assert [line.split()[2] for line in layer if line.startswith("would build")] == [
        "stg_ecdp__orders"
    ]
    around = run(project(shop.warehouse), "--select=+int_persons__linked", "--dry-run").output
    assert "would build  stg_ecdp__orders" in around
    assert "would build  fct_credits" not in around
    after = run(project(shop.warehouse), "--select=fct_credits+", "--dry-run").output
    assert "would build  fct_conversions" in after
    assert "would build  int_conversions__unioned" not in after


def test_a_failed_test_is_exit_code_1(shop: Shop) -> None:
    done = run(project(shop.warehouse), "--var", "reporting_currency=NOK")
    assert done.exit_code == 1
    assert "failed   amounts_are_converted (1 row)" in done.output
    assert isinstance(done.exception, OpsError)
    assert str(done.exception) == "1 of the models' tests failed"


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--select", "nothing"], "the model 'nothing' does not exist"),
        (["--select", "fct_credits"], "fct_credits reads .*, which is not built: --select [+]fct"),
        (["--var", "nothing=1"], "unknown variable nothing; choose from schema_prefix, "),
        (["--var", "nothing"], "--var 'nothing' is not NAME=VALUE"),
        (["--var", "lookback_days=[1"], "--var lookback_days: the value is not valid YAML"),
        (["--var", "lookback_days=abc"], "lookback_days must be a number of at least 0, not"),
        (["--var", "lookback_days=.inf"], "lookback_days must be a number of at least 0, not inf"),
        (["--var", "mmm_channels=Email"], "mmm_channels must be a list, not 'Email'"),
        (["--var", "reporting_currency=1"], "reporting_currency must be a text without quotes"),
        (["--var", "reporting_timezone=Mars/Up"], "must be a time zone such as Europe/Berlin, not"),
    ],
)
def test_a_wrong_option_is_named(shop: Shop, arguments: list[str], message: str) -> None:
    done = run(project(shop.warehouse), *arguments)
    assert done.exit_code == 1
    with pytest.raises(OpsError, match=message):
        raise done.exception or AssertionError


def test_an_unreachable_warehouse_is_named(tmp_path: Path) -> None:
    warehouse = DuckDB(f"duckdb:///{tmp_path}/none.duckdb", tmp_path)
    done = run(project(warehouse))
    assert str(done.exception).endswith("none.duckdb does not exist: nothing has been loaded yet")
    assert not (tmp_path / "none.duckdb").exists()


def test_without_loaded_tables_nothing_is_built(tmp_path: Path) -> None:
    shop = Shop(DuckDB(f"duckdb:///{tmp_path}/warehouse.duckdb", tmp_path))
    shop.load("tap_ecdp", "attributed_order_lines")
    shop.execute("DROP TABLE tap_ecdp.attributed_order_lines")
    done = run(project(shop.warehouse))
    assert str(done.exception) == "nothing to build: no model has an existing table to read"


def test_a_missing_extra_is_named(shop: Shop, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in [each for each in sys.modules if each.startswith("attribution_elt.models")]:
        monkeypatch.delitem(sys.modules, name)
    monkeypatch.setitem(sys.modules, "jinja2", None)
    done = run(project(shop.warehouse))
    assert str(done.exception) == (
        "the command models needs the Python module jinja2: pip install 'attribution-elt[report]'"
    )


def test_views_are_the_journeys_that_models_compare(warehouse: Warehouse) -> None:
    shop = Shop(warehouse)
    shop.load(
        "tap_attribution_io",
        "touchpoints",
        touch(1, "a", "2026-01-01T10:00:00Z", "cpc/google"),  # before the look-back
        touch(2, "a", "2026-03-01T10:00:00Z", "cpc/google"),
        touch(3, "a", "2026-03-02T10:00:00Z", "email/letter"),
        touch(4, "a", "2026-03-05T10:00:00Z"),
    )
    shop.load("tap_attribution_io", "events", purchase(7, "a", "2026-03-02T11:00:00Z", 50.0))
    pageviews = [
        {"id": number, "client_id": "a", "created_at": f"2026-03-01T10:0{number}:00Z"}
        for number in range(3)
    ]
    shop.load("tap_attribution_io", "pageviews", *pageviews)
    fake = project(warehouse)
    loader: Loader = fake.loader
    found = create_views(fake, loader)
    if warehouse.url.startswith("sqlite"):
        assert found == []
        return
    assert [(view.title, view.missing) for view in found] == [
        ("tap_attribution_io.ihc_journeys", frozenset())
    ]
    columns = (
        "conversion_id, session_id, channel_label, holder_engagement, closer_engagement, "
        'conversion, "timestamp", converted_at'
    )
    sql = f"SELECT {columns} FROM {{}} ORDER BY session_id"
    shop.build()
    compared = shop.execute(sql, "ihc_journeys")
    sent = shop.execute(sql.replace("{}", "tap_attribution_io.ihc_journeys"))
    assert sent == compared
    assert [row[:6] for row in sent] == [
        ("7", "2", "Paid Search", 1, 0, 0),
        ("7", "3", "Email", 0, 1, 1),
    ]
    # a later row is visible at once, and IHC's results change nothing
    shop.load("tap_attribution_io", "events", purchase(8, "a", "2026-03-06T11:00:00Z", 50.0))
    assert len(shop.execute(sql.replace("{}", "tap_attribution_io.ihc_journeys"))) == 5
    create_views(fake, loader)


@pytest.mark.parametrize("url", ["nonsense", "duckdb:/warehouse.duckdb", "pg://host/db"])
def test_views_refuses_a_url_that_is_not_valid(url: str) -> None:
    loader = Loader("target-warehouse", url, SCHEMA)
    fake = FakeProject(loader, {}, {loader.name: loader})
    done = CliRunner().invoke(views, obj=fake)
    assert done.exit_code == 1
    assert "target-warehouse: views cannot be created: the setting url has " in str(done.exception)


def test_views_are_not_for_sqlite(tmp_path: Path) -> None:
    loader = Loader("target-warehouse", f"sqlite:///{tmp_path}/w.db", SCHEMA)
    fake = FakeProject(loader, {}, {loader.name: loader})
    done = CliRunner().invoke(views, obj=fake)
    assert (done.exit_code, done.output) == (
        0,
        "target-warehouse: no views in this kind of warehouse\n",
    )
