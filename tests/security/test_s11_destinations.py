"""S11: where data go is decided by a project's own registration, never by what a span or a field says."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import msgspec
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import SimpleSpanProcessor

import footfall
from footfall import runtime
from footfall.distro import FootfallSpanExporter
from footfall.testing.sink.client import Sink
from tests.security.rules import rule, without
from tests.security.whole import PROJECT, forget

NAMES = (
    *("url.full", "server.address", "http.url", "peer.service", "footfall.endpoint", "footfall.send_to"),
    *("footfall.extra.endpoint", "footfall.extra.send_to", "footfall.args.endpoint"),
)


def obliging(self: runtime.Runtime, usage: Any) -> bool:
    """The stand-in: a record may say where it wants to go."""
    known = self.projects[PROJECT]
    known.state = msgspec.structs.replace(known.state, send_to=(footfall.Migas(usage.extra["endpoint"]),))
    return bool(record(self, usage))


record = runtime.Runtime.record


@rule(without(runtime.Runtime, "record", obliging))
def test_a_span_chooses_no_host(tmp_path: Path, footfall_on: None) -> None:
    """Attributes that name another server, and a project that is nobody's here: nothing goes there."""
    with Sink(tmp_path / "evil") as evil, Sink(tmp_path / "own") as own:
        forget()
        footfall.instrument(PROJECT, version="1", send_to=[footfall.Migas(own.url)])
        provider = TracerProvider(shutdown_on_exit=False)
        provider.add_span_processor(SimpleSpanProcessor(FootfallSpanExporter()))
        tracer = provider.get_tracer("footfall")
        for project in (PROJECT, "somebody/else"):
            said = dict.fromkeys(NAMES, evil.url) | {"footfall.project": project}
            with tracer.start_as_current_span("x", attributes=said):
                pass
        footfall.drain(10)
        provider.shutdown()
        forget()
        assert evil.requests() == []
        assert [received.crumb["project"] for received in own.requests()] == [PROJECT]
