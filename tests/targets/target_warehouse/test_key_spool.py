"""Delivered keys, which may be personal, are on disk without a file that others can find."""

from __future__ import annotations

import tempfile
from contextlib import closing
from pathlib import Path

import pyarrow as pa
import pytest
from target_warehouse.key_spool import KeySpool


def test_keys_are_in_a_file_without_a_name(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    keys = pa.table({"email": [f"{number}@mail.example" for number in range(70_000)]})
    with closing(KeySpool()) as spool:
        spool.add(keys)
        assert "_file" in vars(spool), "so many keys are not held in memory"
        assert list(tmp_path.iterdir()) == []
        assert pa.concat_tables(spool) == keys
