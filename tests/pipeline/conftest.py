"""What the checks run with, and the figures that they leave behind."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

import pytest

from footfall.testing.sink.client import Sink
from tests.pipeline.stage import FIGURES, Stage

SPANS = int(os.environ.get("SPANS", "100000"))
"""How many calls a program makes; fewer for a quick look, and then there are fewer kills."""

SECONDS_IN_ALL = 900.0


@pytest.fixture(scope="session")
def binary() -> Path:
    """The Collector that ``python -m tests.pipeline`` found."""
    return Path(os.environ["PIPELINE_COLLECTOR"])


@pytest.fixture
def spans() -> int:
    return SPANS


@pytest.fixture
def stage(tmp_path: Path) -> Iterator[Stage]:
    with Sink(tmp_path / "sink", max_seconds=SECONDS_IN_ALL) as sink:
        yield Stage(tmp_path, sink)


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    for line in FIGURES:
        terminalreporter.write_line(line)
