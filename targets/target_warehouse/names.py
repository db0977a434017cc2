"""Names of tables and columns: as they come, made to fit the warehouse, never two the same."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Collection

from attribution_elt.core.text import storable

_SUFFIX = 8


def assign_identifiers(
    names: Collection[str],
    limit: int,
    *,
    existing: Collection[str] = (),
    reserved: Collection[str] = (),
    fold_case: Callable[[str], str] = str,
    sanitize: Callable[[str], str] = str,
) -> dict[str, str]:
    """Map names to identifiers of at most `limit` bytes that differ in more than case.

    A name that had to be changed, for its length, its characters or a collision, ends in a hash of
    itself, so that it comes out the same in every run. `existing` are the identifiers that the
    warehouse has already: a name keeps the one it is equal to. `reserved` ones are given to no
    name. `fold_case` returns the name that the warehouse looks up; `sanitize` puts a name into
    the characters that identifiers may have.
    """
    fitted = {name: name for name in names if name in existing and name not in reserved}
    taken = {name.casefold() for name in [*existing, *reserved]}
    given = set(fitted)
    # Whichever of `Id` and `id` comes first, it is `id` that keeps its name.
    for name in sorted(names, key=lambda name: fold_case(name) != name):
        if name in fitted:
            continue
        identifier = fold_case(_shortened(name, limit, sanitize))
        if (
            identifier in reserved
            or identifier in given
            or (identifier not in existing and identifier.casefold() in taken)
        ):
            identifier = fold_case(_suffixed(name, limit, sanitize))
        fitted[name] = identifier
        given.add(identifier)
        taken.add(identifier.casefold())
    return fitted


def _shortened(name: str, limit: int, sanitize: Callable[[str], str]) -> str:
    clean = sanitize(storable(name))
    if clean and clean == name and len(clean.encode()) <= limit:
        return clean
    return _suffixed(name, limit, sanitize)


def _suffixed(name: str, limit: int, sanitize: Callable[[str], str]) -> str:
    digest = hashlib.sha256(name.encode(errors="surrogatepass")).hexdigest()[:_SUFFIX]
    head = sanitize(storable(name)).encode()[: limit - _SUFFIX - 1].decode(errors="ignore")
    return f"{head}_{digest}"
