"""Quotes names and texts in the SQL of Snowflake."""

from __future__ import annotations

import re

from typing_extensions import override

from target_warehouse.warehouses.dialect import SqlDialect


class SnowflakeDialect(SqlDialect):
    """Writes snake_case names in capitals, as Snowflake does with unquoted names."""

    @override
    def stored(self, name: str) -> str:
        return swapped(name)

    @override
    def literal(self, text: str) -> str:
        return super().literal(text.replace("\\", r"\\"))

    @override
    def fold_case(self, name: str) -> str:
        return swapped(name) if name.isupper() else name


def swapped(name: str) -> str:
    """Swap the case of snake_case names that are all in one case; return others unchanged."""
    plain = re.fullmatch(r"[a-z_][a-z0-9_$]*|[A-Z_][A-Z0-9_$]*", name)
    return name.swapcase() if plain else name
