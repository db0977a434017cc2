"""URLs of databases that are files."""

from __future__ import annotations

import re
from urllib.parse import parse_qsl, unquote, urlsplit

from target_warehouse.warehouses.base import WarehouseError

_NO_FILE = re.compile(r"^$|/$|\0|^(:memory:|file:)")
"""Names that open another file, no file, or a database in memory (`file:` in SQLite)."""


def file_of(url: str, scheme: str) -> tuple[str, dict[str, str]]:
    """Return the file that a URL names, and the parameters after it.

    Raises:
        WarehouseError: The URL does not name a file, or only a part of its name.
    """
    parts = urlsplit(url)
    file = unquote(parts.path)[1:]
    if parts.netloc or _NO_FILE.search(file):
        raise WarehouseError(
            f"the setting url must name a file: {scheme}:///file.db, or {scheme}:////folder/file.db"
        )
    try:
        parameters = parse_qsl(parts.query, strict_parsing=True) if "?" in url else []
    except ValueError:
        parameters = None
    if "#" in url or parameters is None:
        raise WarehouseError(
            "the setting url has a # or ? that ends the name of the file: "
            "write %23 or %3F if it is a part of the name"
        )
    return file, dict(parameters)
