"""Temporary databases."""

from __future__ import annotations

import sqlite3
import threading

import pytest

from attribution_elt.kit.temporary import temporary_database


class Owner:
    """Can be referred to weakly."""


def test_a_database_is_closed_with_its_owner_in_any_thread() -> None:
    owners = [Owner()]
    database = temporary_database(owners[0])
    database.execute("CREATE TABLE ids (id)")

    thread = threading.Thread(target=owners.clear)
    thread.start()
    thread.join()

    with pytest.raises(sqlite3.ProgrammingError, match="closed"):
        database.execute("SELECT 1 FROM ids")
