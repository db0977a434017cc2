"""`attribution-elt forget`: erase people."""

from __future__ import annotations

import csv
import re
import sys
from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import IO

import click

from attribution_elt.core.errors import OpsError, in_a_line
from attribution_elt.core.people import People
from attribution_elt.core.text import counted
from attribution_elt.erasure import files
from attribution_elt.erasure.project import keys, make_loader_keys, places, warehouse_files
from attribution_elt.erasure.tables import Counts, Place, open_schema
from attribution_elt.meltano.project import Project
from attribution_elt.meltano.warehouse import file_of

_ADDRESS = re.compile(r"[^@\s;,:|<>()]+@[^@\s;,:|<>()]+")
"""Characters that separate or enclose addresses are refused: others would be searched for."""


@click.command()
@click.option(
    "--email",
    "emails",
    multiple=True,
    metavar="ADDRESS",
    help="E-mail address of a person. Repeatable.",
)
@click.option(
    "--from",
    "listed",
    type=click.File(encoding="utf-8-sig"),
    metavar="FILE",
    help="File with an address on each line, or a CSV; - reads standard input.",
)
@click.option("--dry-run", is_flag=True, help="Count what would be erased, and change nothing.")
@click.pass_obj
def forget(
    project: Project, *, emails: tuple[str, ...], listed: IO[str] | None, dry_run: bool
) -> None:
    """Erase people from warehouses, states and files.

    The command finds people by their addresses and by hashes of the addresses. All personal columns
    of rows about them become null; rows with a personal key are removed. The table _suppressed
    keeps keyed hashes, so that later runs leave these people out. Exit with 1 if data of a person
    is left.
    """
    addresses = [*_checked(emails, "--email"), *_checked(_addresses(listed), "--from")]
    if not addresses:
        raise OpsError("no person is named: set --email ADDRESS or --from FILE")
    known = keys(project)
    found = places(project, only_existing=dry_run)
    given = Path(listed.name).resolve() if listed is not None else None
    without = {*warehouse_files(found), *([given] if given else [])}
    if not dry_run:
        for name in make_loader_keys(project, project.env_file, known):
            click.echo(f"{name} is set in .env: keep it for the loader, in every environment")
    people = People(addresses, known)
    click.echo("1 person" if people.count == 1 else f"{people.count} people")
    _warn_of_compressed_files()
    by_place, again = _learn(people, found, suppress=not dry_run)
    if dry_run:
        _count(project, people, by_place, without, show=True)
        return
    _erase_rows(by_place, again=again)
    _erase_states(project, people)
    for path in list(files.files_with(people, Path.cwd(), without=without)):
        if files.erase(people, path):
            click.echo(f"{_relative(path)}: erased")
    left = _count(project, people, by_place, without, show=False)
    if left:
        sys.exit(f"Error: personal data is left in {', '.join(left)}")
    click.echo("nothing is left")


def _warn_of_compressed_files() -> None:
    if unread := [_relative(path) for path in files.compressed(Path.cwd())]:
        click.echo(f"not searched, because they are compressed: {', '.join(unread)}")


def _learn(
    people: People, found: Iterable[Place], *, suppress: bool
) -> tuple[dict[Place, People], bool]:
    """Return the people with the ids that they have in each place.

    With `suppress`, later runs leave them out from now on. Also return whether earlier runs left
    them out.
    """
    by_place, again = {}, False
    for place in found:
        by_place[place] = people.copy()
        with open_schema(place, by_place[place]) as schema:
            schema.learn()
            if suppress and place.streams:
                again |= schema.suppress()
    return by_place, again


def _erase_rows(by_place: Mapping[Place, People], *, again: bool) -> None:
    """Erase people from warehouses, and rewrite the tables, or the file of a warehouse once.

    With `again`, they are rewritten in any case: an earlier command may have been interrupted.
    """
    for place, theirs in by_place.items():
        with open_schema(place, theirs) as schema:
            counts = schema.erase()
        _show(place.title, counts, "erased")
        again = again or len(counts) > 0
    if not again:
        return
    once = {file_of(place.url) or place: place for place in by_place}
    for place in once.values():
        with open_schema(place, by_place[place]) as schema:
            schema.scrub()


def _count(
    project: Project,
    people: People,
    by_place: Mapping[Place, People],
    without: set[Path],
    *,
    show: bool,
) -> list[str]:
    """Return the places where people are, and print the counts if wanted."""
    left = []
    for place, theirs in by_place.items():
        with open_schema(place, theirs) as schema:
            counts = schema.count()
        if len(counts):
            left.append(place.title)
        if show:
            _show(place.title, counts, "to erase")
    warehouses = len(left)
    left += [
        f"the state {state_id}"
        for state_id in project.state_ids()
        if people.finds(project.state(state_id))
    ]
    left += [_relative(path) for path in files.files_with(people, Path.cwd(), without=without)]
    if show:
        for name in left[warehouses:]:
            click.echo(f"{name}: to erase")
    return left


def _erase_states(project: Project, people: People) -> None:
    for state_id in project.state_ids():
        state = project.state(state_id)
        if people.finds(state):
            project.keep_state(state_id, people.without(state))
            click.echo(f"state {state_id}: erased")


def _show(title: str, counts: Counts, what: str) -> None:
    for table in sorted({*counts.changed, *counts.removed}):
        click.echo(
            f"{title}, {table}: {counted(counts.changed[table], 'row')} {what}, "
            f"{counts.removed[table]} {'removed' if what == 'erased' else 'to remove'}"
        )


def _relative(path: Path) -> str:
    return str(path.relative_to(Path.cwd()))


def _addresses(listed: IO[str] | None) -> Iterator[str]:
    """Yield the address of each line, or its first cell, which `_checked` refuses.

    The first line may be a header, unless it has a dot: then it is an address without its `@`.

    Raises:
        OpsError: the file is not a CSV in UTF-8, or a line has two addresses.
    """
    lines = csv.reader(listed or ())
    try:
        for number, cells in enumerate(lines):
            named = {cell for cell in cells if "@" in cell}
            if len(named) > 1:
                raise OpsError(
                    f"--from: line {lines.line_num} has {len(named)} addresses: keep one"
                )
            if named or (any(cells) and (number or "." in "".join(cells))):
                yield (*named, *cells)[0]
    except (UnicodeError, csv.Error) as error:
        raise OpsError(f"--from: the file is not a CSV in UTF-8: {in_a_line(error)}") from None


def _checked(addresses: Iterable[str], option: str) -> Sequence[str]:
    found = [each.strip() for each in addresses]
    for number, each in enumerate(found, 1):
        if not _ADDRESS.fullmatch(each):
            raise OpsError(f"{option}: address {number} is not an e-mail address")
    return found
