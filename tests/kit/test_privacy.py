from __future__ import annotations

from decimal import Decimal
from typing import Any

import pytest

from attribution_elt.kit.records.personal_data import PersonalData
from attribution_elt.kit.records.shaper import RecordShaper

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


def test_nothing_stays_nothing() -> None:
    assert shape("hash", {"email": None, "phone": None})["email"] is None
    assert shape("hash", {})["_extra"] is None


@pytest.mark.parametrize("mode", ["hash", "drop"])
def test_a_misfit_does_not_carry_personal_data_into_extra(mode: str) -> None:
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


def test_without_a_key_of_its_own_dropped_keys_are_hashed_with_the_fallback() -> None:
    personal_data = PersonalData.of_settings({"pii": "drop"}, fallback_key="secret")
    assert personal_data.of(key=True)("jane") == PersonalData("hash", "secret").hashed("jane")
    assert personal_data.of(key=False)("jane") is None
