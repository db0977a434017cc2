"""Which customers to ask for: the vendor has no list of them, so the user names them."""

from __future__ import annotations

import hashlib
import sqlite3
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from datetime import datetime
from pathlib import Path
from typing import Any
from urllib.parse import unquote

from attribution_elt.kit.errors import TapError
from attribution_elt.kit.row_source import rows_of_file, rows_of_query

COLUMN = "client_id"


def client_ids(config: Mapping[str, Any], since: datetime) -> Iterator[str]:
    """Yield the ids that the settings name, as they come, some perhaps more than once.

    Raises:
        TapError: a file or a query cannot be read.
    """
    yield from map(str, config.get("customer_ids") or ())
    if file := config.get("customer_ids_file"):
        with _naming("setting 'customer_ids_file'"):
            yield from _ids_of_file(Path(file))
    if url := config.get("customer_ids_url"):
        with _naming("settings 'customer_ids_url' and 'customer_ids_query'"):
            rows = rows_of_query(url, config["customer_ids_query"], since)
            first = (next(iter(row.values())) for row in rows)
            yield from (str(id_) for id_ in first if id_ is not None)


@contextmanager
def _naming(setting: str) -> Iterator[None]:
    try:
        yield
    except TapError as error:
        raise TapError(f"{setting}: {error}") from None


def _ids_of_file(path: Path) -> Iterator[str]:
    if path.suffix.lower() == ".txt":
        try:
            with path.open(encoding="utf-8-sig") as file:
                yield from (line.strip() for line in file)
        except (OSError, ValueError) as error:
            raise TapError(f"{path}: {error}") from None
        return
    for number, row in enumerate(rows_of_file(path), 1):
        if COLUMN not in row:
            raise TapError(f"{path}: row {number} has no column {COLUMN}")
        if row[COLUMN] is not None:
            yield str(row[COLUMN]).strip()


class CustomerList:
    """The ids in an order that stays the same however they came, each once.

    The order is that of their hashes: a place in it can be kept in the state without keeping an
    id there, and holds when ids are added or gone. They lie in a temporary database.
    """

    def __init__(self, ids: Iterable[str]) -> None:
        self._database = sqlite3.connect("", isolation_level=None)
        self._database.execute("CREATE TABLE ids (place TEXT PRIMARY KEY, id TEXT) WITHOUT ROWID")
        self._database.execute("BEGIN")
        self._database.executemany(
            "INSERT OR IGNORE INTO ids VALUES (?, ?)", ((place_of(id_), id_) for id_ in ids if id_)
        )

    def __len__(self) -> int:
        return int(self._database.execute("SELECT count(*) FROM ids").fetchone()[0])

    def count_after(self, place: str) -> int:
        """Return how many stand behind a place."""
        query = "SELECT count(*) FROM ids WHERE place > ?"
        return int(self._database.execute(query, (place,)).fetchone()[0])

    def after(self, place: str) -> Iterator[tuple[str, str]]:
        """Yield place and id of those that stand behind a place."""
        yield from self._database.execute(
            "SELECT place, id FROM ids WHERE place > ? ORDER BY place", (place,)
        )


def place_of(client_id: str) -> str:
    """Return where an id stands."""
    return hashlib.sha256(client_id.encode(errors="surrogatepass")).hexdigest()


def public_name(client_id: str, *, masked: bool = False) -> str:
    """Return an id as logs may have it: for an address, the beginning of its hash."""
    if masked or "@" in unquote(client_id):
        return f"sha256:{place_of(client_id)[:12]}"
    return client_id
