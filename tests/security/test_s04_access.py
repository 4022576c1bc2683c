"""S4 in call records, from the recorded inputs: what was passed to a function is in no file, request, log or stream."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

import footfall
from footfall import scrub
from footfall.instrumentation import arguments
from footfall.testing.sink.client import Sink
from tests import vectors
from tests.security.rules import everything_in, rule, without
from tests.security.test_s04_arguments import all_of_it
from tests.security.whole import everything_logged, forget, roots
from tests.wire.accessrecorded import real

VECTORS = vectors.by_name("access", "01[0-4]-record-*.json")
SECRETS = ("s3cr3t", "hunter2")
"""Values of `token` and `password` in vector 010; no pattern tells that they are secrets."""


def search(*names: object, **query: object) -> object:
    return names


def connect(host: str, password: str = "", query: object = None) -> str:
    return host


def inputs() -> Iterator[tuple[list[Any], dict[str, Any]]]:
    """Yield the recorded arguments."""
    for vector in VECTORS.values():
        _, _, args, kwargs = vector["call"]["args"]
        yield real(args), real(kwargs)


def call_all() -> None:
    """Call both functions with each of the inputs, under the names by which a user would find them."""
    for args, kwargs in inputs():
        globals()["search"](*args, **kwargs)
        globals()["connect"]("node", SECRETS[1], {"credentials": kwargs, "values": args, "note": "password=hunter2"})
        globals()["connect"]("node", query={**kwargs, "headers": {"Authorization": "Bearer s3cr3t-hunter2"}})


def everything(tmp_path: Path, capfd: pytest.CaptureFixture[str], **captures: dict[str, Any]) -> dict[str, bytes]:
    """Let all calls be observed and delivered; return every byte that this left anywhere, by its place."""
    entries = [{"function": f"{__name__}:{name}", "capture": captures.get(name, {})} for name in ("search", "connect")]
    forget()
    directory = tmp_path / "sink"
    with Sink(directory) as sink, everything_logged() as said:
        registry = {"registry": {"intake_catalog": entries}}
        footfall.instrument("owner/tool", registry=registry, send_to=[footfall.Access(sink.url + "/api")])
        call_all()
        left = everything_in(*roots())  # the journal, before the courier may remove it
        footfall.drain(10)
        forget()
        assert len(sink.records()) == 3 * len(VECTORS) == 15, "it was delivered"
    streams = capfd.readouterr()
    left |= everything_in(*roots(), directory)
    return left | {"log": "\n".join(said).encode(), "out": streams.out.encode(), "err": streams.err.encode()}


def assert_no_secret(left: dict[str, bytes]) -> None:
    for where, content in left.items():
        for secret in SECRETS:
            assert secret.encode() not in content, where


@rule(without(arguments, "compile_capture", all_of_it))
def test_what_is_not_captured_is_nowhere(tmp_path: Path, capfd: pytest.CaptureFixture[str], footfall_on: None) -> None:
    """Journal, outbox, what the server keeps, log, both streams: not one byte of an argument."""
    left = everything(tmp_path, capfd, connect={"host": {"choice": ["node"]}})
    assert_no_secret(left)
    received = left[str(tmp_path / "sink" / "requests.jsonl")]
    assert received.count(b'\\"args\\":[],\\"kwargs\\":{},') == 5
    assert received.count(b'\\"args\\":[],\\"kwargs\\":{\\"host\\":\\"node\\"},') == 10
    assert not any(text in content for content in left.values() for text in (b"2024-01-01", b"a/b\\", b"values"))


@rule(without(scrub, "is_sensitive_key", lambda _: False), without(scrub, "_PASSES", ()))
def test_what_is_captured_is_scrubbed(tmp_path: Path, capfd: pytest.CaptureFixture[str], footfall_on: None) -> None:
    """A registration may name `password` as text and `query` as JSON: names of secrets still give no value away."""
    left = everything(tmp_path, capfd, connect={"password": "text", "query": "json"}, search={"query": "json"})
    assert_no_secret(left)
    received = left[str(tmp_path / "sink" / "requests.jsonl")].decode()
    for kept in ('\\"password\\":\\"<redacted:key>\\"', "2024-01-01", "a/b", "<bytes>", '\\"null\\":\\"b\\"'):
        assert kept in received, "the rest of what was captured is there"
