"""References, combinations and missing properties in the schemas of streams."""

from __future__ import annotations

from typing import Any

import pytest
from target_warehouse.columns import kinds_of
from target_warehouse.json_schema import normalized

from tests.targets.target_warehouse.warehouses import Warehouse, record, warnings_in

TEXT, INTEGER = {"type": ["null", "string"]}, {"type": "integer"}
INSTANT = {"type": ["null", "string"], "format": "date-time"}


@pytest.mark.parametrize(
    ("schema", "kinds"),
    [
        ({"properties": {"a": {"$ref": "#/definitions/t"}}, "definitions": {"t": TEXT}}, "text"),
        ({"properties": {"a": {"$ref": "#/$defs/t"}}, "$defs": {"t": INSTANT}}, "timestamp"),
        ({"properties": {"a": {"$ref": "#/properties/b"}, "b": INTEGER}}, "integer integer"),
        ({"properties": {"a": {"$ref": "#/x/1/y~1z"}}, "x": [0, {"y/z": INTEGER}]}, "integer"),
        (
            {"properties": {"a": {"$ref": "#/d/1"}}, "d": {"1": {"$ref": "#/d/2"}, "2": INTEGER}},
            "integer",
        ),
        ({"properties": {"a": {"anyOf": [{"$ref": "#/d"}, {"type": "null"}]}}, "d": TEXT}, "text"),
        ({"properties": {"a": {"allOf": [{"$ref": "#/d"}], "title": "A"}}, "d": TEXT}, "text"),
        ({"properties": {"a": {"allOf": [TEXT, {"format": "date-time"}]}}}, "timestamp"),
        ({"properties": {"a": {"anyOf": ["null", "integer"]}}}, "integer"),
        ({"properties": {"a": {"oneOf": [INTEGER, {"type": "number"}]}}}, "number"),
        ({"$ref": "#/d", "d": {"properties": {"a": TEXT}}}, "text"),
        ({"allOf": [{"properties": {"a": TEXT}}, {"properties": {"b": INTEGER}}]}, "text integer"),
        ({"anyOf": [{"properties": {"a": INTEGER}}, {"properties": {"a": TEXT}}]}, "text"),
        ({"properties": {"a": TEXT}, "oneOf": [{"required": ["a"]}]}, "text"),
        ({"properties": {"a": {"$ref": "#/nowhere"}}}, "json"),
        ({"properties": {"a": {"$ref": "https://host/schema.json"}}}, "json"),
        ({"properties": {"a": {"$ref": "#/properties/a"}}}, "json"),
        ({"properties": {"a": {"$ref": 7}}}, "json"),
        ({"properties": None}, ""),
        ({"type": "object"}, ""),
        ({}, ""),
    ],
)
def test_the_kinds_of_properties(schema: dict[str, Any], kinds: str) -> None:
    found = kinds_of(normalized(schema), ()).values()
    assert " ".join(str(kind) for kind in found) == kinds


def test_references_inside_each_other_come_to_an_end() -> None:
    doubled = {
        f"d{number}": {"anyOf": [{"$ref": f"#/d{number + 1}"}, {"$ref": f"#/d{number + 1}"}]}
        for number in range(40)
    }
    looped = {"d40": {"anyOf": [{"$ref": "#/d0"}, INTEGER]}}
    schema = {"properties": {"a": {"$ref": "#/d0"}}, **doubled, **looped}
    assert list(normalized(schema)["properties"]) == ["a"]


@pytest.mark.parametrize(
    "schema", [{"type": "object"}, {}, {"additionalProperties": True}, {"properties": {}}]
)
def test_a_schema_without_properties_gets_columns_from_the_records(
    warehouse: Warehouse, caplog: pytest.LogCaptureFixture, schema: dict[str, Any]
) -> None:
    message = {"type": "SCHEMA", "stream": "docs", "schema": schema, "key_properties": ["_id"]}
    for note in "xy":
        docs = record("docs", _id="a7", size=7, note=note)
        warehouse.load(message, docs, add_record_metadata=True)
    assert warehouse.rows("SELECT _id, size, note FROM docs") == [("a7", 7, "y")]
    assert "property 'size' is not in the schema" in "\n".join(warnings_in(caplog))


@pytest.mark.parametrize("only_null", [{"type": ["null"]}, {"type": "null"}, {"enum": [None]}])
def test_a_property_that_allows_only_null_does_not_change_its_column(
    warehouse: Warehouse, only_null: dict[str, Any]
) -> None:
    def described(size: dict[str, Any]) -> dict[str, Any]:
        properties = {"id": INTEGER, "size": size}
        return {
            "type": "SCHEMA",
            "stream": "docs",
            "schema": {"properties": properties},
            "key_properties": ["id"],
        }

    warehouse.load(described({"type": ["integer", "null"]}), record("docs", id=1, size=7))
    types = warehouse.types("docs")
    warehouse.load(described(only_null), record("docs", id=2, size=None))
    assert warehouse.types("docs") == types
    warehouse.load(described(only_null), record("docs", id=3, size=9))
    assert warehouse.types("docs") == types
    assert warehouse.rows("SELECT size FROM docs ORDER BY id") == [(7,), (None,), (9,)]

    warehouse.load(described(only_null), record("docs", id=3, size="large"))
    assert warehouse.rows("SELECT size FROM docs WHERE id <> 2 ORDER BY id") == [("7",), ("large",)]


def test_half_a_surrogate_pair_in_any_name(warehouse: Warehouse) -> None:
    lines = [
        (
            '{"type": "SCHEMA", "stream": "o\\ud800", "key_properties": ["id\\udfff"], "schema": '
            '{"properties": {"id\\udfff": {"type": "integer"}, "in": {"type": "object"}}}}'
        ),
        (
            '{"type": "RECORD", "stream": "o\\ud800", "record": '
            '{"id\\udfff": 1, "in": {"x\\ud800": "\\ud800"}, "new\\ud800": "\\udc00"}}'
        ),
        '{"type": "RECORD", "stream": "o\\ud800", "record": {"id\\udfff": 2}}',
        '{"type": "STATE", "value": 1}',
    ]
    for _ in range(2):
        assert warehouse.load(*lines).states == [1]
    [table] = warehouse.tables()
    assert [row[:1] for row in warehouse.rows(f'SELECT * FROM "{table}" ORDER BY 1')] == [
        (1,),
        (2,),
    ]
    assert len(warehouse.types(table)) == 3
