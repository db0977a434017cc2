"""The files of SQLite databases, and their locks."""

from __future__ import annotations

import sqlite3

from target_warehouse.warehouses.errors import WarehouseError
from target_warehouse.warehouses.file_url import file_of

_PATIENCE = 60.0  # seconds to wait for another process's lock


def location(url: str) -> tuple[str, float]:
    """Return the file of a URL, and the seconds to wait for its lock.

    Raises:
        WarehouseError: the URL does not name a file, or has unknown parameters.
    """
    file, settings = file_of(url, "sqlite")
    try:
        patience = float(settings.pop("timeout", _PATIENCE))
    except ValueError:
        raise WarehouseError("timeout in the setting url must be a number of seconds") from None
    if settings:
        raise WarehouseError(
            f"the setting url has {', '.join(settings)}; SQLite accepts only timeout"
        )
    return file, patience


def is_locked(error: Exception) -> bool:
    """Return whether another process has locked the file."""
    return getattr(error, "sqlite_errorcode", 0) & 0xFF == sqlite3.SQLITE_BUSY
