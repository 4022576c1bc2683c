"""docs/scale.md: its query counts each use once, in a store that got some of them twice."""

from __future__ import annotations

import gzip
import random
import re
from collections.abc import Iterable
from pathlib import Path

import duckdb
import pytest
from opentelemetry.proto.collector.logs.v1.logs_service_pb2 import ExportLogsServiceRequest
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest
from opentelemetry.proto.common.v1.common_pb2 import KeyValue

from footfall.testing import SequentialIds
from footfall.usage import Kind, Outcome, Usage
from footfall.wire.base import Request
from footfall.wire.otlp import OtlpWire

PAGE = Path(__file__).parents[1] / "docs" / "scale.md"

# Columns of the Collector's exporter for ClickHouse, as far as the query reads them.
TABLES = """
CREATE TABLE otel_traces (TraceId VARCHAR, SpanId VARCHAR, ScopeName VARCHAR, SpanAttributes MAP(VARCHAR, VARCHAR));
CREATE TABLE otel_logs (ScopeName VARCHAR, LogAttributes MAP(VARCHAR, VARCHAR));
"""


@pytest.fixture
def store() -> Iterable[duckdb.DuckDBPyConnection]:
    with duckdb.connect() as connection:
        connection.execute(TABLES)
        yield connection


def attributes(values: Iterable[KeyValue]) -> dict[str, str]:
    """Return attributes as that exporter stores them: as text."""
    return {each.key: str(getattr(each.value, each.value.WhichOneof("value"))) for each in values}


def keep(store: duckdb.DuckDBPyConnection, request: Request) -> None:
    """Do with a delivered request what a Collector and its exporter do."""
    body = gzip.decompress(request.body) if request.body[:2] == b"\x1f\x8b" else request.body
    if request.path.endswith("/traces"):
        for resource in ExportTraceServiceRequest.FromString(body).resource_spans:
            for scope in resource.scope_spans:
                for span in scope.spans:
                    row = [span.trace_id.hex(), span.span_id.hex(), scope.scope.name, attributes(span.attributes)]
                    store.execute("INSERT INTO otel_traces VALUES (?, ?, ?, ?)", row)
        return
    for resource in ExportLogsServiceRequest.FromString(body).resource_logs:
        for scope in resource.scope_logs:
            for record in scope.log_records:
                store.execute("INSERT INTO otel_logs VALUES (?, ?)", [scope.scope.name, attributes(record.attributes)])


def used(ids: SequentialIds, name: str, kind: Kind = Kind.END, count: int = 1) -> Usage:
    return Usage(
        project="intake/intake-esm",
        name=f"intake_esm.core:{name}",
        kind=kind,
        trace_id=ids.trace_id(),
        span_id=ids.span_id(),
        time_ns=1_764_000_000_000_000_000,
        outcome=Outcome.OK if kind is Kind.END else None,
        count=count,
    )


def test_the_query_counts_each_use_once(store: duckdb.DuckDBPyConnection) -> None:
    """Copies, counts, starts, events, and spans of others: 3 + 3 * 40 uses of one function, 1 of another."""
    (query,) = re.findall(r"```sql\n(.*?)```", PAGE.read_text(encoding="utf-8"), re.DOTALL)
    ids = SequentialIds()
    search = [used(ids, "search") for _ in range(3)]
    counted = [used(ids, "search", count=40), *(used(ids, "search", Kind.COUNT, count=40) for _ in range(2))]
    others = [used(ids, "to_dask"), used(ids, "to_dask", Kind.START), used(ids, "catalogued", Kind.EVENT)]
    wire = OtlpWire()
    requests = [request for batch in (search, counted, others) for request in wire.translate(batch)]
    for request in [*requests, *random.Random(1).choices(requests, k=4), requests[0]]:
        keep(store, request)
    store.execute("INSERT INTO otel_traces VALUES ('1', '2', 'sqlalchemy', MAP {'footfall.project': 'a/b'})")
    assert store.execute(query).fetchall() == [
        ("intake/intake-esm", "intake_esm.core.search", 123),
        ("intake/intake-esm", "intake_esm.core.to_dask", 1),
    ]
