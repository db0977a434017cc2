"""The customers to request: the user lists them, because the vendor does not."""

from __future__ import annotations

import hmac
from collections.abc import Callable, Iterable, Iterator, Mapping
from datetime import datetime
from pathlib import Path
from typing import Any
from urllib.parse import unquote

from attribution_elt.core.text import storable
from attribution_elt.kit.errors import PluginError
from attribution_elt.kit.row_source import naming, rows_of_file, rows_of_query, text_of
from attribution_elt.kit.temporary import temporary_database

COLUMN = "client_id"


def client_ids(config: Mapping[str, Any], since: datetime) -> Iterator[str]:
    """Yield the ids that the settings name; an id may occur more than once.

    Raises:
        PluginError: a file or a query cannot be read.
    """
    yield from map(str, config.get("customer_ids") or ())
    if file := config.get("customer_ids_file"):
        with naming("setting 'customer_ids_file'"):
            yield from _ids_of_file(Path(file))
    if url := config.get("customer_ids_url"):
        with naming("settings 'customer_ids_url' and 'customer_ids_query'"):
            rows = rows_of_query(url, config["customer_ids_query"], since)
            first = (next(iter(row.values())) for row in rows)
            yield from map(text_of, first)


def _ids_of_file(path: Path) -> Iterator[str]:
    if path.suffix.lower() == ".txt":
        try:
            with path.open(encoding="utf-8-sig") as file:
                yield from (line.strip() for line in file)
        except (OSError, ValueError) as error:
            raise PluginError(f"{path}: {error}") from None
        return
    for number, row in enumerate(rows_of_file(path), 1):
        if COLUMN not in row:
            raise PluginError(f"{path}: row {number} has no column {COLUMN}")
        yield text_of(row[COLUMN]).strip()


class CustomerOrder:
    """An order of customers that is the same in every run and does not depend on the ids' order.

    A customer's place in this order is a keyed hash of the id. So the state can contain the place
    of the last finished customer without an id, and the place stays valid if customers are added or
    removed.

    Args:
        key: secret of the hash.

    Attributes:
        fingerprint: identifies the key; places of different keys cannot be compared.
    """

    def __init__(self, key: str) -> None:
        self._key = key.encode()
        self.fingerprint = self._hash("order")[:12]

    def sorted(self, ids: Iterable[str]) -> CustomerList:
        """Return ids in this order, each once."""
        return CustomerList(ids, self._hash)

    def public_name(self, client_id: str, *, masked: bool = False) -> str:
        """Return an id as logs may show it: the start of its hash if it may be personal data."""
        if masked or "@" in unquote(client_id):
            return f"hmac:{self._hash(client_id)[:12]}"
        return client_id

    def _hash(self, text: str) -> str:
        return hmac.new(self._key, text.encode(), "sha256").hexdigest()


class CustomerList:
    """Customers by place, in a temporary database, because there may be millions.

    Args:
        ids: client ids in any order, some perhaps more than once.
        place_of: returns the place of an id.

    Attributes:
        unusable: number of ids that are left out, because no URL's path can contain them.
    """

    def __init__(self, ids: Iterable[str], place_of: Callable[[str], str]) -> None:
        self.unusable = 0
        self._database = temporary_database(self)
        self._database.execute("CREATE TABLE ids (place TEXT PRIMARY KEY, id TEXT) WITHOUT ROWID")
        self._database.execute("BEGIN")
        self._database.executemany(
            "INSERT OR IGNORE INTO ids VALUES (?, ?)",
            ((place_of(id_), id_) for id_ in ids if id_ and self._is_usable(id_)),
        )

    def _is_usable(self, client_id: str) -> bool:
        # HTTP clients remove dots from a path; half of a surrogate pair has no bytes
        usable = client_id not in {".", ".."} and storable(client_id) == client_id
        self.unusable += not usable
        return usable

    def __len__(self) -> int:
        return int(self._database.execute("SELECT count(*) FROM ids").fetchone()[0])

    def count_after(self, place: str) -> int:
        """Return the number of customers after a place."""
        query = "SELECT count(*) FROM ids WHERE place > ?"
        return int(self._database.execute(query, (place,)).fetchone()[0])

    def after(self, place: str) -> Iterator[tuple[str, str]]:
        """Yield place and id of each customer after a place."""
        yield from self._database.execute(
            "SELECT place, id FROM ids WHERE place > ? ORDER BY place", (place,)
        )
