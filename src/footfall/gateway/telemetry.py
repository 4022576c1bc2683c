"""The gateway's figures as OTLP metrics, by OpenTelemetry's own SDK and exporter: one source, a second presentation.

Where they go is what ``OTEL_EXPORTER_OTLP_*`` says, as for every program with that exporter. Histograms go as their sum
and their count.
"""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Generator, Iterable
from typing import TYPE_CHECKING, Final

from opentelemetry.exporter.otlp.proto.http.metric_exporter import OTLPMetricExporter
from opentelemetry.metrics import CallbackOptions, Observation
from opentelemetry.sdk.metrics import MeterProvider
from opentelemetry.sdk.metrics.export import PeriodicExportingMetricReader
from opentelemetry.sdk.resources import Resource

from footfall import attributes
from footfall.version import VERSION

if TYPE_CHECKING:
    from footfall.gateway.figures import Figures

CLOSE_MILLISECONDS: Final = 2000


@contextlib.contextmanager
def exporting(figures: Figures) -> Generator[None]:
    """Export *figures* while the block runs, and once at its end."""
    reader = PeriodicExportingMetricReader(OTLPMetricExporter())
    resource = Resource.create({attributes.SERVICE_NAME: "footfall-gateway", attributes.SERVICE_VERSION: VERSION})
    provider = MeterProvider([reader], resource=resource, shutdown_on_exit=False)
    meter = provider.get_meter(f"{attributes.SCOPE_NAME}.gateway", VERSION)
    for family in figures.registry.collect():
        if family.type == "gauge":
            meter.create_observable_gauge(
                family.name, [_reading(figures, family.name)], description=family.documentation
            )
            continue
        for ending in ("_sum", "_count") if family.type == "histogram" else ("_total",):
            callback = _reading(figures, family.name + ending)
            meter.create_observable_counter(family.name + ending, [callback], description=family.documentation)
    try:
        yield
    finally:
        provider.shutdown(timeout_millis=CLOSE_MILLISECONDS)


def _reading(figures: Figures, sample_name: str) -> Callable[[CallbackOptions], Iterable[Observation]]:
    def observe(options: CallbackOptions) -> Iterable[Observation]:
        del options
        return [
            Observation(sample.value, dict(sample.labels))
            for family in figures.registry.collect()
            for sample in family.samples
            if sample.name == sample_name
        ]

    return observe
