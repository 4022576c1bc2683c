"""S3: a credential is on its way to its server, and nowhere else."""

from __future__ import annotations

import logging
import os
import pickle
import re
import subprocess
import sys
import time
import traceback
from pathlib import Path
from typing import Any

import pytest

import footfall
from footfall import api, destination
from footfall.courier import credentials, lane, route
from footfall.courier.credentials import Headers, Secret
from footfall.courier.transport import HttpTransport
from footfall.destination import Destination
from footfall.errors import ConfigurationError, TransportError
from footfall.testing.sink.client import Sink
from footfall.wire import destinations
from footfall.wire.base import Request
from tests.courier.courierhelp import Loopback
from tests.process.harness import ROOT
from tests.security.rules import PACKAGE, everything_in, refused, rule, without
from tests.security.whole import deliver, everything_logged, roots

CANARY = "canary-7f3a-91"
LINE = f"Authorization: Bearer {CANARY}"
REQUEST = Request(path="/", body=b"{}", content_type="application/json", idempotency_key="k")


class PlainSecret(str):
    """What a `Secret` would be without its care."""

    __slots__ = ()

    def reveal(self) -> str:
        return str(self)


class PlainHeaders(dict[str, str]):
    """What `Headers` would be without theirs."""


def resolved_early(wire: str, endpoint: str, options: dict[str, Any], **fields: Any) -> Destination:
    """The stand-in for references: what stands behind one is taken at once."""
    reference = fields.pop("credentials")
    value = os.environ.get(reference.removeprefix("env:"), "")
    return Destination(wire=wire, endpoint=endpoint, options=options, credentials=value, **fields)


def telling(secret: Secret) -> Headers:
    logging.getLogger("footfall").warning("credentials: %s", secret.reveal())
    return credentials_headers(secret)


credentials_headers = credentials.headers


@rule(
    without(destinations, "_checked", resolved_early, without(api, "check", lambda destination: destination)),
    without(lane.credentials, "headers", telling),
)
def test_no_file_and_no_log_holds_one(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, footfall_on: None, hidden_errors: list[object]
) -> None:
    """Journal, outbox, its log, status, records at DEBUG: with a server that takes it, refuses it, or is gone."""
    monkeypatch.setenv("TOOL_TOKEN", LINE)
    with Sink(tmp_path / "sink") as sink, everything_logged() as said:
        for mode in ("ok", "status:401", "status:500", "badjson", "noanswer", f"redirect:{sink.url}/x"):
            sink.set_mode(mode)
            deliver(footfall.Migas(sink.url, credentials="env:TOOL_TOKEN"), mode=mode)
            for name, content in everything_in(*roots()).items():
                assert CANARY.encode() not in content, f"{mode}: {name}"
        assert any("authorization" in received.auth_headers for received in sink.requests()), "it was sent"
    assert said, "something was logged"
    assert CANARY not in "\n".join(said)


@rule(
    without(Secret, "__repr__", Secret.reveal),
    without(Secret, "__format__", lambda self, _: self.reveal()),
    without(Secret, "__str__", Secret.reveal),
    without(Headers, "__repr__", lambda self: repr(dict(self))),
    without(Secret, "__reduce_ex__", lambda self, _: (Secret, (self.reveal(),))),
    without(Headers, "__reduce_ex__", lambda self, _: (Headers, (dict(self),))),
)
def test_nothing_shows_one() -> None:
    """Not repr, str, format, pickle; more of them in tests/courier/test_credentials.py."""
    for thing in (Secret(LINE), Headers({"Authorization": CANARY})):
        for shown in (repr(thing), f"{thing}", f"{thing!r}", str([thing])):
            assert CANARY not in shown
        refused(TypeError, pickle.dumps, thing)
    assert CANARY not in str(Secret(LINE))


@rule(without(credentials, "Headers", PlainHeaders))
def test_tracebacks_with_local_variables_show_none() -> None:
    """Crash reporters print every frame's variables: of an exchange that failed, of a credential that is no header."""
    transport = HttpTransport(environ={}, proxies=dict)
    headers = credentials.headers(Secret(LINE))
    with Loopback(lambda connection, received: False) as server:
        error = refused(TransportError, lambda: send(transport, server.url, headers))
    shown = "".join(traceback.TracebackException.from_exception(error, capture_locals=True).format())
    assert "headers" in shown, "the frames are there"
    assert CANARY not in shown
    odd = refused(ConfigurationError, lambda: credentials.headers(Secret(f"{CANARY} is no header\0")))
    shown = "".join(traceback.TracebackException.from_exception(odd, capture_locals=True).format())
    assert CANARY not in shown


def send(transport: HttpTransport, url: str, headers: Any) -> None:
    transport.send(REQUEST, base_url=url, headers=headers, timeout_seconds=5)


@rule(
    without(route, "Secret", PlainSecret),
)
def test_the_password_of_a_proxy_is_one_too() -> None:
    """It reaches neither the proxy's URL nor what shows the proxy."""
    found = route.proxy_for(route.origin("http://198.51.100.7"), {"http": f"http://me:{CANARY}@127.0.0.1:9"})
    assert found is not None
    encoded = found.headers()["Proxy-Authorization"].removeprefix("Basic ")
    for shown in (found.url, repr(found), repr(found.headers())):
        assert CANARY not in shown
        assert encoded not in shown


@rule(without(destinations, "check", lambda destination: destination))
def test_a_url_with_a_password_is_refused_unseen() -> None:
    """And so is a credential in the place of a reference; the message repeats neither."""
    for make in (footfall.Migas, footfall.Otlp):
        said = refused(ConfigurationError, make, f"https://me:{CANARY}@example.org")
        assert CANARY not in str(said)
        said = refused(ConfigurationError, lambda make=make: make("https://example.org", credentials=CANARY))
        assert CANARY not in str(said)


PROGRAM = """
import os, subprocess, sys, time, footfall
footfall.instrument("owner/tool", send_to=[footfall.Migas(sys.argv[1], credentials="env:TOOL_TOKEN")])
footfall.event("step")
footfall.drain(5)
{more}
input()
"""
SHOWN = "subprocess.Popen([sys.executable, '-c', 'input()', os.environ['TOOL_TOKEN']])"


@rule(without(sys.modules[__name__], "PROGRAM", PROGRAM.replace("{more}", SHOWN)))
def test_no_command_line_holds_one(tmp_path: Path) -> None:
    """Of no process on the machine, while a program of ours has one in use; and its streams stay empty."""
    with Sink(tmp_path / "sink") as sink:
        running = subprocess.Popen(
            [sys.executable, "-c", PROGRAM.replace("{more}", ""), sink.url],
            env={**os.environ, "FOOTFALL": "on", "TOOL_TOKEN": LINE, "PYTHONPATH": str(ROOT)},
            stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE, start_new_session=True,
        )  # fmt: skip
        try:
            limit = time.monotonic() + 30
            while not sink.requests():
                assert running.poll() is None, running.communicate()
                assert time.monotonic() < limit
                time.sleep(0.02)
            lines = {path: path.read_bytes() for path in Path("/proc").glob("[0-9]*/cmdline") if path.exists()}
            assert any(sink.url.encode() in line for line in lines.values())
            for path, line in lines.items():
                assert CANARY.encode() not in line, path
        finally:
            out, err = running.communicate(b"\n", timeout=30)
        assert (running.returncode, out, err) == (0, b"", b"")


def test_no_process_is_handed_one() -> None:
    """Outside the demo only the doctor starts a process, whose command line is the same whatever is configured."""
    starts = {
        path.relative_to(PACKAGE).as_posix(): path.read_text(encoding="utf-8")
        for path in PACKAGE.rglob("*.py")
        if "demo" not in path.parts and "testing" not in path.parts
        if re.search(r"\b(subprocess\.|os\.(exec|spawn|posix_spawn|system|popen))", path.read_text(encoding="utf-8"))
    }
    assert starts.keys() == {"cli/doctor/child.py"}
    assert '[sys.executable, "-c", _PROGRAM, os.pathsep.join(sys.path)]' in starts["cli/doctor/child.py"]


HEADER_LINES = (LINE, f"X-Site: nci\nX-Api-Key: {CANARY}", f"Cookie: a={CANARY}", f"X-Site: password={CANARY}")


@rule(without(destination, "_refuse_secrets", lambda _: None))
def test_no_option_of_a_destination_holds_a_secret(footfall_on: None) -> None:
    """Options are written into journals: one with a secret is refused before that, and not repeated."""
    for text in HEADER_LINES:
        written = {"send_to": [{"access": "https://example.org/api", "headers": text}], "registry": {}}
        made = Destination(wire="access", endpoint="https://example.org/api", options={"headers": text})
        for arguments in ({"registry": written}, {"send_to": [made]}):
            error = refused(ConfigurationError, lambda given: footfall.instrument("owner/tool", **given), arguments)
            assert CANARY not in str(error)
    assert not any(CANARY.encode() in content for content in everything_in(*roots()).values())
