"""One sink for each file, and no configuration left over from another test."""

from __future__ import annotations

import logging
from collections.abc import Iterator
from pathlib import Path

import pytest

from footfall.facade.access import pipeline as access_pipeline
from footfall.facade.access.registry import TelemetryRegister
from footfall.facade.access.state import state
from footfall.facade.migas import config, pipeline, tracker
from footfall.facade.tracker.accounts import accounts
from footfall.facade.tracker.known import configurations
from footfall.testing.sink.client import Sink
from tests.process.harness import Observation


@pytest.fixture(scope="module")
def shared_sink(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Sink]:
    with Sink(tmp_path_factory.mktemp("sink")) as running:
        yield running


@pytest.fixture
def sink(shared_sink: Sink) -> Sink:
    shared_sink.set_mode("ok")
    return shared_sink


@pytest.fixture
def observation(tmp_path: Path, sink: Sink) -> Observation:
    return Observation(tmp_path, sink)


@pytest.fixture(autouse=True)
def not_set_up() -> Iterator[None]:
    """As a process that has just imported the facade."""
    _forget()
    yield
    _forget()


def _forget() -> None:
    config.Config.forget()
    config.logger.setLevel(logging.NOTSET)
    config._destination.cache_clear()
    config._seconds.cache_clear()
    pipeline._ours.clear()
    tracker._whole.clear()
    tracker._waiting.clear()
    TelemetryRegister.forget()
    access_pipeline._ours.clear()
    access_pipeline._destinations.clear()
    state.forget()
    accounts.forget()
    configurations.forget()
