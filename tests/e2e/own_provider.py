"""An application with providers, samplers and processors of its own, which instruments its HTTP client itself.

Each case is a provider with a sampler, and a project that is given this provider. Written as JSON: for each case, what
the two processors of its provider exported, and how many of the host's traces it sampled.
"""

from __future__ import annotations

import json
import sys

import requests
from opentelemetry import trace
from opentelemetry.instrumentation.requests import RequestsInstrumentor
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import BatchSpanProcessor
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter
from opentelemetry.sdk.trace.sampling import ALWAYS_OFF, ALWAYS_ON, ParentBased, TraceIdRatioBased

import footfall
from tests.e2e import lib

URL, CALLS = sys.argv[1], 40
SAMPLERS = {
    "on": ALWAYS_ON,
    "off": ALWAYS_OFF,
    "ratio": TraceIdRatioBased(0.5),
    "parent": ParentBased(TraceIdRatioBased(0.5)),
}
report = {}
for name, sampler in SAMPLERS.items():
    provider = TracerProvider(sampler=sampler)
    exporters = [InMemorySpanExporter(), InMemorySpanExporter()]
    for exporter in exporters:
        provider.add_span_processor(BatchSpanProcessor(exporter))
    http = RequestsInstrumentor()
    http.instrument(tracer_provider=provider)
    footfall.FootfallInstrumentor().instrument(
        project=f"demo/{name}",
        registry={"registry": ["tests.e2e.lib:work"]},
        send_to=[footfall.Migas(URL), footfall.Otlp(URL)],
        tracer_provider=provider,
    )
    tracer, sampled = provider.get_tracer("host"), 0
    for _ in range(CALLS):
        with tracer.start_as_current_span("outer") as outer:
            sampled += outer.is_recording()
            lib.work()
            with tracer.start_as_current_span("inner"):
                pass
            assert trace.get_current_span() is outer
    with tracer.start_as_current_span("client"):
        requests.get(f"{URL}/hosts-own", timeout=20)
    ledger = footfall.drain(30)
    provider.force_flush()
    report[name] = {
        "sampled": sampled,
        "pending": ledger.pending,
        "spans": [
            [[span.name, f"{span.context.trace_id:032x}", span.context.trace_flags.sampled] for span in each]
            for each in (exporter.get_finished_spans() for exporter in exporters)
        ],
    }
    http.uninstrument()
    footfall.FootfallInstrumentor().uninstrument()
    assert type(lib.work).__name__ == "function"
    provider.shutdown()
print(json.dumps(report))
