"""Lists where a Meltano project may contain people, and the keys of their pseudonyms."""

from __future__ import annotations

import os
import secrets
from collections.abc import Iterator
from pathlib import Path

from attribution_elt.core.errors import OneLineError, OpsError
from attribution_elt.core.people import Personal
from attribution_elt.core.redaction import redactor
from attribution_elt.erasure.tables import Place, Stream
from attribution_elt.meltano.project import MODELS, Extractor, Project
from attribution_elt.meltano.warehouse import (
    file_of,
    keep_secret,
    missing_file,
    opened,
    title_of,
)


def places(project: Project, *, only_existing: bool) -> list[Place]:
    """Return the schemas that people may be in: those of taps, of models and of writes.

    A schema of an account may not exist yet: unless `only_existing`, it is among them, because its
    first load has to leave people out too.

    Raises:
        OpsError: a warehouse cannot be reached, or its rows have no ids.
    """
    found: dict[tuple[str, str | None], Place] = {}
    for loader in project.loaders.values():
        for extractor in project.extractors.values():
            schema = loader.schema_of(extractor.load_schema)
            _add(found, loader.url, schema, _streams(extractor))
        for load_schema in project.load_schemas.values():  # taps of others have schemas too
            _add(found, loader.url, loader.schema_of(load_schema))
        _add(found, loader.url, loader.schema_named(MODELS))
    for writer in project.writers:
        if url := writer.settings.get("outcomes_url"):
            keep_secret(str(url))
            _add(found, str(url), writer.settings.get("outcomes_schema"))
    accounts = () if only_existing else project.accounts
    wanted = {
        loader.schema_of(each.load_schema)
        for loader in project.loaders.values()
        for each in accounts
    }
    kept = []
    for url in dict.fromkeys(url for url, _ in found):
        here = [place for place in found.values() if place.url == url]
        if not accounts and missing_file(url):
            continue
        with opened(title_of(url), url, None) as adapter:
            if not adapter.row_id:
                raise OpsError(f"{title_of(url)}: people cannot be erased from this warehouse")
            kept += [
                each
                for each in here
                if each.schema in {None, *wanted} or adapter.has_schema(str(each.schema))
            ]
    return kept


def _add(
    found: dict[tuple[str, str | None], Place],
    url: str,
    schema: str | None,
    streams: tuple[Stream, ...] = (),
) -> None:
    before = found.get((url, schema))
    title = ", ".join(filter(None, (title_of(url), schema)))
    streams = (*(before.streams if before else ()), *streams)
    found[url, schema] = Place(title, url, schema, streams)


def _streams(extractor: Extractor) -> tuple[Stream, ...]:
    tap = extractor.tap
    return tuple(
        Stream(name, Personal.of_schema(tap.schemas.get_schema(name)["properties"], keys))
        for name, keys in tap.keys_by_stream().items()
    )


def keys(project: Project) -> list[str]:
    """Return the keys of all pseudonyms that the project's plugins make."""
    found = [each.pii_key for each in project.loaders.values()]
    found += [each.settings.get("pii_key") for each in project.writers]
    for extractor in project.extractors.values():
        if extractor.settings.get("pii_key"):
            found.append(str(extractor.settings["pii_key"]))
        elif extractor.settings.get("pii") == "drop":  # keys of rows are hashed anyway
            try:
                found.append(extractor.tap(config=dict(extractor.settings)).run.personal_data.key)
            except OneLineError:  # settings that no run can have used
                continue
    named = [each for each in found if each]
    redactor.add(named)
    return list(dict.fromkeys(named))


def make_loader_keys(project: Project, env_file: Path | None, known: list[str]) -> Iterator[str]:
    """Give each loader without a key one in the project's `.env`; yield the variables' names.

    It is the key of the taps, if they have one.
    """
    path = env_file or Path(".env")
    lacking = [each for each in project.loaders.values() if not each.pii_key]
    if not lacking:
        return
    key = known[0] if known else secrets.token_hex(32)
    redactor.add([key])
    if key not in known:
        known.append(key)
    names = [f"{each.name.upper().replace('-', '_')}_PII_KEY" for each in lacking]
    handle = os.open(path, os.O_RDWR | os.O_CREAT | os.O_APPEND, 0o600)
    with open(handle, "r+", encoding="utf-8") as file:  # noqa: PTH123 - a descriptor
        text = file.read()
        start = "" if not text or text.endswith("\n") else "\n"
        file.write(start + "".join(f"{name}='{key}'\n" for name in names))
    for name in names:
        os.environ[name] = key
        yield name


def warehouse_files(found: list[Place]) -> set[Path]:
    """Return the files of warehouses."""
    return {file for place in found if (file := file_of(place.url)) is not None}
