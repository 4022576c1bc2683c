"""The doors of a gateway's Collector: who comes in, and what of it goes on."""

from __future__ import annotations

import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import requests
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest
from opentelemetry.proto.common.v1.common_pb2 import AnyValue, ArrayValue, KeyValue

from footfall.usage import Kind
from tests.courier.courierhelp import certificate
from tests.pipeline.processes import Collector
from tests.pipeline.stage import TOKEN, Stage
from tests.test_collector_configuration import everything, otlp_records

SECRETS = {
    "mail": "write to jane.doe@example.org",
    "home": "/home/jane/data/file.nc",
    "scratch": "at /scratch/p12/jane/run",
    "bearer": "Authorization: Bearer abcdefgh12345678",
    "jwt": "eyJhbGciOiJIUzI1NiJ9.eyJzdWIiOiIxIn0.c2lnbmF0dXJl",
    "token": "ghp_abcdefghijklmnopqrst",
    "url": "https://jane:secret@example.org/x",
}
MOST_SPANS = 2000
CANARIES = ("jane", "abcdefgh12345678", "c2lnbmF0dXJl", "ghp_a", "secret@")


class Tiers:
    """Both tiers of a gateway, with a sink for `footfall gateway`."""

    def __init__(self, stage: Stage, gateway: Collector) -> None:
        self.stage = stage
        self._gateway = gateway

    def post(self, payload: ExportTraceServiceRequest, token: str = TOKEN) -> int:
        """Send *payload* to tier 1; return the status."""
        return post(self._gateway, payload, authorization=f"Bearer {token}")

    def passed(self, count: int) -> list[dict[str, Any]]:
        """Return the spans that came through, when there are *count*."""
        self.stage.sink.wait_for(lambda _: len(self.stage.spans()) >= count, 60)
        return self.stage.spans()


@pytest.fixture
def tiers(stage: Stage, binary: Path) -> Iterator[Tiers]:
    with translator(stage, binary) as second, gateway(stage, binary, second) as first:
        yield Tiers(stage, first)


def translator(stage: Stage, binary: Path) -> Collector:
    return Collector(binary, "translator", stage.directory, ["translator.yaml"], {"COLLECTOR_FOOTFALL": stage.sink.url})


def gateway(stage: Stage, binary: Path, second: Collector, *more: str, **variables: str) -> Collector:
    behind = {"COLLECTOR_TRANSLATORS": "127.0.0.1", "COLLECTOR_TRANSLATORS_PORT": str(second.grpc_port)}
    tokens = stage.directory / "tokens"
    tokens.write_text(f"another # of site b\n{TOKEN} # of site a\n")
    known = {"COLLECTOR_TOKENS_FILE": str(tokens)}
    files = ["gateway.yaml", *more]
    return Collector(binary, "gateway", stage.directory, files, {**behind, **known, **variables})


def agent(stage: Stage, binary: Path, url: str, name: str = "agent", **variables: str) -> Collector:
    token = stage.directory / "token"
    token.write_text(f"{TOKEN}\n")
    known = {"COLLECTOR_TOKEN_FILE": str(token), "COLLECTOR_GATEWAY": url}
    return Collector(binary, name, stage.directory, ["agent.yaml"], {**known, **variables})


def post(collector: Collector, payload: ExportTraceServiceRequest, **headers: str) -> int:
    """Send *payload* to *collector*; return the status."""
    url = f"http://127.0.0.1:{collector.http_port}/v1/traces"
    headers["content-type"] = "application/x-protobuf"
    return requests.post(url, payload.SerializeToString(), headers=headers, timeout=20).status_code


def a_span() -> ExportTraceServiceRequest:
    """Return a payload with one span of footfall's, of which everything is said."""
    return ExportTraceServiceRequest.FromString(otlp_records.encode_traces([everything(Kind.END)], addressed=True))


def pair(key: str, *values: str) -> KeyValue:
    texts = [AnyValue(string_value=value) for value in values]
    return KeyValue(key=key, value=texts[0] if len(texts) == 1 else AnyValue(array_value=ArrayValue(values=texts)))


def check_only_known_tokens_come_in(tiers: Tiers) -> None:
    """A token a line, whatever comment follows it."""
    assert [tiers.post(a_span(), token) for token in ("wrong", "", "#", "another", TOKEN)] == [401] * 3 + [200] * 2
    assert len(tiers.passed(2)) == 2


def check_what_footfall_says_comes_through_unchanged(tiers: Tiers) -> None:
    """Each attribute, the numbers and lists among them; and a span of anybody else does not come through."""
    foreign = a_span()
    foreign.resource_spans[0].scope_spans[0].scope.name = "somebody.else"
    assert tiers.post(foreign) == 200
    sent = a_span()
    assert tiers.post(sent) == 200
    [span] = tiers.passed(1)
    keys = {each.key for each in sent.resource_spans[0].scope_spans[0].spans[0].attributes}
    assert set(span["attributes"]) == keys
    assert set(span["resource"]) == {each.key for each in sent.resource_spans[0].resource.attributes}
    assert span["attributes"]["footfall.args.number"] == 1
    assert span["attributes"]["footfall.parameters"] == ["/number"]
    assert span["scope"]["name"] == "footfall"


def check_secrets_are_masked_and_unknown_keys_removed(tiers: Tiers) -> None:
    """In arguments and extra fields, which pass by a pattern, and in listed keys, alone and in lists."""
    sent = a_span()
    [span] = sent.resource_spans[0].scope_spans[0].spans
    resource = sent.resource_spans[0].resource
    for name, value in SECRETS.items():
        span.attributes.append(pair(f"footfall.args.{name}", value))
        span.attributes.append(pair(f"footfall.extra.{name}", "plain", value))
        span.attributes.append(pair(f"footfall.for.migas.{name}", value))
        span.attributes.append(pair(f"unknown.{name}", "plain"))
    resource.attributes.append(pair("container.runtime.name", SECRETS["home"]))
    resource.attributes.append(pair("host.name", "node7"))
    assert tiers.post(sent) == 200
    [found] = tiers.passed(1)
    text = str(found)
    assert [canary for canary in CANARIES if canary in text] == []
    assert "unknown." not in text
    assert "host.name" not in text
    assert found["attributes"]["footfall.args.mail"].startswith("write to ***")


def check_a_full_queue_refuses_and_keeps_what_it_took(stage: Stage, binary: Path) -> None:
    """While the gateway is away, an agent says 503 when its queue is full; what it said 200 to arrives afterwards."""
    second = translator(stage, binary)
    first = gateway(stage, binary, second)
    taken: list[str] = []
    with agent(stage, binary, f"http://127.0.0.1:{first.http_port}", COLLECTOR_QUEUE="3") as door:
        for number in range(1, MOST_SPANS):
            payload = a_span()
            payload.resource_spans[0].scope_spans[0].spans[0].span_id = number.to_bytes(8, "big")
            status = post(door, payload)
            if status != 200:
                break
            taken.append(f"{number:016x}")
        assert status == 503
        door.restart()
        with second, first:
            stage.sink.wait_for(lambda _: len(stage.spans()) >= len(taken), 60)
    assert sorted(span["span_id"] for span in stage.spans()) == taken


@pytest.mark.parametrize("wish", ["keep", "drop"])
def check_an_agent_can_leave_out_what_an_sdk_sends(stage: Stage, binary: Path, wish: str) -> None:
    """Such spans say that their use is in the program's journal already."""
    by_sdk = a_span()
    [span] = by_sdk.resource_spans[0].scope_spans[0].spans
    span.attributes.append(KeyValue(key="footfall.recorded", value=AnyValue(bool_value=True)))
    expected = 2 if wish == "keep" else 1
    with translator(stage, binary) as second, gateway(stage, binary, second) as first:
        url = f"http://127.0.0.1:{first.http_port}"
        with agent(stage, binary, url, COLLECTOR_SDK_SPANS=wish) as door:
            assert post(door, by_sdk) == 200
            assert post(door, a_span()) == 200
            stage.sink.wait_for(lambda _: len(stage.spans()) >= expected, 60)
    assert ["footfall.recorded" in span["attributes"] for span in stage.spans()].count(True) == expected - 1


def check_an_agent_trusts_only_the_authority_that_it_was_told(stage: Stage, binary: Path) -> None:
    """The gateway's own TLS: an agent without that certificate sends nothing, one with it does."""
    file = str(certificate(stage.directory))
    files = {"COLLECTOR_CERT_FILE": file, "COLLECTOR_KEY_FILE": file}
    with translator(stage, binary) as second, gateway(stage, binary, second, "tls.yaml", **files) as first:
        url = f"https://127.0.0.1:{first.http_port}"
        with agent(stage, binary, url, "stranger") as stranger:
            assert post(stranger, a_span()) == 200
            limit = time.monotonic() + 60
            while "certificate signed by unknown authority" not in stranger.log.read_text():
                assert time.monotonic() < limit, stranger.said()
                time.sleep(0.1)
        assert stage.spans() == []
        with agent(stage, binary, url, COLLECTOR_CA_FILE=file) as friend:
            assert post(friend, a_span()) == 200
            stage.sink.wait_for(lambda _: stage.spans(), 60)
