"""One translator, two doors: a use told directly, and the same use that came as OTLP, give equal requests.

Equal in every byte and in the idempotency key, for every wire: whoever gets both gets one of them twice, and can tell.
"""

from __future__ import annotations

import gzip
from typing import Any

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from footfall.gateway.from_otlp import Foreign, Refused, uses
from footfall.gateway.reception import scrubbed
from footfall.usage import ADDRESSED, ENDPOINT, Kind, Outcome, Usage
from footfall.wire import otlp_messages as messages
from footfall.wire.base import Request, Wire
from footfall.wire.load import load
from footfall.wire.otlp import OtlpWire

WIRES: dict[str, tuple[str, dict[str, Any]]] = {
    "access": ("access", {}),
    "insights": ("insights", {}),
    "migas": ("migas", {}),
    "migas graphql": ("migas", {"dialect": "graphql"}),
    "otlp": ("otlp", {}),
    "otlp addressed": ("otlp", {"addressed": True}),
    "ramen": ("ramen", {"system_serial": 7}),
    "tracker": ("tracker", {"customer_id": 1, "job": "run"}),
}

WORDS = st.text(st.characters(min_codepoint=1, exclude_categories=("Cs",)), max_size=12)
SIMPLE = st.one_of(
    WORDS, st.booleans(), st.integers(-(2**63), 2**64 - 1), st.floats(allow_nan=False, allow_infinity=False)
)
VALUES = st.recursive(
    st.none() | SIMPLE,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(WORDS, inner, max_size=3),
    max_leaves=6,
)
NAMES = st.from_regex(r"[a-z][a-z_]{0,8}", fullmatch=True)
COMMON_NAMES = NAMES.filter(lambda name: not name.startswith(ADDRESSED))
OF_ONE = st.sampled_from(
    [
        "migas.status", "migas.user_id", "migas.session_id", "migas.wait", "migas.in_order", "migas.start",
        "migas.error_desc", "access.name", "access.session_id", "access.function", "access.args", "access.kwargs",
        ENDPOINT, "access.fs", "ramen.category", "ramen.tags", "ramen.data", "ramen.text", "tracker.job",
        "tracker.step", "tracker.points", "tracker.job_id", "tracker.metadata", "tracker.customer_id", "otlp.x",
    ]
)  # fmt: skip
HEX = st.integers(1, 2**64 - 1)
RESOURCES = st.fixed_dictionaries(
    {},
    optional={
        "os.type": st.sampled_from(["linux", "darwin"]),
        "process.runtime.version": st.just("3.11.7"),
        "process.runtime.name": st.just("cpython"),
        "process.interactive": st.booleans(),
        "telemetry.sdk.language": st.just("python"),
        "telemetry.distro.name": st.just("footfall"),
        "telemetry.distro.version": st.just("0.1.0"),
        "host.arch": st.just("amd64"),
        "container.runtime.name": st.sampled_from(["docker", "unknown"]),
        "footfall.cicd.system": st.just("GitHub Actions"),
        "cicd.pipeline.run.id": st.just("7"),
    },
)


@st.composite
def usages(draw: st.DrawFn, *, plain: bool) -> Usage:
    """Return a use as a journal holds it: scrubbed, with ids, of one of the four kinds.

    Args:
        draw: Of hypothesis.
        plain: Without what needs the option `addressed`: fields of one server, nulls, and fields taken out.
    """
    kind = draw(st.sampled_from(Kind))
    outcome = draw(st.sampled_from(Outcome)) if kind is Kind.END else None
    if kind is Kind.EVENT:
        outcome = draw(st.sampled_from([None, *Outcome]))
    failed = outcome in {Outcome.ERROR, Outcome.INTERRUPTED}
    values = (SIMPLE | st.lists(SIMPLE, max_size=3)) if plain else VALUES
    keys = COMMON_NAMES if plain else COMMON_NAMES | OF_ONE
    has_arguments = kind in {Kind.START, Kind.END}
    usage = Usage(
        project=draw(st.sampled_from(["demo/lib", "nipreps/fmriprep"])),
        project_version=draw(st.sampled_from(["", "1.2.0", "2.0.0rc1"])),
        service=draw(st.sampled_from(["", "lib_catalog"])),
        name=draw(st.sampled_from(["lib.core:search", "demo/lib"]) if kind is not Kind.EVENT else st.just("step")),
        kind=kind,
        trace_id=f"{draw(HEX):032x}",
        span_id=f"{draw(HEX):016x}",
        parent_span_id=draw(st.sampled_from(["", "00f067aa0ba902b7"])),
        time_ns=draw(st.integers(1, 2**62)),
        duration_ns=draw(st.integers(0, 2**60)) if kind is Kind.END else 0,
        outcome=outcome,
        error_type="ProcessKilled" if outcome is Outcome.KILLED else draw(st.sampled_from(["", "KeyError"])) * failed,
        message=draw(WORDS) if kind is not Kind.COUNT else "",
        arguments=draw(st.dictionaries(NAMES, values, max_size=3)) if has_arguments else {},
        parameters=tuple(draw(st.lists(st.sampled_from(["/key", "*names", "**query"]), max_size=2, unique=True))),
        extra=draw(st.dictionaries(keys, values, max_size=4)),
        drop=() if plain else tuple(draw(st.lists(keys, max_size=2))),
        resource=draw(RESOURCES),
        session_id=draw(st.sampled_from(["", "7f9c2ba4-e88f-4ab8-9a3b-0f0f0f0f0f0f"])),
        previous_session_id=draw(st.sampled_from(["", "8f9c2ba4-e88f-4ab8-9a3b-0f0f0f0f0f0f"])),
        installation_id=draw(st.sampled_from(["", "0d5a0b9e-0000-4000-8000-000000000000"])),
        count=draw(st.integers(1, 1000)),
        items=draw(st.integers(-1, 5)) if kind is Kind.END else -1,
    )
    return scrubbed(usage)


def no_rule(scope: str, name: str) -> Foreign | None:
    return None


def through_otlp(batch: list[Usage], *, addressed: bool, content_type: str = messages.PROTOBUF) -> list[Usage]:
    """Return what a gateway reads of the requests that the wire ``otlp`` makes of *batch*."""
    found: list[Usage | Refused] = []
    for request in OtlpWire(addressed=addressed).translate(batch):
        found += read(request, content_type)
    assert all(isinstance(each, Usage) for each in found)
    return [scrubbed(each) for each in found if isinstance(each, Usage)]


def read(request: Request, content_type: str) -> list[Usage | Refused]:
    body = gzip.decompress(request.body)
    if content_type == messages.JSON:
        body = as_json(request.path, body)
    is_traces = request.path == "/v1/traces"
    return list(uses(messages.records(body, content_type, is_traces=is_traces), no_rule, is_traces=is_traces))


def as_json(path: str, body: bytes) -> bytes:
    """Return the same message as OTLP/JSON, by OpenTelemetry's rules: ids in hexadecimal, 64-bit numbers as texts."""
    import base64
    import json

    from google.protobuf.json_format import MessageToDict

    message = (messages.traces if path == "/v1/traces" else messages.logs)(body, messages.PROTOBUF)

    def ids(value: Any) -> Any:
        if isinstance(value, list):
            return [ids(each) for each in value]
        if isinstance(value, dict):
            return {
                key: base64.b64decode(each).hex() if key in {"traceId", "spanId", "parentSpanId"} else ids(each)
                for key, each in value.items()
            }
        return value

    return json.dumps(ids(MessageToDict(message))).encode()


def wire_of(name: str) -> Wire:
    wire, options = WIRES[name]
    return load(wire, options)


@pytest.mark.parametrize("name", WIRES)
@given(usage=usages(plain=False), content_type=st.sampled_from([messages.PROTOBUF, messages.JSON]))
@settings(deadline=None)
def test_every_use_through_an_addressed_otlp(name: str, usage: Usage, content_type: str) -> None:
    """With `addressed`, nothing is lost: the use itself comes back, and so every request of every wire is equal."""
    (back,) = through_otlp([usage], addressed=True, content_type=content_type)
    assert wire_of(name).translate([back]) == wire_of(name).translate([usage])
    assert back == usage


@pytest.mark.parametrize("name", WIRES)
@given(usage=usages(plain=True))
@settings(deadline=None)
def test_uses_without_addressed_fields_through_plain_otlp(name: str, usage: Usage) -> None:
    """What any receiver of OTLP gets says the same, where nothing is meant for one server alone."""
    (back,) = through_otlp([usage], addressed=False)
    assert wire_of(name).translate([back]) == wire_of(name).translate([usage])


@pytest.mark.parametrize("name", WIRES)
@given(batch=st.lists(usages(plain=False), max_size=5, unique_by=lambda usage: usage.span_id))
@settings(deadline=None, max_examples=30)
def test_a_batch_of_one_process_keeps_its_order(name: str, batch: list[Usage]) -> None:
    """Spans and log records travel apart, and each resource by itself; within one, order is kept."""
    first = batch[:1]
    shared = {key: getattr(each, key) for each in first for key in ("project", "project_version", "resource")}
    batch = [msgspec.structs.replace(each, **shared) for each in batch]
    for own in ([each for each in batch if (each.kind is Kind.END) is ends] for ends in (True, False)):
        assert wire_of(name).translate(through_otlp(own, addressed=True)) == wire_of(name).translate(own)
