"""The sink convinces the real clients: migas 0.4.0, and OpenTelemetry's OTLP/HTTP exporters."""

from __future__ import annotations

import gzip
import json
import os
import subprocess
import sys
import zlib

import pytest
from opentelemetry._logs import LogRecord, SeverityNumber
from opentelemetry.exporter.otlp.proto.http import Compression
from opentelemetry.exporter.otlp.proto.http._log_exporter import OTLPLogExporter
from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter
from opentelemetry.proto.collector.logs.v1.logs_service_pb2 import ExportLogsServiceRequest, ExportLogsServiceResponse
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import (
    ExportTraceServiceRequest,
    ExportTraceServiceResponse,
)
from opentelemetry.sdk._logs import LoggerProvider
from opentelemetry.sdk._logs.export import SimpleLogRecordProcessor
from opentelemetry.sdk.resources import Resource
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import BatchSpanProcessor
from opentelemetry.trace import Status, StatusCode
from sinkhelp import post, raw_exchange

PROTOBUF = "application/x-protobuf"
USER = "5d1a3f2e-9b4c-3e21-8a77-0c2f5e6d7a81"
SESSION = "0f4b2c6e-51d2-4c0a-9f3a-7b1d2e3f4a5b"


def run_migas(sink, tmp_path, *calls):
    """Run *calls* in a process that uses the original client; return what each returned."""
    program = f"""
import json, migas
migas.setup(endpoint={sink.url + "/graphql"!r}, user_id={USER!r}, session_id={SESSION!r}, save_config=False)
print(json.dumps([{", ".join("migas." + call for call in calls)}]))
"""
    environment = {name: value for name, value in os.environ.items() if not name.startswith(("MIGAS", "FOOTFALL"))}
    environment["TMPDIR"] = str(tmp_path)
    done = subprocess.run(
        [sys.executable, "-c", program], env=environment, capture_output=True, text=True, timeout=60, check=False
    )
    assert (done.returncode, done.stderr) == (0, "")
    return json.loads(done.stdout)


def test_migas_breadcrumbs_and_usage(footfall_sink, tmp_path):
    """What the original returns with a real server, and the crumb in the journal field by field."""
    returned = run_migas(
        footfall_sink,
        tmp_path,
        "add_breadcrumb('nipreps/fmriprep', '24.1.0', status='F', status_desc='a \"b\"', error_type='E', is_ci=True)",
        "add_breadcrumb('noslash', '1')",
        "add_breadcrumb('nipreps/fmriprep', '24.1.0', status='X')",
        "get_usage('nipreps/fmriprep', '2024-01-01')",
        "get_usage('nipreps/fmriprep', '2999-01-01T00:00:00Z', unique=True)",
        "get_usage('nipreps/fmriprep', '2024-01-01T00:00:00+02:00')",
    )
    usage = {"hits": 1, "message": "", "unique": False, "success": True}
    assert returned[:2] == [{"success": True}, {"success": False}]
    assert returned[2]["message"].startswith("Value 'X' does not exist in 'Status' enum.")
    assert returned[3:5] == [usage, usage | {"hits": 0, "unique": True}]
    assert "Invalid isoformat string" in returned[5]["message"]

    first = footfall_sink.requests()[0]
    crumb = first.crumb
    assert (first.path, first.wire, first.accepted) == ("/graphql", "migas", True)
    assert first.headers["user-agent"].startswith("migas-client/")
    assert crumb["proc"] == {"status": "F", "status_desc": 'a "b"', "error_type": "E"}
    assert (crumb["ctx"]["user_id"], crumb["ctx"]["session_id"], crumb["ctx"]["is_ci"]) == (USER, SESSION, True)
    assert [each.accepted for each in footfall_sink.requests()] == [True, False, False, True, True, False]
    assert len(footfall_sink.records()) == 1


def test_migas_check_project(footfall_sink, tmp_path):
    """Versions and flags as set; a server that cannot find out; a name that is not registered."""
    footfall_sink.set_project("nipreps/fmriprep", latest="24.1.1", flagged=["24.1.0"], message="please update")
    footfall_sink.set_project("nipreps/other", latest="")
    returned = run_migas(
        footfall_sink,
        tmp_path,
        "check_project('nipreps/fmriprep', '24.1.0')",
        "check_project('nipreps/fmriprep', '24.1.1')",
        "check_project('some/thing', '3')",
        "check_project('nipreps/other', '1')",
        "check_project('noslash', '1')",
        "operations.check_project('some/thing', '3', language='python')",
    )
    known = {"success": True, "flagged": True, "latest": "24.1.1", "message": "please update"}
    assert returned[:3] == [
        known,
        known | {"flagged": False},
        {**known, "flagged": False, "latest": "3", "message": ""},
    ]
    assert returned[3] == {"success": False, "message": "Cannot connect to host api.github.com:443"}
    assert returned[4]["success"] is False
    assert returned[5]["message"] == "Unknown argument 'language' on field 'Query.check_project'."


@pytest.mark.parametrize("compression", [Compression.NoCompression, Compression.Gzip])
def test_otlp_spans_from_the_real_exporter(footfall_sink, compression):
    """Every field of a span that tests ask for arrives, packed or not; the exporter says success."""
    provider = TracerProvider(resource=Resource({"service.name": "demo", "k": [1, 2]}), shutdown_on_exit=False)
    exporter = OTLPSpanExporter(
        footfall_sink.url + "/v1/traces", headers={"authorization": "Bearer canary"}, compression=compression
    )
    provider.add_span_processor(BatchSpanProcessor(exporter))
    tracer = provider.get_tracer("a.scope", "1.2")
    attributes = {"b": True, "i": 2**40, "f": 0.5, "l": ["x"]}
    with (
        tracer.start_as_current_span("outer") as outer,
        tracer.start_as_current_span("inner", attributes=attributes) as inner,
    ):
        inner.add_event("said", {"e": 1})
        inner.set_status(Status(StatusCode.ERROR, "why"))
    provider.shutdown()

    (line,) = footfall_sink.requests()
    assert (line.wire, line.answer, line.accepted, line.auth_headers) == ("otlp", 200, True, ["authorization"])
    assert line.headers.get("content-encoding") == (None if compression is Compression.NoCompression else "gzip")
    spans = {each["name"]: each for each in footfall_sink.records()}
    got, context = spans["inner"], inner.get_span_context()
    assert (got["type"], got["trace_id"], got["span_id"]) == (
        "span",
        f"{context.trace_id:032x}",
        f"{context.span_id:016x}",
    )
    assert got["parent_span_id"] == f"{outer.get_span_context().span_id:016x}" == spans["outer"]["span_id"]
    assert got["attributes"] == attributes
    assert (got["start_ns"], got["end_ns"]) == (inner.start_time, inner.end_time)
    assert (got["status"], got["status_message"], spans["outer"]["status"]) == ("error", "why", "unset")
    assert [(each["name"], each["attributes"]) for each in got["events"]] == [("said", {"e": 1})]
    assert got["scope"] == {"name": "a.scope", "version": "1.2"}
    assert (got["resource"]["service.name"], got["resource"]["k"]) == ("demo", [1, 2])


def test_otlp_logs_from_the_real_exporter(footfall_sink):
    """A log record with a structured body and an event name."""
    provider = LoggerProvider(resource=Resource({"service.name": "demo"}), shutdown_on_exit=False)
    provider.add_log_record_processor(SimpleLogRecordProcessor(OTLPLogExporter(footfall_sink.url + "/v1/logs")))
    record = LogRecord(
        timestamp=5, severity_number=SeverityNumber.INFO, body={"a": [1, "x"]}, attributes={"k": "v"}, event_name="e.n"
    )
    provider.get_logger("a.scope").emit(record)
    provider.shutdown()
    (got,) = footfall_sink.records()
    assert (got["type"], got["name"], got["time_ns"], got["severity"]) == ("log", "e.n", 5, 9)
    assert (got["body"], got["attributes"]) == ({"a": [1, "x"]}, {"k": "v"})
    assert got["resource"]["service.name"] == "demo"


def traces(count):
    """Return an OTLP request of *count* spans, in protobuf."""
    payload = ExportTraceServiceRequest()
    for number in range(count):
        payload.resource_spans.add().scope_spans.add().spans.add(
            name=f"s{number}", trace_id=b"t" * 16, span_id=b"s" * 8
        )
    return payload.SerializeToString()


def test_partial_success_on_request(footfall_sink):
    """The rejected ones are named by number, in the answer and in the journal; all rejected is not a yes."""
    footfall_sink.set_mode("partial:2")
    answer = raw_exchange(footfall_sink.port, post("/v1/traces", traces(3), PROTOBUF))
    partial = ExportTraceServiceResponse.FromString(answer.body).partial_success
    assert (answer.status, answer.headers["content-type"], partial.rejected_spans) == (200, PROTOBUF, 2)
    assert [each["name"] for each in footfall_sink.records()] == ["s2"]
    raw_exchange(footfall_sink.port, post("/v1/traces", traces(1), PROTOBUF))
    assert [each.accepted for each in footfall_sink.requests()] == [True, False]

    payload = ExportLogsServiceRequest()
    payload.resource_logs.add().scope_logs.add().log_records.add(event_name="x")
    answer = raw_exchange(footfall_sink.port, post("/v1/logs", payload.SerializeToString(), PROTOBUF))
    assert ExportLogsServiceResponse.FromString(answer.body).partial_success.rejected_log_records == 1


def test_an_empty_request_is_a_success(footfall_sink):
    """No bytes are a valid message with no spans; full success is an empty message."""
    answer = raw_exchange(footfall_sink.port, post("/v1/traces", b"", PROTOBUF))
    assert (answer.status, answer.body, footfall_sink.requests()[0].accepted) == (200, b"", True)


def test_otlp_json_has_hexadecimal_ids_and_json_answers(footfall_sink):
    """The other encoding of the specification, whose ids are not base64."""
    span = {"traceId": "0af7651916cd43dd8448eb211c80319c", "spanId": "b7ad6b7169203331", "name": "s", "kind": 1}
    body = json.dumps({"resourceSpans": [{"scopeSpans": [{"spans": [span]}]}]}).encode()
    answer = raw_exchange(footfall_sink.port, post("/v1/traces", body))
    assert (answer.status, json.loads(answer.body)) == (200, {})
    (got,) = footfall_sink.records()
    assert (got["trace_id"], got["span_id"], got["kind"]) == (span["traceId"], span["spanId"], 1)


@pytest.mark.parametrize(
    ("body", "content_type", "headers", "status"),
    [
        (b"\xff\xff garbage", PROTOBUF, {}, 400),
        (b"{", "application/json", {}, 400),
        (b'{"resourceSpans": 3}', "application/json", {}, 400),
        (b'{"resourceSpans":[{"scopeSpans":[{"spans":[{"traceId":"xyz"}]}]}]}', "application/json", {}, 400),
        (b"not gzip", PROTOBUF, {"Content_Encoding": "gzip"}, 400),
        (gzip.compress(b"x" * 100, mtime=0)[:-9], PROTOBUF, {"Content_Encoding": "gzip"}, 400),
        (gzip.compress(bytes(65 * 2**20)), PROTOBUF, {"Content_Encoding": "gzip"}, 400),
        (zlib.compress(b""), PROTOBUF, {"Content_Encoding": "deflate"}, 415),
        (b"", "text/plain", {}, 415),
    ],
    ids=["bytes", "half", "shape", "id", "packing", "cut", "bomb", "deflate", "type"],
)
def test_what_is_not_otlp_is_refused(footfall_sink, body, content_type, headers, status):
    """Never a 500, never taken, and the error is a Status message in the request's encoding."""
    answer = raw_exchange(footfall_sink.port, post("/v1/traces", body, content_type, **headers))
    (line,) = footfall_sink.requests()
    assert (answer.status, line.accepted, line.records, line.sink_error) == (status, False, [], "")
    assert answer.headers["content-type"] == ("application/json" if content_type == "application/json" else PROTOBUF)


def test_only_post(footfall_sink):
    """A GET is 405 at every door, with the method that works."""
    for path in ("/v1/traces", "/api/breadcrumb", "/graphql"):
        answer = raw_exchange(
            footfall_sink.port, f"GET {path} HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n".encode()
        )
        assert (answer.status, answer.headers["allow"]) == (405, "POST")


def test_otlp_beyond_the_rate(footfall_sink):
    """The OTLP doors answer 429 in their own encoding."""
    footfall_sink.set_mode("ratelimit:1:60:retry-after=3", "otlp")
    answers = [raw_exchange(footfall_sink.port, post("/v1/traces", traces(1), PROTOBUF)) for _ in range(2)]
    assert [each.status for each in answers] == [200, 429]
    assert (answers[1].headers["retry-after"], answers[1].headers["content-type"]) == ("3", PROTOBUF)
