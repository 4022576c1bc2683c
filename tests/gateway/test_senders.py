"""Who may send and what: tokens, TLS, records that footfall did not make, and the gateway's own figures as OTLP."""

from __future__ import annotations

import json
import ssl
import subprocess
import urllib.error
import urllib.request
from pathlib import Path

import pytest

from footfall.testing.sink import Sink
from footfall.usage import Kind, Outcome
from footfall.wire import otlp_messages as messages
from footfall.wire.load import load
from footfall.wire.otlp import OtlpWire
from tests.gateway.gatewayhelp import JSON, PROTOBUF, Gateway, use

CANARY = "kq7-canary-value"


def test_tokens_speak_for_their_projects(tmp_path: Path, sink: Sink) -> None:
    """None: 401. One that is bound to projects: what it says of others is told back. It goes no further."""
    configuration = {
        "projects": {"demo/*": [{"migas": sink.url}], "other/lib": [{"migas": sink.url}]},
        "tokens": [{"token": "env:ALL"}, {"token": "env:DEMO", "projects": ["demo/*"]}],
    }
    with Gateway.start(tmp_path / "gateway", configuration, environ={"ALL": "a-token", "DEMO": CANARY}) as gateway:
        for token in ("", "nonsense", "a-toke"):
            (answer,) = gateway.tell(use(1), token=token)
            assert (answer.status, answer.headers["www-authenticate"]) == (401, "Bearer")
        both = [use(2), use(3, project="other/lib")]
        (answer,) = gateway.tell(*both, token=CANARY)
        assert answer.status == 200
        assert b"1 of a project that this token may not speak for" in answer.body
        (answer,) = gateway.tell(*both, token="a-token")
        assert (answer.status, answer.body) == (200, b"")
        received = sink.wait_for(
            lambda requests: {each.crumb["project"] for each in requests} == {"demo/lib", "other/lib"}
        )
        assert not any(each.auth_headers for each in received)
        # What runs beside it needs no token: figures name destinations, not projects.
        assert gateway.ask("/metrics").status == gateway.ask("/healthz").status == 200
        assert b"other/lib" not in gateway.ask("/metrics").body
        assert gateway.stop() == 0
    kept = b"".join(path.read_bytes() for path in (tmp_path / "gateway").rglob("*") if path.is_file())
    assert CANARY.encode() not in kept


def test_what_comes_in_is_scrubbed_again(tmp_path: Path, sink: Sink) -> None:
    """A sender that scrubbed nothing: neither the disk nor the server sees its secrets (reliability.md S4)."""
    said = {
        "note": f"password={CANARY}",
        "api_token": CANARY,
        "deep": {"cookie": CANARY, "mail": "someone@example.org"},
    }
    told = [
        use(1, extra=said, arguments={"path": "/home/someone/data"}),
        use(2, kind=Kind.EVENT, name="step", outcome=None, duration_ns=0, message=f"token: {CANARY}"),
    ]
    configuration = {"projects": {"demo/lib": [{"ramen": sink.url, "system_serial": 1}, {"migas": sink.url}]}}
    with Gateway.start(tmp_path / "gateway", configuration) as gateway:
        assert [answer.status for answer in gateway.tell(*told, addressed=True)] == [200, 200]
        received = sink.wait_for(lambda requests: len(requests) >= 4)
        assert gateway.stop() == 0
    kept = b"".join(path.read_bytes() for path in (tmp_path / "gateway").rglob("*") if path.is_file())
    everything = json.dumps([each.records for each in received]) + kept.decode("latin-1")
    for secret in (CANARY, "someone@example.org", "/home/someone"):
        assert secret not in everything
    assert "<redacted:" in everything


def test_every_wire_gets_through_a_gateway_what_it_gets_directly(tmp_path: Path, sink: Sink) -> None:
    """Two doors, real processes: equal bodies, and equal keys, for fields of one server too."""
    wires = {"migas": {}, "access": {}, "ramen": {"system_serial": 7}}
    told = [
        use(
            1, extra={"fs": "lustre", "access.name": "login", "migas.status": "S", "ramen.category": "x"}, message="hi"
        ),
        use(2, outcome=Outcome.ERROR, error_type="KeyError", message="broke", arguments={"n": [1, {"a": None}]}),
    ]
    configuration = {"projects": {"demo/lib": [{name: sink.url, **options} for name, options in wires.items()]}}
    with Gateway.start(tmp_path / "gateway", configuration) as gateway:
        assert [answer.status for answer in gateway.tell(*told, addressed=True)] == [200]
        received = sink.wait_for(lambda requests: len(requests) >= 6)
    direct = {name: load(name, options).translate(told) for name, options in wires.items()}
    for name, requests in direct.items():
        own = [each for each in received if each.wire == name]
        assert sorted(each.key for each in own) == sorted(each.idempotency_key for each in requests), name
        if name != "ramen":  # whose body the sink keeps in base64
            assert sorted(each.body for each in own) == sorted(each.body.decode() for each in requests)


def test_spans_that_footfall_did_not_make(tmp_path: Path, sink: Sink) -> None:
    """A rule says what they are; of them goes only what it names, and the same span again has the same key."""
    configuration = {
        "projects": {"demo/web": [{"access": sink.url}]},
        "accept": [
            {
                "scope": "opentelemetry.instrumentation.*",
                "name": "GET *",
                "project": "demo/web",
                "service": "web_pages",
                "as": "page",
                "attributes": ["http.route"],
            }
        ],
    }
    message = messages.traces(OtlpWire(compression="none").translate([use(1)])[0].body, PROTOBUF)
    scope = message.resource_spans[0].scope_spans[0]
    scope.scope.name = "opentelemetry.instrumentation.flask"
    (span,) = scope.spans
    span.name = f"GET /users/{CANARY}"
    span.attributes.add(key="http.route").value.string_value = "/users/<id>"
    span.attributes.add(key="url.full").value.string_value = f"http://evil.example.org/{CANARY}"
    span.status.code, span.status.message = 2, CANARY
    with Gateway.start(tmp_path / "gateway", configuration) as gateway:
        for _ in range(2):
            assert gateway.post("/v1/traces", message.SerializeToString()).body == b""
        span.name = "POST /users"
        answer = gateway.post("/v1/traces", message.SerializeToString())
        assert b"1 not made by footfall, and no rule takes it" in answer.body
        sink.wait_for(bool)
        assert gateway.stop() == 0
    (record, *copies) = [record for request in sink.requests() for record in request.records]
    assert record["endpoint"].strip("/") == "web/pages"
    assert record["fields"]["http.route"] == "/users/<id>"
    assert record["fields"]["function"] == "page"
    assert {request.key for request in sink.requests()} == {sink.requests()[0].key}
    assert CANARY not in json.dumps([record, *copies])


def log_record(**changes: object) -> bytes:
    """Return a request with one log record of footfall's scope that has no uid."""
    event = use(1, kind=Kind.EVENT, name="step", outcome=None, duration_ns=0)
    message = messages.logs(OtlpWire(compression="none").translate([event])[0].body, PROTOBUF)
    (record,) = message.resource_logs[0].scope_logs[0].log_records
    kept = [pair for pair in record.attributes if pair.key != "log.record.uid"]
    del record.attributes[:]
    record.attributes.extend(kept)
    for name, value in changes.items():
        setattr(record, name, value)
    return bytes(message.SerializeToString())


def test_records_without_a_uid_have_ids_of_their_content(tmp_path: Path, sink: Sink) -> None:
    """Two events of one span are two; the same one again, from a Collector that tries again, is one key."""
    with Gateway.start(tmp_path / "gateway", {"projects": {"demo/lib": [{"migas": sink.url}]}}) as gateway:
        for body in (log_record(), log_record(), log_record(time_unix_nano=5)):
            assert gateway.post("/v1/logs", body).status == 200
        sink.wait_for(lambda requests: len({each.key for each in requests}) == 2)
        assert gateway.stop() == 0
    assert len({request.key for request in sink.requests()}) == 2


def test_tls(tmp_path: Path, sink: Sink) -> None:
    """With a certificate it speaks TLS, 1.2 or later, and nothing else."""
    certificate, key = tmp_path / "c.pem", tmp_path / "k.pem"
    command = ["openssl", "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-days", "1", "-subj", "/CN=localhost"]
    command += ["-addext", "subjectAltName=DNS:localhost,IP:127.0.0.1", "-keyout", str(key), "-out", str(certificate)]
    subprocess.run(command, check=True, capture_output=True, timeout=60)
    configuration = {
        "listen": {"port": 0, "certificate": str(certificate), "key": str(key)},
        "projects": {"demo/lib": [{"migas": sink.url}]},
    }
    with Gateway.start(tmp_path / "gateway", configuration) as gateway:
        assert gateway.url.startswith("https://")
        trusted = ssl.create_default_context(cafile=str(certificate))
        request = urllib.request.Request(f"{gateway.url}/v1/traces", b"{}", {"content-type": JSON})
        with urllib.request.urlopen(request, context=trusted, timeout=20) as answer:
            assert (answer.status, answer.read()) == (200, b"{}")
        old = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
        old.check_hostname, old.verify_mode = False, ssl.CERT_NONE
        with pytest.warns(DeprecationWarning, match="TLS"):
            old.minimum_version = old.maximum_version = ssl.TLSVersion.TLSv1_1
        with pytest.raises(urllib.error.URLError):
            urllib.request.urlopen(request, context=old, timeout=20)


def test_its_own_figures_as_otlp(tmp_path: Path, sink: Sink) -> None:
    """Where OpenTelemetry's variables name a receiver, it hears the same figures as Prometheus."""
    from tests.gateway.metricsink import MetricSink

    with MetricSink() as metrics:
        environ = {
            "OTEL_EXPORTER_OTLP_METRICS_ENDPOINT": f"{metrics.url}/v1/metrics",
            "OTEL_METRIC_EXPORT_INTERVAL": "200",
        }
        configuration = {"projects": {"demo/lib": [{"migas": sink.url}]}}
        with Gateway.start(tmp_path / "gateway", configuration, environ=environ) as gateway:
            gateway.tell(use(1), use(2))
            sink.wait_for(lambda requests: len(requests) >= 2)
            assert gateway.stop() == 0
        found = metrics.points()
    assert found["footfall_gateway_records_accepted_total", (("signal", "traces"),)] == 2
    assert found["footfall_gateway_ready", ()] in {0, 1}
    assert [
        value
        for (name, labels), value in found.items()
        if name == "footfall_records_delivered_total" and "migas" in str(labels)
    ] == [2]
