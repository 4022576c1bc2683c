"""`footfall show`: what would be sent is what is shown, and it is not sent."""

from __future__ import annotations

import json
import re
import subprocess
import sys
from typing import Any

from clihelp import delivering, environ, footfall, record

from footfall.testing.sink import Received, Sink
from footfall.usage import Kind, Usage
from footfall.wire import readable
from footfall.wire.base import Request
from footfall.wire.otlp import OtlpWire

URL = "http://127.0.0.1:9"


def _shown(text: str) -> list[dict[str, Any]]:
    """Parse what the command printed."""
    found: list[dict[str, Any]] = []
    for block in re.split(r"(?m)^\d+\. to ", text)[1:]:
        head, _, rest = block.partition("\n\n")
        destination, request, *headers = head.splitlines()
        method, url = request.split(" ")
        lines = [line[2:] for line in rest.splitlines() if line.startswith("  ")]
        found.append(
            {
                "to": destination,
                "method": method,
                "url": url,
                "headers": {
                    line.split(": ")[0].lower(): line.split(": ")[1] for line in headers if not line.startswith("(")
                },
                "notes": [line for line in headers if line.startswith("(")],
                "body": "\n".join(lines[:-1]),
                "size": lines[-1],
            }
        )
    return found


def test_what_is_shown_is_what_arrives(footfall_sink: Sink) -> None:
    """Method, address, every header and the body are those that the server gets afterwards; showing sends nothing."""
    footfall_sink.set_mode("refuse")
    record(footfall_sink.url, 2)
    said = footfall("show")
    assert footfall_sink.requests() == []
    footfall_sink.set_mode("ok")
    assert footfall("send").returncode == 0
    arrived = {request.key: request for request in footfall_sink.requests()}
    waiting = _shown(said.stdout)
    assert said.returncode == 0
    assert {each["headers"]["idempotency-key"] for each in waiting} == set(arrived)
    for each in waiting:
        _compare(each, arrived[each["headers"]["idempotency-key"]], footfall_sink.url)


def _compare(each: dict[str, Any], received: Received, url: str) -> None:
    credentials = {"authorization"} if received.wire == "migas" else set[str]()
    assert (each["method"], each["url"]) == (received.method, url + received.path)
    sent = {name: value for name, value in received.headers.items() if name not in {"host", *credentials}}
    assert each["headers"] == sent
    assert set(received.auth_headers) == credentials
    assert bool(each["notes"]) == bool(credentials)
    if received.wire == "migas":
        assert each["body"] == received.body
        assert each["size"] == f"({len(received.body)} bytes)"
    else:
        events = json.loads(each["body"])["resourceLogs"][0]["scopeLogs"][0]["logRecords"]
        assert [event["spanId"] for event in events] == [record["span_id"] for record in received.records]


CALLS = """
import sys, footfall
headers = {"X-Site": "nci", "Accept": "application/json; version=2"}
footfall.instrument("owner/tool", send_to=[footfall.Access(sys.argv[1] + "//a//api/", headers=headers)])

@footfall.register("intake_catalog", capture={"query": "json"})
def search(**query): ...

search(variable="tas", étape=["a\\nb"])
"""


def test_call_records_are_shown_as_they_arrive(footfall_sink: Sink) -> None:
    """Wire `access`: address joined, every header with the destination's own, the body as readable text."""
    footfall_sink.set_mode("refuse")
    variables = {"FOOTFALL_EXIT_BUDGET_SECONDS": "0", "FOOTFALL_DELIVERY_INTERVAL_SECONDS": "600"}
    subprocess.run([sys.executable, "-c", CALLS, footfall_sink.url], env=environ(variables), check=True, timeout=60)
    said = footfall("show")
    footfall_sink.set_mode("ok")
    assert footfall("send").returncode == 0
    (received,) = footfall_sink.requests()
    (shown,) = _shown(said.stdout)
    assert (shown["method"], shown["url"]) == ("POST", footfall_sink.url + "/a/api/intake/catalog/")
    assert shown["url"] == footfall_sink.url + received.path
    assert shown["headers"] == {name: value for name, value in received.headers.items() if name != "host"}
    assert (shown["headers"]["x-site"], shown["headers"]["accept"]) == ("nci", "application/json; version=2")
    assert shown["body"] == received.body
    assert '"variable":"tas"' in shown["body"]
    assert '"étape":["a\\nb"]' in shown["body"]


def test_credentials_are_named_and_not_shown() -> None:
    """The source of a credential is printed, its value nowhere (reliability.md S3)."""
    record(URL)
    said = footfall("show")
    assert "(and the credentials in env:TOOL_TOKEN)" in said.stdout
    assert "canary-7731" not in said.stdout + said.stderr


def test_limit_bounds_the_list_and_says_what_is_left() -> None:
    """The oldest come first, and the rest is counted."""
    record(URL, 4)
    said = footfall("show", "--limit", "3")
    assert [each["to"].split(":")[0] for each in _shown(said.stdout)] == ["migas"] * 3
    assert "and 5 more records" in said.stdout


def test_another_process_that_delivers_leaves_its_journal_lines_to_see() -> None:
    """What nobody has taken in yet is shown as it lies on disk; the rest is the other process's."""
    with delivering() as delivery:
        delivery.write_status()
        record(URL, 2)
        said = footfall("show")
        short = footfall("show", "--limit", "1")
    lines = [json.loads(line) for line in said.stdout.splitlines() if line.startswith("  {")]
    assert "delivers; these journal lines" in said.stdout
    assert [line["extra"] for line in lines if line["kind"] == "event"] == [{"number": 0}, {"number": 1}]
    assert sum(line.startswith("  {") for line in short.stdout.splitlines()) == 1
    assert said.returncode == short.returncode == 0


def test_local_records_do_not_wait_to_be_sent() -> None:
    """What was recorded with FOOTFALL=local is nobody's to send, so it is not shown as waiting."""
    record(URL, 2, FOOTFALL="local")
    assert footfall("show").stdout == "nothing waits\n"
    assert footfall("show", FOOTFALL="local").stdout.startswith("nothing is sent: FOOTFALL=local")


def test_bodies_are_readable_or_bytes_and_always_harmless() -> None:
    """Text as it is, packed protobuf as JSON, everything else in hexadecimal; no control character survives."""

    def of(body: bytes, kind: str = "text/plain", path: str = "/x", **headers: str) -> tuple[list[str], str]:
        named = tuple((name.replace("_", "-"), value) for name, value in headers.items())
        return readable.readable(Request(path=path, body=body, content_type=kind, headers=named, idempotency_key="k"))

    assert of(b"a\nb\x1b]0;title\x07\xe2\x80\xae") == (["a", r"b\u001b]0;title\u0007\u202e"], "")
    assert of(b"\xff\x00") == (["ff00"], "no text")
    assert of(b"no gzip", content_encoding="gzip") == (
        ["6e6f2067 7a6970"],
        "gzip that does not unpack",
    )
    assert of(b"\x0a", readable.PROTOBUF, "/v1/traces")[1] == "protobuf of an unknown kind"
    assert of(b"", readable.PROTOBUF, "/v1/traces") == (["{}"], "protobuf, shown as JSON")
    assert of(b"", readable.PROTOBUF, "/elsewhere")[1] == "protobuf of an unknown kind"
    for signal, compression in (("traces", "gzip"), ("logs", "none")):
        kind = Kind.END if signal == "traces" else Kind.EVENT
        usage = Usage(project="a/b", name="step", kind=kind, trace_id="1" * 32, span_id="2" * 16, time_ns=1)
        (call,) = OtlpWire(protocol="grpc", compression=compression).translate([usage])
        (plain,) = OtlpWire(compression=compression).translate([usage])
        assert readable.readable(call) == readable.readable(plain)


def test_headers_say_how_long_the_body_is() -> None:
    """The one header that depends on the body is right."""
    request = Request(path="/", body=b"12345", content_type="a/b", idempotency_key="k")
    assert dict(readable.headers(request))["Content-Length"] == "5"
