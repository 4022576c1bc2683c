"""The sink answers as the real migas server did: every recorded ``-server-`` exchange, sent again, gives the same."""

from __future__ import annotations

import base64
import json

import pytest
from sinkhelp import raw_exchange
from tests import vectors

from footfall.testing import Sink

VECTORS = vectors.files("migas", "*-server-*.json")
REGISTERED = ["test/project"]
RATE_LIMITED = {"171", "172"}
TAKEN = {
    *["123", "124", "125", "126", "127", "128", "129", "131", "143", "149", "153", "154", "161", "162", "163"],
    "166",
}
"""Recordings in which the server says its documented yes; 166 is a query, answered as it should be."""


@pytest.fixture(scope="module")
def server(tmp_path_factory):
    """One sink for this file, which knows the project of the recordings."""
    with Sink(tmp_path_factory.mktemp("vectors"), register=REGISTERED) as sink:
        yield sink


def decoded(body):
    """Return what JSON says, or the text."""
    try:
        return json.loads(body)
    except ValueError:
        return body if isinstance(body, str) else body.decode()


def send(sink, request):
    """Send the recorded bytes; the target as it stood in the request line."""
    body = base64.b64decode(request["body_base64"]) if "body_base64" in request else request["body_text"].encode()
    target = request["path"] + ("?" + request["query"] if request["query"] else "")
    head = f"{request['method']} {target} HTTP/1.1\r\nHost: 127.0.0.1:{sink.port}\r\nConnection: close\r\n"
    head += "".join(f"{name}: {value}\r\n" for name, value in request["headers"].items())
    return raw_exchange(sink.port, head.encode() + b"Content-Length: %d\r\n\r\n" % len(body) + body)


def test_all_recordings_are_there():
    """No run passes because the recordings were not found: there are fifty, numbered from 123 to 172."""
    assert [path.name[:3] for path in VECTORS] == [str(number) for number in range(123, 173)]


@pytest.mark.parametrize("path", VECTORS, ids=lambda path: path.stem)
def test_recorded_exchange(path, server):
    """Status, headers and decoded body are those of the recording; accepted is the documented yes and nothing else."""
    vector = json.loads(path.read_text(encoding="utf-8"))
    expected = vector["response_given"]
    if path.name[:3] in RATE_LIMITED:
        server.set_mode("ratelimit:0:20")
    answer = send(server, vector["request"])
    server.set_mode("ok")

    assert answer.status == expected["status"]
    assert decoded(answer.body) == decoded(expected["body"])
    for name, value in expected["headers"].items():
        assert answer.headers[name] == value.replace("<HOST>:<PORT>", f"127.0.0.1:{server.port}")
    assert ("x-backend-server" in answer.headers) == ("x-backend-server" in expected["headers"])
    assert "retry-after" not in answer.headers

    last = server.requests()[-1]
    assert last.accepted == (path.name[:3] in TAKEN)
    assert (last.answer, last.sink_error) == (expected["status"], "")


def test_what_is_lost_after_a_yes_is_marked(server):
    """A crumb that the real server accepts and then loses is in the journal with the reason."""
    for path in VECTORS:
        if "bad-uuid-is-lost" in path.name:
            send(server, json.loads(path.read_text(encoding="utf-8"))["request"])
            assert server.requests()[-1].crumb["lost"] == "user_id is no UUID"


def test_several_crumbs_in_one_document_are_several_records(server):
    """Aliased mutations are unpacked one by one, each in the shape of the REST body."""
    (path,) = (path for path in VECTORS if "two-in-one" in path.name)
    send(server, json.loads(path.read_text(encoding="utf-8"))["request"])
    crumb = {"type": "crumb", "project": "test/project", "project_version": "1.0", "language": "python"}
    crumb |= {"language_version": "3.11.9", "ctx": {}, "proc": {}}
    assert server.requests()[-1].records == [crumb, crumb]


def test_the_rate_limit_counts_both_doors_together_and_refused_requests_too(tmp_path):
    """Two requests pass, whichever the door; the third and all that go on knocking do not (vectors 171, 172)."""
    rest, graphql = (json.loads(path.read_text(encoding="utf-8"))["request"] for path in VECTORS[-2:])
    with Sink(tmp_path, mode="ratelimit:2:20") as sink:
        assert [send(sink, each).status for each in (graphql, rest, rest, graphql)] == [200, 202, 429, 429]
