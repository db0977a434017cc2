from __future__ import annotations

import pytest

from attribution_elt.core.spelling import unknown_settings

KNOWN = ("api_key", "lookback_days", "stream_map_config")


@pytest.mark.parametrize(
    ("variable", "line"),
    [
        (
            "TAP_ECDP_LOOKBACK_DAYSS",
            "tap-ecdp has no setting 'lookback_dayss'; did you mean 'lookback_days'?",
        ),
        ("TAP_ECDP_COLOUR", "tap-ecdp has no setting 'colour'"),
        ("TAP_ECDP_LOOKBACK_DAYS", None),
        ("TAP_ECDP_SHOP_TWO_API_KEY", None),
        ("TAP_ECDP_STREAM_MAP_CONFIG_HASH", None),
        ("TAP_ECDP__SELECT", None),
        ("TAP_ECDP_LOGLEVEL", None),
        ("TAP_ECDPX_LOOKBACK", None),
    ],
)
def test_a_variable_that_is_not_a_setting_is_named(
    monkeypatch: pytest.MonkeyPatch, variable: str, line: str | None
) -> None:
    monkeypatch.setenv(variable, "7")
    assert list(unknown_settings("tap-ecdp", KNOWN)) == ([line] if line else [])


def test_a_key_of_the_configuration_that_is_not_a_setting_is_named() -> None:
    found = list(unknown_settings("tap-ecdp", KNOWN, {"api_keys": 1, "api_key": 2}))
    assert found == ["tap-ecdp has no setting 'api_keys'; did you mean 'api_key'?"]
