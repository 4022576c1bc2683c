"""The databases, and the figures that the checks leave behind."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

import pytest

from footfall.testing.sink.client import Sink
from tests.database import servers
from tests.process.harness import Observation

ROWS = int(os.environ.get("ROWS", "2000000"))
"""Of the table; fewer for a quick look."""

FIGURES: list[str] = []


@pytest.fixture(scope="session")
def rows() -> int:
    return ROWS


@pytest.fixture(scope="session")
def postgres(rows: int) -> Iterator[str]:
    """How to connect to a server that has the table."""
    programs = servers.find_postgres()
    assert programs is not None, "apt-get install postgresql"
    with servers.postgres(programs) as dsn:
        servers.fill_postgres(dsn, rows)
        yield dsn


@pytest.fixture
def observation(tmp_path: Path) -> Iterator[Observation]:
    with Sink(tmp_path / "sink", max_seconds=1500.0) as sink:
        yield Observation(tmp_path, sink)


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    for line in FIGURES:
        terminalreporter.write_line(line)
