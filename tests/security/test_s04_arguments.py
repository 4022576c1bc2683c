"""S4: of arguments, results and `self` nothing is taken that a registration does not name; before it is accepted."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Callable
from pathlib import Path
from random import getrandbits
from types import SimpleNamespace
from typing import Any

import pytest
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import SimpleSpanProcessor
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter

import footfall
from footfall import scrub
from footfall.export.from_span import from_span
from footfall.export.records import as_record
from footfall.instrumentation import arguments
from footfall.testing import capture
from tests.security.rules import rule, without
from tests.security.whole import leaves

CANARY = "c4nary-q9"
FORMS: dict[str, Any] = {
    "chosen": {"choice": ["a", "b"]},
    "counted": "int",
    "measured": "float",
    "switched": "bool",
    "sized": "len",
    "hashed": "hash",
}


class Thing:
    """Its state and its text say what must stay here."""

    secret = CANARY

    def __repr__(self) -> str:
        return f"Thing({CANARY})"

    __str__ = __repr__

    def method(self, plain: object, chosen: object = None, *rest: object, **named: object) -> object:
        return plain


def work(plain, chosen=None, counted=None, measured=None, switched=None, sized=None, hashed=None, *rest, **named):
    return plain


def items(plain, **named):
    yield plain


async def later(plain, **named):
    return plain


REGISTRY = {
    "registry": {
        "calls": [
            {"function": f"{__name__}:work", "capture": FORMS},
            {"function": f"{__name__}:items"},
            {"function": f"{__name__}:later"},
            {"function": f"{__name__}:Thing.method", "capture": {"chosen": FORMS["chosen"]}},
        ]
    }
}
values = st.recursive(
    st.sampled_from(
        [CANARY, CANARY.encode(), Path("/srv", CANARY), Thing(), ValueError(CANARY), SimpleNamespace(a=CANARY)]
    ),
    lambda inner: st.lists(inner, max_size=3) | st.tuples(inner) | st.dictionaries(st.just(CANARY), inner),
    max_leaves=6,
)


def use(target: str, positional: list[Any], named: dict[str, Any]) -> None:
    """Call one of the observed functions, by the name under which a user would find it."""
    if target == "method":
        Thing().method(*positional, **named)
    elif target == "items":
        list(globals()["items"](positional[0], **named))
    elif target == "later":
        asyncio.run(globals()["later"](positional[0], **named))
    else:
        globals()["work"](*positional, **named)


def all_of_it(*_: Any, **__: Any) -> Callable[[tuple[Any, ...], dict[str, Any]], dict[str, Any]]:
    return lambda args, kwargs: {"all": repr((args, kwargs))}


@rule(
    without(arguments, "_converter", lambda _: lambda value: value if isinstance(value, str) else repr(value)),
    without(arguments, "compile_capture", all_of_it),
)
def test_no_canary_in_any_argument_gets_out(tmp_path: Path) -> None:
    """Whatever is passed wherever: not by a form that is no free text, not where nothing is captured."""

    @settings(
        max_examples=60,
        phases=(Phase.explicit, Phase.generate),
        deadline=None,
        database=None,
        suppress_health_check=list(HealthCheck),
    )
    @given(
        st.sampled_from(["work", "items", "later", "method"]),
        st.lists(values, min_size=1, max_size=9),
        st.dictionaries(st.sampled_from(["extra_one", "extra_two"]), values),
    )
    def call_all(target: str, positional: list[Any], named: dict[str, Any]) -> None:
        use(target, positional[:2] if target == "method" else positional, named)

    for where, content in leaves(tmp_path, call_all, REGISTRY):
        assert CANARY.encode() not in content, where


SECRETS = (
    "ghp_" + "c4nA" * 9,
    "eyJhbGciOiJIUzI1NiJ9.eyJzdWIiOiJjNG5hcnkifQ.c2lnbmF0dXJlYzRuQQ",
    "c4nA@example.org",
    "/home/c4nA/x",
    "password=c4nAc4nA",
    "https://u:c4nA@host/x",
    "192.0.2.77",
    "00:1b:44:11:3a:b7",
)
FREE = {"registry": {"calls": [{"function": f"{__name__}:work", "capture": {"plain": "text", "chosen": "json"}}]}}


@rule(without(scrub, "_PASSES", ()), without(scrub, "is_sensitive_key", lambda _: False))
def test_the_second_net_is_stretched_below_free_text(tmp_path: Path) -> None:
    """Where a registration asks for free text after all: tokens, keys, addresses and paths do not get through."""

    def fill() -> None:
        for secret in SECRETS:
            use("work", [secret, {"note": [secret], secret: 1}], {})
            use("work", [f"at {secret}, then", {"password": "c4nAc4nA", "api_key": ["c4nA"]}], {})

    for where, content in leaves(tmp_path, fill, FREE):
        text = content.decode("utf-8", "replace")
        for piece in ("c4nA", "192.0.2.77", "00:1b:44", "eyJzdWIi"):
            assert piece not in text, f"{where}: {piece}"


def failing(_: str) -> str:
    raise RuntimeError("scrubber")


@rule(without(scrub, "_walk", lambda value, clean: value))
def test_a_scrubber_that_fails_drops_the_value(hidden_errors: list[object], monkeypatch: pytest.MonkeyPatch) -> None:
    """It never passes it on."""
    with monkeypatch.context() as patch:
        patch.setattr(scrub, "scrub_text", failing)
        assert "c4nA" not in repr(scrub.scrub({"a": "c4nA"}))


def test_a_scrubber_that_fails_costs_the_caller_nothing(
    tmp_path: Path, hidden_errors: list[object], monkeypatch: pytest.MonkeyPatch
) -> None:
    """The event is recorded without its fields, and says so; nothing is raised."""
    monkeypatch.setattr(scrub, "scrub_text", failing)
    with capture(tmp_path) as captured:
        footfall.instrument("owner/tool")
        footfall.event("step", note="c4nA")
        (usage,) = captured.usages
    assert usage.extra == {"fields": scrub.FAILED}


EVENT_FIELDS = {"note": "mail c4nA@example.org", "token": "c4nAc4nA"}


@rule(without(scrub, "scrub", lambda value: json.loads(json.dumps(value))))
def test_fields_of_events_and_runs_are_scrubbed(tmp_path: Path) -> None:
    """What a program says in its own events goes through the same net."""

    def fill() -> None:
        footfall.event("step", project="owner/tool", **EVENT_FIELDS)
        with footfall.track("owner/tool", **EVENT_FIELDS):
            pass

    for where, content in leaves(tmp_path, fill, {"registry": {}}):
        assert b"c4nA" not in content, where


@rule(without(scrub, "scrub", lambda value: value))
def test_fields_of_spans_are_scrubbed() -> None:
    """What comes as a span of our scope was made by anybody's code: the same net as for what is told directly."""
    exporter, provider = InMemorySpanExporter(), TracerProvider(shutdown_on_exit=False)
    provider.add_span_processor(SimpleSpanProcessor(exporter))
    said = {"footfall.project": "a/b", "footfall.extra.note": SECRETS, "footfall.extra.token": "c4nAc4nA"}
    said |= {"footfall.args.token": 7, "footfall.args.path": "/home/c4nA/x"}
    with provider.get_tracer("footfall").start_as_current_span("x", attributes=said):
        pass
    (finished,) = exporter.get_finished_spans()
    provider.shutdown()
    usage = from_span(finished)
    assert usage is not None
    line = as_record(usage, function=1, bits=getrandbits)
    assert line.arguments["token"] == 7, "a registry named it"
    assert "c4nA" not in repr(line)
