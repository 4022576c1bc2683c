"""What several of these tests build once."""

from __future__ import annotations

import fcntl
from pathlib import Path

import pytest

from tests.docker.dockerfile import parse
from tests.docker.sandbox import Images
from tests.docker.service import built_collector


@pytest.fixture(scope="session")
def images(tmp_path_factory: pytest.TempPathFactory, worker_id: str) -> Images:
    """Built once a run of the suite, whichever of its processes comes first."""
    base = tmp_path_factory.getbasetemp()
    directory = (base if worker_id == "master" else base.parent) / "images"
    directory.mkdir(exist_ok=True)
    built = Images(directory, parse())
    with (directory.parent / "images.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)  # until the file is closed
        for name in ("gateway", "demo"):
            built.root(name)
    return built


@pytest.fixture(scope="session")
def collector() -> Path:
    """The Collector of collector-config/builder.yaml."""
    return built_collector()
