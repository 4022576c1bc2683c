"""A sink and a network home for each test."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from footfall.testing.sink.client import Sink
from tests.filesystems.cluster import Cluster
from tests.process.harness import Observation


@pytest.fixture
def observation(tmp_path: Path) -> Iterator[Observation]:
    with Sink(tmp_path / "sink") as sink:
        yield Observation(tmp_path, sink)


@pytest.fixture
def cluster(observation: Observation) -> Cluster:
    return Cluster(observation)
