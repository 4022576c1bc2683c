"""A place to observe real modules."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from insthelp import Observation


@pytest.fixture
def observation(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Observation]:
    """Journal, recorder and instrumentor of one test, all undone after it."""
    made = Observation(tmp_path)
    monkeypatch.setattr(sys, "path", [str(made.library), *sys.path])
    monkeypatch.setattr(sys, "dont_write_bytecode", True)
    yield made
    made.close()
