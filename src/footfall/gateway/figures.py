"""The gateway's own figures, once: for Prometheus at ``/metrics``, and the same as OTLP (`telemetry`).

What was delivered, dropped and is pending comes from the ledger, at the time of asking.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING, Final

from prometheus_client import (
    CollectorRegistry,
    Counter,
    Gauge,
    Histogram,
    disable_created_metrics,
    generate_latest,
)
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily
from prometheus_client.registry import Collector

from footfall.errors import guard

if TYPE_CHECKING:
    from prometheus_client import Metric

    from footfall.outbox.store import Outbox

CONTENT_TYPE: Final = "text/plain; version=0.0.4; charset=utf-8"

_SECONDS: Final = (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0)


class Figures:
    """What a gateway counts.

    Attributes:
        registry: All of them, for whoever presents them.
        requests: Answered, by signal and status.
        received_bytes: Of bodies, as they came.
        accepted: Records that were acknowledged, by signal.
        rejected: Records told back in a partial success, by signal and reason.
        at_work: Requests whose body has come and that have no answer yet.
        request_seconds: From the head of a request to its answer, by signal.
        queue_seconds: From a message's last byte being understood to its commit.
    """

    def __init__(self) -> None:
        disable_created_metrics()  # type: ignore[no-untyped-call]  # a second series for each, which nothing asks for
        registry = self.registry = CollectorRegistry()
        name = "footfall_gateway_"
        self.requests = Counter(f"{name}requests", "Requests answered.", ("signal", "status"), registry=registry)
        self.received_bytes = Counter(f"{name}received_bytes", "Bytes of bodies, as they came.", registry=registry)
        self.accepted = Counter(
            f"{name}records_accepted", "Spans and log records acknowledged.", ("signal",), registry=registry
        )
        self.rejected = Counter(
            f"{name}records_rejected",
            "Spans and log records told back in a partial success.",
            ("signal", "reason"),
            registry=registry,
        )
        self.at_work = Gauge(f"{name}requests_at_work", "Requests between body and answer.", registry=registry)
        self.request_seconds = Histogram(
            f"{name}request_seconds", "From head to answer.", ("signal",), buckets=_SECONDS, registry=registry
        )
        self.queue_seconds = Histogram(
            f"{name}queue_seconds", "Wait of a message for its commit.", buckets=_SECONDS, registry=registry
        )

    def watch(self, outbox: Outbox, *, max_bytes: int, ready: Callable[[], bool]) -> None:
        """Add the books of *outbox* to the figures, and whether the gateway is *ready*."""
        self.registry.register(_Books(outbox, max_bytes, ready))

    def text(self) -> bytes:
        """Return all figures as Prometheus reads them."""
        return generate_latest(self.registry)


class _Books(Collector):
    """The ledger and the outbox as metrics."""

    def __init__(self, outbox: Outbox, max_bytes: int, ready: Callable[[], bool]) -> None:
        self._outbox = outbox
        self._max_bytes = max_bytes
        self._ready = ready

    def collect(self) -> Iterator[Metric]:
        """Yield what there is; nothing of what cannot be read now."""
        yield GaugeMetricFamily("footfall_gateway_ready", "1 where what comes now can be kept.", float(self._ready()))
        yield GaugeMetricFamily("footfall_outbox_max_bytes", "Size beyond which nothing is taken.", self._max_bytes)
        with guard("figures"):
            yield from self._of_outbox()

    def _of_outbox(self) -> Iterator[Metric]:
        ledger, backlogs, known = self._outbox.ledger(), self._outbox.backlogs(), self._outbox.destinations()
        yield GaugeMetricFamily("footfall_outbox_bytes", "Size of all that is pending.", sum(backlogs.values()))
        where = ["destination"]
        accepted = CounterMetricFamily("footfall_records_accepted", "Records for a destination.", labels=where)
        delivered = CounterMetricFamily("footfall_records_delivered", "Records that it took.", labels=where)
        duplicates = CounterMetricFamily(
            "footfall_records_duplicate", "Records that were pending already under their key.", labels=where
        )
        dropped = CounterMetricFamily("footfall_records_dropped", "Records given up.", labels=[*where, "reason"])
        pending = GaugeMetricFamily("footfall_records_pending", "Records not settled.", labels=where)
        for account in ledger.accounts:
            label = [account.destination]
            accepted.add_metric(label, account.accepted)
            delivered.add_metric(label, account.delivered)
            duplicates.add_metric(label, account.duplicates)
            pending.add_metric(label, account.pending)
            for reason, records in account.dropped.items():
                dropped.add_metric([*label, reason.value], records)
        yield from (accepted, delivered, duplicates, dropped, pending)
        backlog = GaugeMetricFamily("footfall_backlog_bytes", "Size of what is pending for one.", labels=where)
        failures = GaugeMetricFamily("footfall_destination_failures", "In a row, since it last answered.", labels=where)
        paused = GaugeMetricFamily("footfall_destination_paused", "1 while nothing is sent to it.", labels=where)
        for each in known:
            key = [each.destination.key]
            backlog.add_metric(key, backlogs.get(each.id, 0))
            failures.add_metric(key, each.failures)
            paused.add_metric(key, float(each.paused_until_ns > 0))
        yield from (backlog, failures, paused)
