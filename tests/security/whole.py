"""The whole line in this process: a project is observed, an event recorded, delivery tried; and what that left."""

from __future__ import annotations

import itertools
import logging
import os
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import SimpleSpanProcessor
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter

import footfall
from footfall import runtime
from footfall.clock import SystemClock
from footfall.errors import trouble
from footfall.ledger import Ledger
from footfall.outbox.store import Outbox
from footfall.testing import capture
from footfall.wire.access import AccessWire
from footfall.wire.migas import MigasWire
from footfall.wire.otlp import OtlpWire
from tests.security.rules import everything_in

PROJECT = "owner/tool"


def state() -> Path:
    return Path(os.environ["FOOTFALL_DIR"])


def roots() -> tuple[Path, ...]:
    """Every directory that footfall may use in this test."""
    return state(), *(Path(os.environ[name]) for name in ("XDG_CONFIG_HOME", "XDG_STATE_HOME", "HOME"))


def forget() -> None:
    """Stop what ran in this process, so that the next use begins as a new process would."""
    used = runtime.replace(None)
    if used is not None:
        used.stop()


def deliver(*send_to: footfall.Destination, drain_seconds: float = 2.0, **fields: Any) -> Ledger:
    """Record one event with *fields*, try to deliver it, and stop; the books as they are then."""
    forget()
    footfall.instrument(PROJECT, version="1.0", send_to=send_to)
    footfall.event("step", **fields)
    ledger = footfall.drain(drain_seconds)
    forget()
    return ledger


def open_and_close(path: Path) -> None:
    """Open the outbox at *path*, made when it is not there."""
    Outbox.open(path, clock=SystemClock(), max_bytes=2**20, max_age_seconds=1e6).close()


@contextmanager
def everything_logged() -> Iterator[list[str]]:
    """Collect every log record of the process, at DEBUG, as a host that logs everything would."""
    said: list[str] = []

    class Ears(logging.Handler):
        def emit(self, record: logging.LogRecord) -> None:
            said.append(self.format(record))

    ears, root, before = Ears(), logging.getLogger(), logging.getLogger().level
    trouble._logged_at.clear()  # what a kind of trouble says once a minute, it may say now
    root.addHandler(ears)
    root.setLevel(logging.DEBUG)
    try:
        yield said
    finally:
        root.removeHandler(ears)
        root.setLevel(before)


directories = (Path(f"capture-{number}") for number in itertools.count())


def leaves(tmp_path: Path, fill: Callable[[], None], registry: dict[str, Any]) -> Iterator[tuple[str, bytes]]:
    """Yield all that leaves the process for what *fill* does: journal, spans of the host, requests of each wire."""
    exporter, provider = InMemorySpanExporter(), TracerProvider(shutdown_on_exit=False)
    provider.add_span_processor(SimpleSpanProcessor(exporter))
    directory = tmp_path / next(directories)
    with capture(directory) as captured:
        footfall.instrument("owner/tool", registry=registry, tracer_provider=provider)
        fill()
        usages = captured.usages
    provider.shutdown()
    assert usages, "it was observed"
    yield from everything_in(directory).items()
    for span in exporter.get_finished_spans():
        yield span.name, span.to_json().encode()
    for wire in (AccessWire(), MigasWire(), OtlpWire(compression="none")):
        for request in wire.translate(usages):
            yield type(wire).__name__, request.body
