"""A database on disk for data that may not fit into memory."""

from __future__ import annotations

import sqlite3
import weakref


def temporary_database(owner: object) -> sqlite3.Connection:
    """Open an empty SQLite database that is closed and deleted when its owner is collected.

    Any thread may collect the owner.
    """
    database = sqlite3.connect("", isolation_level=None, check_same_thread=False)
    weakref.finalize(owner, database.close)
    return database
