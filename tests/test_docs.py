"""The commands, settings and queries of the documentation work."""

from __future__ import annotations

import os
import re
import socket
from collections.abc import Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from pathlib import Path

import psycopg
import pytest

from attribution_elt.sandbox import Sandbox
from tests.docs import pages
from tests.docs.pages import PROJECT, Block
from tests.docs.reader import Reader
from tests.pipeline.landings import Postgres
from tests.pipeline.meltano import environment, settings

README = PROJECT / "README.md"
PAGES = {page: list(pages.blocks(page)) for page in pages.pages()}
BLOCKS = [block for blocks in PAGES.values() for block in blocks]


def name(value: Path | Block) -> str:
    return str(value.relative_to(PROJECT) if isinstance(value, Path) else value)


@pytest.fixture(scope="session")
def made(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A project with an environment and plugins, which most pages take for granted."""
    folder = tmp_path_factory.mktemp("made") / "project"
    ours = "--attribution-elt.lock"
    command = f"scripts/meltano install $(basename -as {ours} plugins/*/*{ours})\n"
    Reader(folder, None, environment({}), "").follow(Block(folder, 0, "sh", command, None, None))
    return folder


@pytest.fixture(scope="session")
def followed(
    made: Path,
    postgres_server: str,
    request: pytest.FixtureRequest,
    tmp_path_factory: pytest.TempPathFactory,
) -> Iterator[dict[Path, Future[None]]]:
    """Run the pages of this session, as many at a time as there are cores."""
    tests = [item for item in request.session.items if isinstance(item, pytest.Function)]
    asked = [
        each for each in tests if each.originalname == test_a_reader_can_follow_the_page.__name__
    ]
    with ThreadPoolExecutor(os.cpu_count()) as pool:
        futures = {}
        for number, test in enumerate(asked):
            page = test.callspec.params["page"]
            assert isinstance(page, Path)
            database = fresh_database(postgres_server, f"docs_{number}")
            folder = tmp_path_factory.mktemp("page") / "project"
            futures[page] = pool.submit(follow, page, folder, made, database)
        yield futures
        pool.shutdown(cancel_futures=True)


def fresh_database(server: str, name: str) -> str:
    with psycopg.connect(server, autocommit=True) as connection:
        connection.execute(f"CREATE DATABASE {name}".encode())
    return server.replace("/postgres?", f"/{name}?")


def follow(page: Path, folder: Path, made: Path, database: str) -> None:
    """Run a page, with its own vendors, project and database."""
    own = page == README or any((block.file or "").startswith("taps/") for block in PAGES[page])
    with Sandbox(seed=7) as sandbox:
        more = {"PORT": str(unused_port()), "PIP_NO_INDEX": "1"}
        variables = environment(settings(sandbox), **Postgres(database).variables, **more)
        reader = Reader(folder, None if own else made, variables, database)
        for block in PAGES[page]:
            if not block.not_run:
                reader.follow(block)


def unused_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as server:
        port: int = server.getsockname()[1]
    return port


@pytest.mark.parametrize(
    "page",
    [page for page, blocks in PAGES.items() if any(not block.not_run for block in blocks)],
    ids=name,
)
def test_a_reader_can_follow_the_page(page: Path, followed: dict[Path, Future[None]]) -> None:
    followed[page].result()


@pytest.mark.parametrize("block", [block for block in BLOCKS if block.not_run], ids=name)
def test_blocks_that_are_not_executed_have_a_reason(block: Block) -> None:
    """The blocks are listed here, so that none is left out unnoticed."""
    assert block.language in pages.EXECUTED
    pytest.skip(str(block.not_run))


@pytest.mark.parametrize("page", PAGES, ids=name)
def test_every_block_is_of_a_language_that_is_known(page: Path) -> None:
    for block in PAGES[page]:
        known = block.language in pages.EXECUTED | pages.FILES | pages.SHOWN
        assert known, f"{block}: {block.language} is not one of those that are executed"
        assert block.file or block.language not in pages.FILES, f"{block}: which file is it?"
    declared = page.read_text().count("<!-- not run:")
    assert declared == sum(1 for block in PAGES[page] if block.not_run), "a comment without a block"


@pytest.mark.parametrize("page", PAGES, ids=name)
def test_links_have_existing_targets(page: Path) -> None:
    text = page.read_text()
    links = re.findall(r'\]\((?!https?:)([^)#]+)(?:#[^)]*)?\)|src="([^"]+)"', text)
    targets = [target for pair in links for target in pair if target]
    assert [each for each in targets if not (page.parent / each).exists()] == []


def test_every_page_is_in_an_index() -> None:
    docs = PROJECT / "docs"
    indexes = [docs / "README.md", *docs.glob("*/README.md")]
    linked = {
        index.parent / link
        for index in indexes
        for link in re.findall(r"\]\(([\w/-]+\.md)\)", index.read_text())
    }
    assert {page for page in PAGES if docs in page.parents} - linked == {docs / "README.md"}


@pytest.mark.parametrize("page", PAGES, ids=name)
def test_links_to_headings_have_existing_targets(page: Path) -> None:
    links = re.findall(r"\]\((?!https?:)([^)#]*)#([^)]+)\)", page.read_text())
    missing = [
        f"{target}#{anchor}"
        for target, anchor in links
        if anchor not in anchors((page.parent / target) if target else page)
    ]
    assert missing == []


def anchors(page: Path) -> set[str]:
    """The anchors of a page's headings, as GitHub makes them."""
    headings = re.findall(r"^#+ (.+)$", page.read_text(), re.MULTILINE)
    return {re.sub(r"[^\w -]", "", each.lower()).replace(" ", "-") for each in headings} | set(
        re.findall(r'<a name="([^"]+)"', page.read_text())
    )
