from __future__ import annotations

from datetime import date
from typing import Any

import pytest
from singer_sdk import typing as th
from tap_attribution_io.tap import TapAttributionIo
from tap_ecdp.tap import TapEcdp
from tap_ignite.tap import TapIgnite
from tap_ihc.tap import TapIhc

from attribution_elt.core.dates import day_of
from attribution_elt.kit import settings
from attribution_elt.kit.errors import InvalidSettingsError
from attribution_elt.kit.tap import VendorTap

SCHEMA = th.PropertiesList(
    th.Property(
        "api_key", th.StringType(min_length=1), required=True, secret=True, description="K"
    ),
    th.Property("start_date", th.DateType, required=True, description="First day"),
    th.Property("website_ids", th.ArrayType(th.IntegerType(minimum=1)), description="Websites"),
    th.Property(
        "accounts",
        th.ArrayType(
            th.ObjectType(th.Property("token", th.StringType, required=True, secret=True))
        ),
    ),
    *settings.common("https://api.example.com"),
).to_dict()
GOOD = {"api_key": "s3cr3t", "start_date": "2024-01-01"}


def setting_errors(**config: Any) -> list[str]:
    given = {name: value for name, value in {**GOOD, **config}.items() if value is not ...}
    return list(settings.setting_errors(SCHEMA, given))


def test_valid_settings_have_no_faults() -> None:
    assert setting_errors() == []
    assert setting_errors(end_date=None, website_ids=[1, 2], pii="hash", pii_key="k" * 16) == []


@pytest.mark.parametrize(
    ("config", "name", "right"),
    [
        ({"api_key": ...}, "api_key", "is missing"),
        ({"api_key": ""}, "api_key", "must not be empty"),
        ({"api_key": 5}, "api_key", "string"),
        ({"start_date": "yesterday-ish"}, "start_date", "YYYY-MM-DD"),
        ({"start_date": "2024-02-30"}, "start_date", "YYYY-MM-DD"),
        ({"start_date": "2024-W01-1"}, "start_date", "YYYY-MM-DD"),
        ({"start_date": "20240101"}, "start_date", "YYYY-MM-DD"),
        ({"start_date": ""}, "start_date", "YYYY-MM-DD"),
        ({"start_date": 20240101}, "start_date", "string"),
        ({"website_ids": [1, 0]}, "website_ids[1]", "at least 1"),
        ({"website_ids": "21"}, "website_ids", "array"),
        ({"website_ids": ["21"]}, "website_ids[0]", "integer"),
        ({"accounts": [{"token": "a"}, {}]}, "accounts[1].token", "is missing"),
        ({"api_url": "api.example.com"}, "api_url", "https?://"),
        ({"request_timeout": 0}, "request_timeout", "more than 0"),
        ({"request_timeout": 1e300}, "request_timeout", "at most 86400"),
        ({"request_timeout": float("nan")}, "request_timeout", "number of seconds"),
        ({"user_agent": "a\nb"}, "user_agent", "must match"),
        ({"user_agent": " a"}, "user_agent", "must match"),
        ({"max_retries": 0}, "max_retries", "at least 1"),
        ({"max_retries": 2.5}, "max_retries", "integer"),
        ({"max_concurrent_requests": 65}, "max_concurrent_requests", "at most 64"),
        ({"pii": "mask"}, "pii", "keep, hash, drop"),
        ({"pii": "hash"}, "pii_key", "is missing"),
    ],
)
def test_each_fault_is_one_line_with_the_setting_and_the_valid_values(
    config: dict[str, Any], name: str, right: str
) -> None:
    (line,) = setting_errors(**config)
    assert repr(name) in line
    assert right in line
    assert "\n" not in line


@pytest.mark.parametrize(
    ("tap", "names"),
    [
        (TapEcdp, ["window_days", "lookback_days"]),
        (TapIgnite, ["lookback_days"]),
        (TapAttributionIo, ["customer_ids_file"]),
        (TapIhc, ["journeys_file"]),
    ],
)
@pytest.mark.parametrize("odd", [10**30, True, ["a"], "x" * 10_000, "\0"])
def test_invalid_values_are_reported_before_they_are_used(
    tap: type[VendorTap], names: list[str], odd: Any
) -> None:
    for name in names:
        with pytest.raises(InvalidSettingsError) as error:
            tap(config={name: odd})
        assert any(repr(name) in fault for fault in error.value.faults)


def test_every_fault_is_reported() -> None:
    lines = setting_errors(api_key=..., start_date="soon", pii="mask", max_retries=-1)
    assert len(lines) == 4


@pytest.mark.parametrize(
    "config",
    [{"api_key": ["s3cr3t"]}, {"pii_key": 77777}, {"accounts": [{"token": {"s3cr3t": 77777}}]}],
)
def test_values_of_secret_settings_are_not_repeated(config: dict[str, Any]) -> None:
    printed = "".join(setting_errors(**config))
    assert printed
    assert "s3cr3t" not in printed
    assert "77777" not in printed


@pytest.mark.parametrize(
    ("given", "day"),
    [
        ("2024-02-29", date(2024, 2, 29)),
        ("2024-02-29T23:30:00Z", date(2024, 2, 29)),
        ("2024-02-29T23:30:00-05:00", date(2024, 3, 1)),
        ("2024-03-01T00:30:00+02:00", date(2024, 2, 29)),
        ("2024-02-29 12:00", date(2024, 2, 29)),
    ],
)
def test_days_and_instants_of_settings_are_days_in_utc(given: str, day: date) -> None:
    assert day_of(given) == day
