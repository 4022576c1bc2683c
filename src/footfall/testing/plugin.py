"""Fixtures for pytest; found through its entry point group, so everybody who has footfall installed loads this file.

It therefore imports nothing: each fixture loads what it needs when a test asks for it.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from footfall.testing.captured import Captured
    from footfall.testing.clock import FakeClock
    from footfall.testing.ids import SequentialIds
    from footfall.testing.sink.client import Sink


@pytest.fixture
def footfall_capture(tmp_path: Path) -> Iterator[Captured]:
    """What is instrumented in the test is observed into a folder of the test, and undone after it."""
    from footfall.testing.captured import capture  # noqa: PLC0415  only for tests that ask

    with capture(tmp_path / "footfall-capture") as captured:
        yield captured


@pytest.fixture
def footfall_sink(tmp_path: Path) -> Iterator[Sink]:
    """A loopback server that keeps what it receives; stopped after the test."""
    from footfall.testing.sink.client import Sink  # noqa: PLC0415  only for tests that ask

    with Sink(tmp_path / "footfall-sink") as sink:
        yield sink


@pytest.fixture
def footfall_clock() -> FakeClock:
    """A clock that moves when the test says so."""
    from footfall.testing.clock import FakeClock  # noqa: PLC0415  only for tests that ask

    return FakeClock()


@pytest.fixture
def footfall_ids() -> SequentialIds:
    """Trace and span ids that count from one."""
    from footfall.testing.ids import SequentialIds  # noqa: PLC0415  only for tests that ask

    return SequentialIds()
