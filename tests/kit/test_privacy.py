from __future__ import annotations

import hashlib
import hmac
import unicodedata
from decimal import Decimal
from typing import Any

import pytest

from attribution_elt.kit.records.personal_data import PersonalData
from attribution_elt.kit.records.shaper import RecordShaper
from tests.kit import shop

PROPERTIES = {
    "email": {"type": ["string", "null"], "x-pii": True, "format": "email"},
    "birthday": {"type": ["string", "null"], "x-pii": True, "format": "date"},
    "phone": {"type": ["integer", "null"], "x-pii": True},
    "profile": {"type": ["object", "null"], "x-pii": True},
    "city": {"type": ["string", "null"]},
    "_extra": {"type": ["object", "null"], "x-pii": True},
}
ROW = {
    "email": "jane@example.com",
    "birthday": "1980-02-29",
    "phone": 48500123456,
    "profile": {"names": ["Jane", None], "vip": True, "age": 44},
    "city": "Łódź",
    "nickname": "jj",
}


def shape(mode: str, row: dict[str, Any], *keys: str, key: str = "k") -> dict[str, Any]:
    personal_data = PersonalData(mode, key)
    schema = personal_data.schema({"type": "object", "properties": PROPERTIES})
    return RecordShaper(schema, keys, personal_data, lambda _: None)(row, {})


def is_hash(value: Any) -> bool:
    return isinstance(value, str) and len(value) == 64 and int(value, 16) >= 0


def test_keep_changes_nothing() -> None:
    extra = {"_extra": {"nickname": "jj"}}
    assert shape("keep", ROW) == {k: v for k, v in ROW.items() if k != "nickname"} | extra


def test_hash_replaces_personal_data_and_nothing_else() -> None:
    record = shape("hash", ROW)
    assert record["city"] == "Łódź"
    assert all(is_hash(record[name]) for name in ("email", "birthday", "phone"))
    first, none = record["profile"]["names"]
    assert is_hash(first)
    assert none is None
    assert record["profile"]["vip"] is True
    assert is_hash(record["profile"]["age"])
    assert is_hash(record["_extra"]["nickname"])


def test_drop_leaves_nulls() -> None:
    record = shape("drop", ROW)
    assert record == dict.fromkeys(PROPERTIES) | {"city": "Łódź"}


def test_a_key_is_hashed_even_under_drop() -> None:
    record = shape("drop", ROW, "email")
    assert record["email"] == shape("hash", ROW)["email"]
    assert record["phone"] is None


@pytest.mark.parametrize("email", ["JANE@example.com", " Jane@Example.COM ", "jane@example.com"])
def test_the_same_person_gives_the_same_value(email: str) -> None:
    assert shape("hash", {"email": email})["email"] == shape("hash", ROW)["email"]


def test_another_person_or_another_key_gives_another_value() -> None:
    hashed = shape("hash", ROW)["email"]
    assert shape("hash", {"email": "bob@example.com"})["email"] != hashed
    assert shape("hash", ROW, key="another")["email"] != hashed


def test_a_number_gives_the_same_value_as_its_text() -> None:
    personal_data = PersonalData("hash", "k")
    assert personal_data.hashed(48500123456) == personal_data.hashed("48500123456")
    assert personal_data.hashed(Decimal("1.50")) == personal_data.hashed("1.50")


def test_empty_values_stay_empty() -> None:
    assert shape("hash", {"email": None, "phone": None})["email"] is None
    assert shape("hash", {})["_extra"] is None


@pytest.mark.parametrize("mode", ["hash", "drop"])
def test_an_invalid_value_does_not_carry_personal_data_into_extra(mode: str) -> None:
    record = shape(mode, {"phone": "phone of jane@example.com", "birthday": "29 Feb 1980"})
    assert "jane" not in str(record)
    assert "1980" not in str(record)


def test_hashes_are_texts_in_the_schema() -> None:
    schema = {"type": "object", "properties": PROPERTIES}
    masked = PersonalData("hash", "k").schema(schema)["properties"]
    assert masked["phone"]["type"] == ["string", "null"]
    assert "format" not in masked["birthday"]
    assert masked["profile"] == PROPERTIES["profile"]
    assert masked["city"] == PROPERTIES["city"]
    assert PersonalData("keep", "").schema(schema) == schema


def test_a_key_that_is_hashed_is_a_text_in_the_schema_that_is_not_null() -> None:
    properties = {"phone": {"type": ["integer"], "x-pii": True}}
    masked = PersonalData("hash", "k").schema({"type": "object", "properties": properties})
    assert masked["properties"]["phone"]["type"] == ["string"]


def test_without_pii_key_dropped_keys_are_hashed_with_the_fallback_key() -> None:
    personal_data = PersonalData.of_settings({"pii": "drop"}, fallback_key="secret")
    assert personal_data.of(key=True)("jane") == PersonalData("hash", "secret").hashed("jane")
    assert personal_data.of(key=False)("jane") is None


@pytest.mark.parametrize("spelling", ["Jane@Example.com", " jane@example.com", "JANE@EXAMPLE.COM "])
def test_an_address_and_its_sha_256_hash_give_one_value(spelling: str) -> None:
    personal_data = PersonalData("hash", "k" * 16)
    sha256 = hashlib.sha256(b"jane@example.com").hexdigest()
    expected = hmac.new(b"k" * 16, sha256.encode(), hashlib.sha256).hexdigest()
    assert personal_data.hashed(spelling) == expected
    assert personal_data.hashed(sha256.upper()) == expected


def test_composed_and_decomposed_characters_are_one_person() -> None:
    personal_data = PersonalData("hash", "k" * 16)
    for name in ("José", "josé@example.com", "Ångström"):
        forms = {unicodedata.normalize(form, name) for form in ("NFC", "NFD")}
        assert len(forms) == 2
        assert len({personal_data.hashed(form) for form in forms}) == 1


EXTRA_SCHEMA = {
    "type": "object",
    "properties": {
        "id": {"type": ["integer"]},
        "day": {"type": ["string", "null"], "format": "date"},
        "email": {"type": ["integer", "null"], "x-pii": True},
        "_extra": {"type": ["object", "null"]},
    },
}


@pytest.mark.parametrize("mode", ["hash", "drop"])
def test_extra_is_masked_except_for_properties_that_the_schema_does_not_mark(mode: str) -> None:
    shape = RecordShaper(EXTRA_SCHEMA, ("id",), PersonalData(mode, "k" * 16), lambda _: None)
    row = {
        "id": 1,
        "day": "2021-11-31",
        "email": "jane@example.com",
        "giftCardRecipientEmail": "joe@example.com",
        "more": {"deep": ["joe@example.com"], "flag": True},
    }
    extra = shape(row, {})["_extra"]
    assert extra["day"] == "2021-11-31"
    assert "example.com" not in str(extra)
    if mode == "drop":
        assert extra == {"day": "2021-11-31"}
    else:
        assert extra["more"]["flag"] is True
        assert set(extra) == {"day", "email", "gift_card_recipient_email", "more"}


def test_keep_does_not_change_extra() -> None:
    shape = RecordShaper(EXTRA_SCHEMA, ("id",), PersonalData("keep", ""), lambda _: None)
    assert shape({"id": 1, "new": "joe@example.com"}, {})["_extra"] == {"new": "joe@example.com"}


KEYED = {"pii": "hash", "pii_key": "k" * 16}


@pytest.mark.parametrize(
    ("before", "after", "refused"),
    [
        ({}, {"pii": "keep"}, False),
        ({}, KEYED, True),
        (KEYED, {}, True),
        (KEYED, KEYED, False),
        (KEYED, {"pii": "hash", "pii_key": "l" * 16}, True),
        (KEYED, {"pii": "drop", "pii_key": "k" * 16}, True),
        ({"pii": "drop"}, {"pii": "drop"}, False),
    ],
)
def test_a_change_of_pii_is_refused_unless_the_run_is_a_full_refresh(
    before: dict[str, Any], after: dict[str, Any], refused: bool
) -> None:
    first = shop.run([[shop.order(1, email="jane@example.com")]], **before)
    assert "kkkk" not in str(first.state)
    second = shop.run([[shop.order(1)]], state=first.state, **after)
    assert (second.error is not None) == refused
    if refused:
        assert str(second.error).count("'pii' or 'pii_key'") == 1
        assert "--full-refresh" in str(second.error)
        assert second.rows("orders") == []
        assert shop.SHOP.asked == []
    assert shop.run([[shop.order(1)]], **after).error is None
