"""Fixtures of the outbox's tests."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from outboxhelp import open_outbox

from footfall.outbox.store import Outbox
from footfall.testing.clock import FakeClock
from footfall.testing.ledger import assert_ledger


@pytest.fixture
def clock() -> FakeClock:
    """Time that passes when a test says so."""
    return FakeClock()


@pytest.fixture
def outbox(tmp_path: Path, clock: FakeClock) -> Iterator[Outbox]:
    """An open outbox whose books must balance when the test is over."""
    opened = open_outbox(tmp_path, clock)
    yield opened
    if opened.is_open:
        assert_ledger(opened.ledger())
    opened.close()
