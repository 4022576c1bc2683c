"""An OTLP/gRPC receiver on grpcio's own server and OpenTelemetry's own servicers, in a process of its own.

Started as ``python -m tests.grpc_receiver FOLDER``, where FOLDER holds what steers it and what it writes:

    answers.json    in turn: [gRPC status, message, seconds of a RetryInfo or null]; later calls succeed
    tls.pem         certificate and key, for TLS
    port            written when it listens
    calls.jsonl     a line for each call: path of the service, records, metadata
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
import threading
import time
from concurrent import futures
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from typing_extensions import Self

ROOT = Path(__file__).parents[1]
START_SECONDS = 30.0


@dataclass
class Call:
    """One call as the receiver wrote it down."""

    service: str
    names: list[str]
    spans: list[dict[str, Any]]
    metadata: dict[str, str]
    code: int
    texts: int = 0


class Receiver:
    """The receiver's process, for a test."""

    def __init__(self, folder: Path, *, answers: list[list[Any]] | None = None, tls: Path | None = None) -> None:
        folder.mkdir(exist_ok=True)
        self.folder, self.scheme = folder, "https" if tls else "http"
        (folder / "answers.json").write_text(json.dumps(answers or []))
        if tls:
            (folder / "tls.pem").write_bytes(Path(tls).read_bytes())

    def __enter__(self) -> Self:
        environment = {"PATH": os.environ["PATH"], "PYTHONPATH": os.pathsep.join([str(ROOT), *sys.path])}
        command = [sys.executable, "-m", "tests.grpc_receiver", str(self.folder)]
        self.process = subprocess.Popen(command, env=environment, stdin=subprocess.PIPE, stderr=subprocess.PIPE)
        limit = time.monotonic() + START_SECONDS
        while not (self.folder / "port").exists():
            assert self.process.poll() is None, self.process.communicate()[1].decode()
            assert time.monotonic() < limit, "the receiver did not start"
            time.sleep(0.01)
        self.port = int((self.folder / "port").read_text())
        self.url = f"{self.scheme}://127.0.0.1:{self.port}"
        return self

    def __exit__(self, *_: object) -> None:
        self.process.kill()
        self.process.communicate()

    def calls(self) -> list[Call]:
        path = self.folder / "calls.jsonl"
        lines = path.read_text().splitlines() if path.exists() else []
        return [Call(**json.loads(line)) for line in lines]

    def names(self, code: int = 0) -> list[str]:
        """Return the names of all spans and events in calls that were answered with *code*, sorted."""
        return sorted(name for call in self.calls() if call.code == code for name in call.names)

    def spans(self) -> list[dict[str, Any]]:
        return [span for call in self.calls() if call.code == 0 for span in call.spans]


def serve(folder: Path) -> None:
    import grpc
    from google.protobuf.any_pb2 import Any as AnyMessage
    from google.rpc.error_details_pb2 import RetryInfo
    from google.rpc.status_pb2 import Status
    from opentelemetry.proto.collector.logs.v1 import logs_service_pb2 as logs
    from opentelemetry.proto.collector.logs.v1 import logs_service_pb2_grpc as logs_grpc
    from opentelemetry.proto.collector.metrics.v1 import metrics_service_pb2 as metrics
    from opentelemetry.proto.collector.metrics.v1 import metrics_service_pb2_grpc as metrics_grpc
    from opentelemetry.proto.collector.trace.v1 import trace_service_pb2 as traces
    from opentelemetry.proto.collector.trace.v1 import trace_service_pb2_grpc as traces_grpc

    answers = json.loads((folder / "answers.json").read_text())
    lock = threading.Lock()

    def answer(service: str, names: list[str], spans: list[dict[str, Any]], context: Any, texts: int = 0) -> None:
        with lock:
            code, message, wait_seconds = answers.pop(0) if answers else (0, "", None)
            said = {str(key): str(value) for key, value in context.invocation_metadata()}
            record = {
                "service": service,
                "names": names,
                "spans": spans,
                "metadata": said,
                "code": code,
                "texts": texts,
            }
            with (folder / "calls.jsonl").open("a") as file:
                file.write(json.dumps(record) + "\n")
        if not code:
            return
        if code < 0:  # never
            time.sleep(60)
        if wait_seconds is not None:
            detail = AnyMessage()
            wish = RetryInfo()
            wish.retry_delay.FromMilliseconds(int(wait_seconds * 1000))
            detail.Pack(wish)
            details = Status(code=code, message=message, details=[detail]).SerializeToString()
            context.set_trailing_metadata((("grpc-status-details-bin", details),))
        context.abort(next(each for each in grpc.StatusCode if each.value[0] == code), message)

    class Traces(traces_grpc.TraceServiceServicer):
        def Export(self, request: Any, context: Any) -> Any:
            found = [
                {
                    "name": span.name,
                    "scope": scope.scope.name,
                    "trace_id": span.trace_id.hex(),
                    "span_id": span.span_id.hex(),
                    "parent_span_id": span.parent_span_id.hex(),
                    "resource": {pair.key: pair.value.string_value for pair in resource.resource.attributes},
                }
                for resource in request.resource_spans
                for scope in resource.scope_spans
                for span in scope.spans
            ]
            answer("traces", [span["name"] for span in found], found, context)
            return traces.ExportTraceServiceResponse()

    class Logs(logs_grpc.LogsServiceServicer):
        def Export(self, request: Any, context: Any) -> Any:
            records = [
                record
                for resource in request.resource_logs
                for scope in resource.scope_logs
                for record in scope.log_records
            ]
            texts = sum(1 for record in records if not record.event_name)
            answer("logs", [record.event_name for record in records], [], context, texts)
            return logs.ExportLogsServiceResponse()

    class Metrics(metrics_grpc.MetricsServiceServicer):
        def Export(self, request: Any, context: Any) -> Any:
            return metrics.ExportMetricsServiceResponse()

    server = grpc.server(futures.ThreadPoolExecutor(16))
    traces_grpc.add_TraceServiceServicer_to_server(Traces(), server)
    logs_grpc.add_LogsServiceServicer_to_server(Logs(), server)
    metrics_grpc.add_MetricsServiceServicer_to_server(Metrics(), server)
    pem = folder / "tls.pem"
    if pem.exists():
        text = pem.read_bytes()
        port = server.add_secure_port("127.0.0.1:0", grpc.ssl_server_credentials([(text, text)]))
    else:
        port = server.add_insecure_port("127.0.0.1:0")
    server.start()
    (folder / "port.new").write_text(str(port))
    (folder / "port.new").rename(folder / "port")
    sys.stdin.read()  # until the test is over


if __name__ == "__main__":
    serve(Path(sys.argv[1]))
