"""Rows of the user's own file, or of a query of a database that SQLAlchemy can connect to."""

from __future__ import annotations

import atexit
import codecs
import csv
import gc
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from decimal import Decimal
from pathlib import Path
from typing import Any

import msgspec
import sqlalchemy
from singer_sdk import typing as th

from attribution_elt.core import dates
from attribution_elt.kit.errors import PluginError
from attribution_elt.kit.json import array as json_array
from attribution_elt.kit.settings import DISTRIBUTION, is_file

Rows = Iterator[Mapping[str, Any]]
Bookmark = datetime | str | int | float | Decimal

EXTRAS = {"duckdb": "duckdb", "postgresql": "postgres"}
"""Extras of the distribution that install the drivers of databases."""


def rows_of_file(path: Path) -> Rows:
    """Yield the rows of a `.csv`, `.jsonl` or `.parquet` file, one at a time.

    Raises:
        PluginError: the file cannot be read, or is not of the type that its suffix names.
    """
    read = READERS.get(path.suffix.lower())
    if read is None:
        raise PluginError(f"{path}: expected a file that ends in {', '.join(READERS)}")
    try:
        yield from read(path)
    except OSError as error:
        raise PluginError(f"{path}: {error.strerror or error}") from None
    except (ValueError, csv.Error) as error:
        raise PluginError(f"{path}: {error}") from None


BEGINNING = datetime(1970, 1, 1, tzinfo=UTC)
"""The value of `:since` in a first run."""


@contextmanager
def naming(setting: str) -> Iterator[None]:
    """Begin the text of a `PluginError` with the setting that causes it."""
    try:
        yield
    except PluginError as error:
        raise PluginError(f"{setting}: {error}") from None


def text_of(value: Any) -> str:
    """Return an id or another text of a row; "" if the value is missing.

    A column of whole numbers arrives as floats if one of them is missing, and one of texts as bytes
    if its file or database does not mark it as text.
    """
    if isinstance(value, bytes):
        return value.decode(errors="replace")
    if value is None or value != value:  # noqa: PLR0124 - NaN, where an id is missing
        return ""
    is_whole = isinstance(value, (float, Decimal)) and value % 1 == 0
    return str(int(value) if is_whole else value)


def rows_of_query(url: str, query: str, since: Bookmark) -> Rows:
    """Yield the rows of a SELECT, streamed; `:since` in it is bound to `since`.

    Args:
        url: the database, as an SQLAlchemy URL.
        query: a SELECT statement.
        since: an instant, as a datetime or in ISO 8601, or another value of the user's column.

    Raises:
        PluginError: the connection or the query failed.
    """
    statement = sqlalchemy.text(query)
    bound = {"since": _bound(since)} if ":since" in query else {}
    engine = _engine(url)
    try:
        with engine.connect().execution_options(stream_results=True) as connection:
            result = connection.execute(statement, bound)
            names = list(map(str, result.keys()))
            if repeated := next((each for each in names if names.count(each) > 1), None):
                raise PluginError(f"the query has the column {repeated!r} twice: rename one")
            for row in result:
                yield dict(zip(names, row, strict=True))
    except sqlalchemy.exc.SQLAlchemyError as error:
        raise PluginError(f"the query failed: {_first_line(error)}") from None
    finally:
        engine.dispose()


def _engine(url: str) -> sqlalchemy.Engine:
    scheme, colon, rest = url.partition(":")
    if scheme in {"postgres", "postgresql"}:
        scheme = "postgresql+psycopg"  # our extra installs it; SQLAlchemy's default is psycopg2
    extra = EXTRAS.get(scheme.partition("+")[0])
    advice = f": pip install '{DISTRIBUTION}[{extra}]'" if extra else ""
    # DuckDB's driver reports objects as leaked that the collector skips when the process ends
    atexit.register(gc.unfreeze)
    try:
        engine = sqlalchemy.create_engine(scheme + colon + rest)
    except sqlalchemy.exc.NoSuchModuleError as error:
        text = f"the database's URL cannot be used: {_first_line(error)}"
        raise PluginError(text + advice) from None
    except ModuleNotFoundError as error:
        text = f"the database needs the package {error.name}, which is not installed"
        raise PluginError(text + advice) from None
    except (sqlalchemy.exc.ArgumentError, ValueError):  # its text may contain a part of the URL
        raise PluginError("the database's URL is not a valid SQLAlchemy URL") from None
    file = engine.url.database
    makes_files = engine.dialect.name in {"duckdb", "sqlite"}  # an empty one for a wrong name
    if makes_files and file and ":" not in file and not Path(file).exists():
        raise PluginError(f"the database {file} does not exist")
    return engine


def _bound(since: Bookmark) -> str | float:
    """Return a bookmark as a parameter; databases cast texts to the type of the other operand."""
    if isinstance(since, (int, float, Decimal)):
        return float(since) if isinstance(since, Decimal) else since
    if isinstance(since, str):
        if not since.endswith("Z"):  # not an instant as the taps emit it: a date or a text
            return since
        try:
            dates.day_of(since)
        except ValueError:
            return since
    return f"{dates.instant(since):%Y-%m-%d %H:%M:%S}+00:00"


def _first_line(error: Exception) -> str:
    return str(error).splitlines()[0]


def _csv(path: Path) -> Rows:
    with path.open(encoding="utf-8-sig", newline="") as file:
        yield from csv.DictReader(file)


def _jsonl(path: Path) -> Rows:
    with path.open("rb") as file:
        for number, line in enumerate(file, 1):
            text = line.removeprefix(codecs.BOM_UTF8)
            if not text.strip():
                continue
            try:
                row = msgspec.json.decode(text)
            except ValueError as error:
                raise ValueError(f"line {number}: {error}") from None
            if not isinstance(row, dict):
                raise ValueError(f"line {number} is not an object")  # noqa: TRY004 - caught below
            yield row


def _json(path: Path) -> Rows:
    with path.open("rb") as file:
        for number, row in enumerate(json_array.elements(file, json_array.index(file)), 1):
            if not isinstance(row, dict):
                raise ValueError(f"entry {number} is not an object")  # noqa: TRY004 - as above
            yield row


def _parquet(path: Path) -> Rows:
    try:
        from pyarrow import parquet  # noqa: PLC0415 - large, and needed for these files alone
    except ModuleNotFoundError:
        raise PluginError(
            f"{path}: reading it needs the extra: pip install '{DISTRIBUTION}[parquet]'"
        ) from None
    with parquet.ParquetFile(path) as file:
        for batch in file.iter_batches(batch_size=10_000):
            yield from batch.to_pylist()


READERS: dict[str, Callable[[Path], Rows]] = {
    ".csv": _csv,
    ".json": _json,
    ".jsonl": _jsonl,
    ".parquet": _parquet,
}


@dataclass(frozen=True)
class RowSource:
    """The settings `x_file`, `x_url` and `x_query`, which name the source of the user's rows.

    Attributes:
        prefix: x, the beginning of the settings' names.
        noun: plural noun for the rows, used in titles.
        suffixes: suffixes of the files that the tap can read.
    """

    prefix: str
    noun: str
    suffixes: Sequence[str] = tuple(READERS)

    def properties(self, *, file: str, url: str, query: str) -> list[th.Property[Any]]:
        """Return the settings' definitions, given their descriptions."""
        name, noun, text = self.prefix, self.noun, th.StringType
        return [
            th.Property(f"{name}_file", text, title=f"File of {noun}", description=file),
            th.Property(
                f"{name}_url", text, secret=True, title=f"Database of {noun}", description=url
            ),
            th.Property(f"{name}_query", text, title=f"Query of {noun}", description=query),
        ]

    def setting_errors(self, config: Mapping[str, Any]) -> Iterator[str]:
        """Yield a line for each of these settings that is invalid."""
        file, url, query = (f"{self.prefix}_{each}" for each in ("file", "url", "query"))
        if bool(config.get(url)) != bool(config.get(query)):
            yield f"settings {url!r} and {query!r} must be set together"
        path = config.get(file)
        if not path or not isinstance(path, str):
            return
        if not is_file(path):
            yield f"setting {file!r}: the file {path!r} does not exist"
        elif Path(path).suffix.lower() not in self.suffixes:
            yield f"setting {file!r}: {path!r} must end in one of {', '.join(self.suffixes)}"
