"""S7: values travel as values. What is sent parses back to one request that says what was meant, and no more."""

from __future__ import annotations

import functools
import json
import re
from typing import Any
from urllib.parse import unquote, urlsplit

import msgspec
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest

from footfall.courier import credentials
from footfall.courier.credentials import Secret
from footfall.errors import ConfigurationError, RegistryError
from footfall.registry import model
from footfall.testing.sink.graphql import parse
from footfall.usage import Kind, Outcome, Usage
from footfall.wire import access, migas, migas_queries, otlp_values
from footfall.wire.access import AccessWire
from footfall.wire.migas import MigasWire
from footfall.wire.otlp import OtlpWire
from tests.security.rules import refused, rule, without

examples = functools.partial(
    settings,
    max_examples=60,
    report_multiple_bugs=False,
    phases=(Phase.explicit, Phase.generate),
    deadline=None,
    database=None,
    suppress_health_check=list(HealthCheck),
)
NASTY = (
    "a\n", "..", "%2e%2e", "x&y=1", '"}', "\\", '\\"', "a\r\nX-Injected: 1", "\0", "#", "$p", "}mutation{drop}",
    '") { __schema { types { name } } } #', "{{7*7}}", "=1+1", "\u2028", "\ud800", "</script>", "${jndi:x}",
)  # fmt: skip
texts = (
    st.sampled_from(NASTY) | st.text(max_size=12) | st.tuples(st.text(max_size=4), st.sampled_from(NASTY)).map("".join)
)


def use(**fields: Any) -> Usage:
    given = {"project": "a/b", "name": "m:f", "kind": Kind.END, "trace_id": "1" * 32, "span_id": "2" * 16}
    return Usage(**{**given, "time_ns": 1, "outcome": Outcome.ERROR, **fields})


def interpolated(crumb: Any, dialect: str) -> bytes:
    """The stand-in for variables: values written into the document, as text."""
    inside = ",".join(f'{name}:"{value}"' for name, value in crumb.items() if isinstance(value, str))
    return json.dumps({"query": f"mutation{{add_breadcrumb({inside}){{success}}}}", "variables": {}}).encode()


@rule(without(migas, "_encode", interpolated))
def test_a_breadcrumb_is_one_operation_with_variables() -> None:
    """The document is a constant; the server's own grammar finds one operation in it, whatever the values are."""

    @examples()
    @given(texts, texts, texts)
    def each(version: str, error_type: str, session: str) -> None:
        for request in MigasWire(dialect="graphql").translate(
            [use(project_version=version, error_type=error_type, extra={"migas.status_desc": session})]
        ):
            body = json.loads(request.body)
            assert body["query"] == migas.DOCUMENT
            assert [field.name for field in parse(body["query"]).selection] == ["add_breadcrumb"]
            assert body["variables"]["p"] == "a/b"

    each()


def pasted(operation: str, arguments: dict[str, Any], selection: str) -> Any:
    inside = ",".join(f'{name}:"{value}"' for name, value in arguments.items() if value is not None)
    body = msgspec.json.encode({"query": f"query{{{operation}({inside}){selection}}}", "variables": {}})
    return migas_queries.Request(path="/graphql", body=body, content_type="application/json", idempotency_key="k")


@rule(without(migas_queries, "_query", pasted))
def test_a_question_is_one_operation_with_variables() -> None:
    """Project, version and dates of the two questions never become part of the document."""

    @examples()
    @given(texts, texts)
    def each(project: str, version: str) -> None:
        asked = json.loads(migas_queries.check_project(project, version).body)
        same = json.loads(migas_queries.check_project("a/b", "1").body)
        assert asked["query"] == same["query"]
        clean = [text.replace("\0", "").encode("utf-8", "replace").decode() for text in (project, version)]
        found = [asked["variables"].get(name, "").replace("\ufffd", "?") for name in ("project", "project_version")]
        assert found == [text.replace("\ufffd", "?") for text in clean]

    each()


def by_hand(crumb: Any, dialect: str) -> bytes:
    return ("{" + ",".join(f'"{name}":"{value}"' for name, value in crumb.items()) + "}").encode("utf-8", "replace")


def loosely(crumb: Any, dialect: str) -> bytes:
    return json.dumps({**crumb, "proc": {"status": float("nan")}}).encode()


def strict(constant: str) -> None:
    raise AssertionError(f"{constant} is no JSON")


@rule(without(migas, "_encode", by_hand), without(migas, "_encode", loosely))
def test_json_comes_from_the_encoder_and_is_strict() -> None:
    """It parses, holds no NaN, and names exactly the fields that migas has."""

    @examples()
    @given(texts, texts, st.floats() | texts)
    def each(version: str, error_type: str, value: Any) -> None:
        extra = {"migas.status_desc": value, "odd": value}
        for request in MigasWire().translate([use(project_version=version, error_type=error_type, extra=extra)]):
            try:
                body = json.loads(request.body.decode(), parse_constant=strict)
            except ValueError as error:
                raise AssertionError(str(error)) from error
            assert set(body) <= {"project", "project_version", "language", "language_version", "ctx", "proc"}
            assert isinstance(body.get("proc", {}), dict)

    each()


@rule(without(otlp_values, "clean", lambda text: "x"))
def test_protobuf_says_what_was_meant() -> None:
    """OTLP: one span, the same name and values after parsing."""

    @examples()
    @given(texts, texts)
    def each(name: str, value: str) -> None:
        fields = use(name=name, extra={"field": value}, kind=Kind.END)
        (request,) = OtlpWire(compression="none").translate([fields])
        message = ExportTraceServiceRequest.FromString(request.body)
        spans = [s for r in message.resource_spans for scope in r.scope_spans for s in scope.spans]
        assert len(spans) == 1
        found = {pair.key: pair.value.string_value for pair in spans[0].attributes}
        expected = value.replace("\0", "").encode("utf-8", "replace").decode()
        assert found["footfall.extra.field"].replace("\ufffd", "?") == expected.replace("\ufffd", "?")

    each()


PATHS = {"/api/breadcrumb", "/graphql", "/v1/traces", "/v1/logs"}


def with_project(self: MigasWire, body: bytes, *, path: str, key: str, order_key: str) -> Any:
    project = json.loads(body).get("project", "")
    return migas.Request(path=f"/api/{project}", body=body, content_type="x", idempotency_key=key)


@rule(without(MigasWire, "_request", with_project), without(model, "_PROJECT", re.compile(r"[\s\S]+/[\s\S]+")))
def test_names_reach_no_url_and_no_header() -> None:
    """Paths are constants, header values are printable ASCII; names that could mean more in a URL are no projects."""

    @examples()
    @given(texts, texts)
    def each(owner: str, name: str) -> None:
        one = use(project=f"{owner}/{name}", name=name, service=owner)
        for wire in (MigasWire(), MigasWire(dialect="graphql"), OtlpWire()):
            for request in wire.translate([one]):
                assert request.path.partition("?")[0] in PATHS
                for _, value in (*request.headers, ("", request.content_type), ("", request.idempotency_key)):
                    assert re.fullmatch(r"[ -~]+", value), value

    each()
    for name in ("a\n", "..", "%2e", "x&y=1", "a/b", "a b", "a\0", "é", ""):
        refused(RegistryError, model.check_project, f"owner/{name}")
        refused(RegistryError, model.check_project, f"{name}/project")


@rule(
    without(access, "quote", lambda part, safe: part),
    without(access, "_steps_aside", lambda _: False),
    without(access, "unquote", lambda part: part),
)
def test_a_service_is_a_path_below_the_base_and_no_more() -> None:
    """The one name that becomes part of a URL: each part encoded, no step up in plain or encoded, no query (S8 too)."""

    @examples()
    @given(st.lists(texts | st.sampled_from([".", "%2E%2e", "..\\", "%252e%252e"]), min_size=1, max_size=3))
    def each(names: list[str]) -> None:
        one = use(service="s", extra={"access.endpoint": "/".join(names)})
        for request in AccessWire().translate([one]):
            assert re.fullmatch(r"(/[A-Za-z0-9._~%-]+)+/", request.path), request.path
            parts = urlsplit("https://host/api" + request.path)
            assert (parts.netloc, parts.query, parts.fragment) == ("host", "", "")
            decoded = request.path
            for _ in range(3):
                assert ".." not in decoded
                assert "." not in re.split(r"[/\\]", decoded)
                decoded = unquote(decoded)

    each()


@rule(without(access, "bounded", lambda value: value))
def test_a_call_record_is_strict_json_whatever_was_passed() -> None:
    """It parses, holds no NaN, and says the same values."""

    @examples()
    @given(texts, st.floats() | texts)
    def each(name: str, value: Any) -> None:
        one = use(service="s", arguments={name: value, "object": object()}, extra={name: value})
        try:
            (request,) = AccessWire().translate([one])
            body = json.loads(request.body.decode(), parse_constant=strict)
        except (ValueError, TypeError) as error:
            raise AssertionError(str(error)) from error
        assert body["kwargs"]["object"] == "<object>"
        assert set(body) >= {"name", "function", "args", "kwargs", "session_id"}

    each()


@rule(without(credentials, "headers", lambda secret: dict([secret.reveal().split(": ", 1)])))
def test_a_credential_adds_no_header_of_its_own() -> None:
    """CR, LF and NUL, and headers that decide where a message ends; more in tests/courier/test_credentials.py."""
    for text in ("A: b\rX: 1", "A: b\0", "A: \u20ac", "Transfer-Encoding: chunked", "Host: evil.example.org", "A b: c"):
        refused(ConfigurationError, credentials.headers, Secret(text))
