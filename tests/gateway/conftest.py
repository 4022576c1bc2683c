"""A server and a gateway in front of it."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from footfall.testing.sink import Sink
from tests.gateway.gatewayhelp import Gateway


@pytest.fixture
def sink(tmp_path: Path) -> Iterator[Sink]:
    """A server of all wires, in its own process."""
    with Sink(tmp_path / "sink") as running:
        yield running


@pytest.fixture
def gateway(tmp_path: Path, sink: Sink) -> Iterator[Gateway]:
    """A gateway that feeds the project ``demo/lib`` into *sink* by migas."""
    with Gateway.start(tmp_path / "gateway", {"projects": {"demo/lib": [{"migas": sink.url}]}}) as running:
        yield running
