"""Assigns names of tables and columns that the warehouse allows and that never collide."""

from __future__ import annotations

import hashlib
from collections.abc import Collection

from attribution_elt.core.text import storable
from target_warehouse.warehouses.dialect import SqlDialect


def assign_identifiers(
    names: Collection[str],
    dialect: SqlDialect,
    *,
    existing: Collection[str] = (),
    reserved: Collection[str] = (),
    respell: Collection[str] = (),
) -> dict[str, str]:
    """Map names to identifiers that the dialect allows and that differ in more than case.

    A name that has to change, for its length, its characters or a collision, ends in a hash of
    itself, so that every run gives it the same identifier.

    Args:
        names: Names of tables, or of the columns of a table.
        dialect: Rules of the warehouse.
        existing: Identifiers in the warehouse; a name that equals one keeps it.
        reserved: Identifiers that no name may get.
        respell: Names that take an existing identifier which differs from them in case alone, if
        none of `names` equals it: a key stays the key when its spelling changes.
    """
    fitted = {name: name for name in names if name in existing and name not in reserved}
    taken = {name.casefold() for name in [*existing, *reserved]}
    given = set(fitted)
    # `id` keeps its name, whether `Id` or `id` comes first.
    for name in sorted(names, key=lambda name: dialect.fold_case(name) != name):
        if name in fitted:
            continue
        identifier = dialect.fold_case(_shortened(name, dialect))
        hashed = dialect.fold_case(_suffixed(name, dialect))
        if name in respell and identifier not in existing and hashed not in existing:
            identifier = _respelled(identifier, {*existing} - given - {*reserved})
        if (
            identifier in reserved
            or identifier in given
            or (identifier not in existing and identifier.casefold() in taken)
        ):
            identifier = hashed
        fitted[name] = identifier
        given.add(identifier)
        taken.add(identifier.casefold())
    return fitted


def spellings(name: str, dialect: SqlDialect) -> set[str]:
    """Return what `assign_identifiers` may make of a name without `respell`, in lower case."""
    made = (_shortened(name, dialect), _suffixed(name, dialect))
    return {each.casefold() for each in (name, *map(dialect.fold_case, made))}


def _respelled(identifier: str, candidates: Collection[str]) -> str:
    """Return the only candidate that differs in case alone, or the identifier itself."""
    alike = [each for each in candidates if each.casefold() == identifier.casefold()]
    return alike[0] if len(alike) == 1 else identifier


def _shortened(name: str, dialect: SqlDialect) -> str:
    clean = dialect.sanitize(storable(name))
    if clean and clean == name and len(clean.encode()) <= dialect.name_limit:
        return clean
    return _suffixed(name, dialect)


def _suffixed(name: str, dialect: SqlDialect) -> str:
    suffix = hashed(name)
    head = dialect.sanitize(storable(name)).encode()[: dialect.name_limit - len(suffix) - 1]
    return f"{head.decode(errors='ignore')}_{suffix}"


def hashed(name: str) -> str:
    """Return a hash that distinguishes names which would look alike."""
    return hashlib.sha256(name.encode(errors="surrogatepass")).hexdigest()[:8]
