"""The door for call records answers as a Django service does, takes what it says, and meets every fault."""

from __future__ import annotations

import json
import socket

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sinkhelp import GUARD_SECONDS, parse, post, raw_exchange

from footfall.testing import Sink
from footfall.testing.sink import access
from footfall.testing.sink.exchange import Asked

PATH = "/api/intake/catalog/"
RECORD = {"name": "alice", "function": "f", "args": ["x"], "kwargs": {"n": 1}, "session_id": "s"}
BODY = json.dumps(RECORD).encode()


@pytest.fixture(scope="module")
def server(tmp_path_factory):
    """One sink for this file; each test leaves it in mode ok."""
    with Sink(tmp_path_factory.mktemp("access")) as sink:
        yield sink


@pytest.fixture
def meet(server):
    """Send one good record under a mode; return the raw answer and the new line of the journal."""

    def meet(mode, **options):
        server.set_mode(mode)
        before = len(server.requests())
        answer = raw_exchange(server.port, post(PATH, BODY), **options)
        (line,) = server.requests()[before:]
        return answer, line

    yield meet
    server.set_mode("ok")


def ask(given, state=None, *, path=PATH, method="POST", content_type="application/json"):
    """Answer in this process."""
    body = given if isinstance(given, bytes) else json.dumps(given).encode()
    return access.answer(Asked(method, path, {"content-type": content_type}, body), state or access.State())


def test_a_record_is_stored(meet):
    """201, the row with its number and arrival; the journal has endpoint and fields."""
    answer, line = meet("ok")
    stored = json.loads(answer.body)
    assert (answer.status, answer.headers["content-type"]) == (201, "application/json")
    assert stored.pop("timestamp").endswith("Z")
    assert stored.pop("id") >= 1
    assert stored == RECORD
    assert (line.wire, line.answer, line.accepted) == ("access", 201, True)
    assert line.records == [{"type": "record", "endpoint": "intake/catalog", "fields": RECORD}]


def test_each_table_has_its_own_numbers():
    """Rows of one endpoint count up; another begins at one."""
    state = access.State()
    paths = [PATH, PATH, "/api/intake/cli/", PATH]
    assert [json.loads(ask(RECORD, state, path=path).body)["id"] for path in paths] == [1, 2, 1, 3]


@pytest.mark.parametrize(
    ("path", "endpoint"),
    [
        ("/api/intake/catalog/", "intake/catalog"),
        ("/api/intake/catalog", "intake/catalog"),
        ("/intake/catalog/", "intake/catalog"),
        ("/a/api/intake/catalog/", "intake/catalog"),
        ("/api/payu/", "payu"),
        ("/api/a%20b/c/", "a b/c"),
        ("/api//intake/catalog/", ""),
        ("/api/", ""),
        ("/payu/", ""),
        ("/", ""),
    ],
)
def test_endpoints(path, endpoint):
    """Below a part called `api`, or two parts at least; slashes do not collapse."""
    assert access.endpoint_of(path) == endpoint


def test_a_post_without_the_final_slash_is_redirected(server):
    """As Django does it, which loses the body: nothing is taken."""
    answer = raw_exchange(server.port, post(PATH.rstrip("/") + "?x=1", BODY))
    line = server.requests()[-1]
    assert (answer.status, answer.headers["location"]) == (301, PATH + "?x=1")
    assert (line.wire, line.accepted, line.records) == ("access", False, [])


@pytest.mark.parametrize(
    ("body", "status", "said"),
    [
        (b"{", 400, "JSON parse error - "),
        (b'{"args":[NaN]}', 400, "not JSON compliant: NaN"),
        (b"\xff", 400, "JSON parse error - "),
        (b"[" * 100_000, 400, "JSON parse error - "),
        ([RECORD], 400, "Expected a dictionary, but got list."),
        ({"name": "a" * 256}, 400, '{"name":["Ensure this field has no more than 255 characters."]}'),
        ({"function": ["f"]}, 400, '{"function":["Not a valid string."]}'),
        ({"session_id": True}, 400, '{"session_id":["Not a valid string."]}'),
        ({"name": "a\0"}, 400, "Null characters are not allowed."),
        ({"name": "\ud800"}, 400, "Surrogate characters are not allowed: U+D800."),
        ({"session_id": None, "name": 7, "args": ["a\0"], "fs": {"any": ["thing"]}}, 201, '"id":1'),
        ({}, 201, '"id":1'),
    ],
)
def test_what_the_framework_takes(body, status, said):
    """Text fields of 255 characters; anything in the others; and the fields that it complains of, by name."""
    answer = ask(body)
    assert (answer.status, answer.accepted) == (status, status == 201)
    assert said in answer.body.decode()
    assert ["refused" in record for record in answer.records] in ([], [status != 201])


def test_other_methods_and_media_types():
    """405 and 415, with the framework's words; a media type of one's own that ends in +json passes."""
    got = ask(RECORD, method="GET")
    assert (got.status, dict(got.headers)["allow"]) == (405, "POST, OPTIONS")
    assert [ask(RECORD, content_type=kind).status for kind in ("text/plain", "", "application/vnd.x+json")] == [
        415,
        415,
        201,
    ]


FAULTS = [  # mode, status that arrives, status in the journal, taken
    ("half500", 201, 201, True),
    ("status:400", 400, 400, False),
    ("status:503:retry-after=2", 503, 503, False),
    ("status:204", 204, 204, True),
    ("status:200", 200, 200, False),
    ("ratelimit:0:60:retry-after=7", 429, 429, False),
    ("partial:1", 201, 201, True),
    ("lostack", 0, None, True),
    ("noanswer", 0, None, False),
    ("closemid", 201, 201, True),
    ("drip:0.0001", 201, 201, True),
    ("huge", 200, 200, True),
    ("gzipbomb:1", 200, 200, True),
    ("redirect:http://127.0.0.1:9/", 307, 307, False),
    ("badjson", 200, 200, True),
    ("portal", 200, 200, False),
    ("headers:100", 201, 201, True),
    ("interim", 103, None, False),
    ("cookie", 201, 201, True),
    ("garbage", 0, None, False),
]


@pytest.mark.parametrize(("mode", "arrives", "noted", "taken"), FAULTS, ids=[fault[0] for fault in FAULTS])
def test_faults(meet, mode, arrives, noted, taken):
    """The same faults as for the other wires. Taken is what a client may count on: the status, unless it is a page."""
    answer, line = meet(mode, most_bytes=2**18)
    assert (answer.status, line.answer, line.accepted, len(line.records)) == (arrives, noted, taken, 1)
    if "retry-after" in mode:
        assert answer.headers["retry-after"] == mode.rpartition("=")[2]


def test_a_hanging_endpoint_leaves_the_others_alone(server):
    """A mode for the wire, or for one endpoint."""
    server.set_mode("hang", PATH)
    with socket.create_connection(("127.0.0.1", server.port), timeout=GUARD_SECONDS) as connection:
        connection.sendall(post(PATH, BODY))
        server.wait_for(lambda requests: any(each.mode == "hang" for each in requests))
        connection.setblocking(False)
        with pytest.raises(BlockingIOError):
            connection.recv(1)
    assert raw_exchange(server.port, post("/api/intake/cli/", BODY)).status == 201
    server.set_mode("status:503", "access")
    assert [raw_exchange(server.port, post(path, BODY)).status for path in ("/api/x/", "/graphql")] == [503, 400]
    server.set_mode("ok")


def test_other_paths_stay_nobodys(server):
    """One part alone, and the signals of OTLP that a sink does not take."""
    assert [raw_exchange(server.port, post(path, BODY)).status for path in ("/payu/", "/v1/metrics")] == [404, 404]
    assert [line.wire for line in server.requests()[-2:]] == ["", ""]


def test_a_connection_serves_many(server):
    """Kept alive, also over a redirection."""
    with socket.create_connection(("127.0.0.1", server.port), timeout=GUARD_SECONDS) as connection:
        for path, status in ((PATH, 201), (PATH.rstrip("/"), 301), (PATH, 201)):
            connection.sendall(post(path, BODY, close=False))
            assert parse(connection.recv(65536)).status == status


@settings(max_examples=200, deadline=None)
@given(
    st.binary(max_size=30)
    | st.recursive(
        st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=5),
        lambda inner: (
            st.lists(inner, max_size=3)
            | st.dictionaries(st.sampled_from(["name", "function", "args", "session_id", "id"]), inner, max_size=4)
        ),
        max_leaves=8,
    ).map(lambda value: json.dumps(value).encode())
)
def test_no_body_makes_the_sink_itself_fail(body):
    """Whatever arrives, the answer is one of the framework's, and it can be written down."""
    answer = ask(body)
    assert answer.status in {201, 400}
    json.dumps(answer.records)
