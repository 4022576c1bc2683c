"""Each mode of the sink does to a client what it says, and the journal tells the truth about it."""

from __future__ import annotations

import gzip
import json
import socket
import threading
import time
import zlib

import pytest
from sinkhelp import GUARD_SECONDS, parse, post, raw_exchange, read_some

from footfall.testing import Sink
from footfall.testing.sink.modes import Rule, parse_mode

YES = b'{"success":true,"message":""}'


@pytest.fixture(scope="module")
def server(tmp_path_factory):
    """One sink for this file; each test leaves it in mode ok."""
    with Sink(tmp_path_factory.mktemp("faults")) as sink:
        yield sink


@pytest.fixture
def meet(server):
    """Send one good crumb under a mode; return the raw answer and the new line of the journal."""

    def meet(mode, **options):
        server.set_mode(mode)
        before = len(server.requests())
        answer = raw_exchange(server.port, post(), **options)
        (line,) = server.requests()[before:]
        return answer, line

    yield meet
    server.set_mode("ok")


def refused(port):
    """Whether no connection can be made; a time-out is an error."""
    try:
        socket.create_connection(("127.0.0.1", port), timeout=GUARD_SECONDS).close()
    except ConnectionError:  # or reset, when the door shuts during the handshake
        return True
    return False


def test_ok(meet):
    """The server's own answer; the journal has the crumb."""
    answer, line = meet("ok")
    assert (answer.status, answer.body) == (200, YES)
    assert (line.answer, line.accepted, line.mode) == (200, True, "ok")
    assert line.crumb == {"type": "crumb", "project": "test/project", "project_version": "1.0"}


def test_refuse_cuts_and_refuses_then_opens_again_on_the_same_port(server):
    """Open connections end, new ones are refused, nobody else can take the port; afterwards all is as before."""
    with socket.create_connection(("127.0.0.1", server.port), timeout=GUARD_SECONDS) as idle:
        idle.sendall(post(close=False))
        assert parse(idle.recv(65536)).status == 200
        server.set_mode("refuse")
        assert idle.recv(1) == b""
    assert refused(server.port)
    with socket.socket() as thief, pytest.raises(OSError, match="in use"):
        thief.bind(("127.0.0.1", server.port))
    server.set_mode("ok")
    assert raw_exchange(server.port, post()).status == 200


def test_refuse_and_ok_may_alternate_many_times(server):
    """The door neither sticks nor loses its port."""
    for _ in range(20):
        server.set_mode("refuse")
        assert refused(server.port)
        server.set_mode("ok")
        assert raw_exchange(server.port, post()).status == 200


def test_flap_is_up_and_down_by_turns(server):
    """Both states come again and again, without an order from outside."""
    server.set_mode("flap:0.02:0.02")
    changes, last, end = 0, None, time.monotonic() + GUARD_SECONDS
    while changes < 6 and time.monotonic() < end:
        now = refused(server.port)
        changes, last = changes + (now != last), now
    server.set_mode("ok")
    assert changes == 6


def test_half500_refuses_every_second_request_with_a_foreign_page(server):
    """Two, four and six fail, with a page that no application wrote; the others are taken."""
    server.set_mode("half500")
    answers = [raw_exchange(server.port, post()) for _ in range(6)]
    server.set_mode("ok")
    assert [each.status for each in answers] == [200, 500] * 3
    assert answers[1].headers["content-type"].startswith("text/html")
    assert "x-backend-server" not in answers[1].headers
    lines = server.requests()[-6:]
    assert [each.accepted for each in lines] == [True, False] * 3
    assert [each.mode for each in lines] == ["ok", "half500"] * 3


@pytest.mark.parametrize("status", [204, 301, 400, 401, 403, 404, 413, 429, 500, 503])
def test_status(meet, status):
    """That status, nothing taken; the journal still knows what the request carried."""
    answer, line = meet(f"status:{status}")
    assert (answer.status, line.answer, line.accepted, len(line.records)) == (status, status, False, 1)
    assert "retry-after" not in answer.headers


@pytest.mark.parametrize("value", ["2", "Wed, 21 Oct 2065 07:28:00 GMT", "soon"])
def test_status_with_retry_after(meet, value):
    """The header's value is passed on as given, colons and all."""
    answer, _ = meet(f"status:503:retry-after={value}")
    assert (answer.status, answer.headers["retry-after"]) == (503, value)


def test_ratelimit_window_slides():
    """Within the window each request counts, refused or not; when they have aged, requests pass again."""
    rule = Rule(parse_mode("ratelimit:2:10"))
    seconds = [0, 1, 2, 9, 10.5, 11.5, 30, 31, 32]
    assert [rule.strikes(monotonic=at) for at in seconds] == [False, False, True, True, True, True, False, False, True]


def test_ratelimit_may_name_a_wait(meet):
    """Where a server does tell, the wait is in the header."""
    answer, line = meet("ratelimit:0:1:retry-after=7")
    assert (answer.status, answer.headers["retry-after"], line.accepted) == (429, "7", False)


@pytest.mark.parametrize(("mode", "taken"), [("lostack", True), ("noanswer", False)])
def test_no_answer(meet, mode, taken):
    """The connection ends without a byte; only the journal knows whether the request was taken."""
    answer, line = meet(mode)
    assert (answer.received, line.answer, line.accepted) == (b"", None, taken)


def test_closemid(meet):
    """The body ends before its announced length."""
    answer, line = meet("closemid")
    assert (answer.status, line.answer, line.accepted) == (200, 200, True)
    assert 0 < len(answer.body) < int(answer.headers["content-length"]) == len(YES)


def test_hang_answers_nothing_and_holds_up_nobody(server):
    """Ten requests wait for an answer; an eleventh to another path is served, and the sink still ends."""
    server.set_mode("hang", "/api/")
    waiting = [socket.create_connection(("127.0.0.1", server.port), timeout=GUARD_SECONDS) for _ in range(10)]
    for connection in waiting:
        connection.sendall(post())
    lines = server.wait_for(lambda requests: [each.mode for each in requests].count("hang") == 10)
    assert {(each.answer, each.accepted) for each in lines if each.mode == "hang"} == {(None, False)}
    assert raw_exchange(server.port, post("/graphql", b'{"query":"{x}"}')).status == 200
    for connection in waiting:
        connection.setblocking(False)
        with pytest.raises(BlockingIOError):
            connection.recv(1)
        connection.close()
    server.set_mode("ok")


def test_drip_is_one_byte_at_a_time(meet):
    """Head and body arrive, byte by byte."""
    answer, line = meet("drip:0.001")
    assert (answer.status, answer.body, line.accepted) == (200, YES, True)


def test_drip_of_the_body_only(server):
    """The head comes at once, the body does not follow within a read."""
    server.set_mode("drip:30:body")
    with socket.create_connection(("127.0.0.1", server.port), timeout=GUARD_SECONDS) as connection:
        connection.sendall(post())
        received = b""
        while b"\r\n\r\n{" not in received:
            received += connection.recv(65536)
        connection.setblocking(False)
        with pytest.raises(BlockingIOError):
            connection.recv(1)
    server.set_mode("ok")
    assert received.endswith(b"\r\n\r\n{")


def test_huge_has_no_end(meet):
    """Eight mebibytes are read, and more would come."""
    answer, line = meet("huge", most_bytes=8 * 2**20)
    assert answer.status == 200
    assert "content-length" not in answer.headers
    assert (len(answer.received) >= 8 * 2**20, line.accepted) == (True, False)


def test_gzipbomb_unpacks_to_its_size(meet):
    """A true gzip body, checksum and all, a thousand times larger inside."""
    answer, line = meet("gzipbomb:32", most_bytes=2**20)
    assert (answer.headers["content-encoding"], line.accepted) == ("gzip", False)
    assert len(answer.body) == int(answer.headers["content-length"]) < 64 * 1024
    assert len(gzip.decompress(answer.body)) == 32 * 2**20


def test_gzipbomb_is_half_a_mebibyte_by_default(meet):
    """The figure of reliability.md S9: about 0.5 MiB on the wire, 512 MiB inside."""
    answer, _ = meet("gzipbomb", most_bytes=2**21)
    assert len(answer.body) < 600_000
    unpacker, inside = zlib.decompressobj(wbits=31), 0
    while not unpacker.eof:
        inside += len(unpacker.decompress(unpacker.unconsumed_tail or answer.body, 2**22))
    assert inside == 512 * 2**20


@pytest.mark.parametrize("status", ["", "301:", "302:", "303:", "307:", "308:"])
def test_redirect(meet, status):
    """To the given place, with 307 unless told otherwise."""
    answer, line = meet(f"redirect:{status}http://127.0.0.1:9/x?y=1:2")
    assert answer.status == int(status.strip(":") or 307)
    assert (answer.headers["location"], line.accepted) == ("http://127.0.0.1:9/x?y=1:2", False)


def test_badjson(meet):
    """The application's own 200, and a body that does not parse."""
    answer, line = meet("badjson")
    assert (answer.status, answer.headers["x-backend-server"], line.accepted) == (200, "migas@0.9", False)
    with pytest.raises(ValueError, match="Expecting"):
        json.loads(answer.body)


def test_portal(meet):
    """A 200 that says nothing about us."""
    answer, line = meet("portal")
    assert (answer.status, answer.headers["content-type"], line.accepted) == (200, "text/html; charset=utf-8", False)
    assert b"sign in" in answer.body


def test_headers_flood(meet):
    """As many header lines as asked for, and then a good answer."""
    answer, line = meet("headers:5000")
    assert (answer.status, answer.body, line.accepted) == (200, YES, True)
    assert answer.header_lines > 5000


def test_interim_answers_without_end(meet):
    """Only 103, as long as one reads."""
    answer, line = meet("interim", most_bytes=2**20)
    assert (answer.status, line.answer, line.accepted) == (103, None, False)
    whole = answer.received.rpartition(b"\r\n\r\n")[0]  # reading may end within one
    assert whole.count(b"HTTP/1.1 ") == whole.count(b"HTTP/1.1 103") > 1000


def test_cookie(meet):
    """A good answer that sets cookies."""
    answer, line = meet("cookie")
    assert (answer.status, line.accepted) == (200, True)
    assert answer.received.count(b"set-cookie: ") == 2


def test_garbage(meet):
    """Not HTTP."""
    answer, line = meet("garbage")
    assert (answer.status, line.answer, line.accepted) == (0, None, False)
    assert answer.received.startswith(b"220 ")


def test_a_mode_for_a_wire_or_a_path_leaves_the_rest_alone(server):
    """The narrowest rule wins; a mode for everything ends the narrower ones."""
    server.set_mode("status:503", "migas")
    server.set_mode("portal", "/graphql")
    ask = lambda path: raw_exchange(server.port, post(path, b"{}")).status  # noqa: E731
    assert [ask(path) for path in ("/api/breadcrumb", "/graphql", "/v1/traces", "/else")] == [503, 200, 200, 404]
    server.set_mode("ok")
    assert [ask(path) for path in ("/api/breadcrumb", "/graphql")] == [422, 400]


@pytest.mark.parametrize(
    ("mode", "where", "message"),
    [
        ("sulk", "", "'sulk' is not a mode of the sink; there are ok, refuse, flap"),
        ("status", "", "'status' has wrong parameters"),
        ("status:999", "", "wrong parameters"),
        ("redirect:", "", "wrong parameters"),
        ("refuse", "migas", "mode 'refuse' is about the listening socket"),
    ],
)
def test_wrong_modes_are_refused_with_words(server, mode, where, message):
    """A typing error in a test is an error at that line, not a sink that does something else."""
    with pytest.raises(ValueError, match=message):
        server.set_mode(mode, where)
    assert raw_exchange(server.port, post()).status == 200


def test_many_clients_at_once_all_get_their_line(server):
    """Eight connections of fifty requests each: four hundred answers, four hundred whole lines."""
    before = len(server.requests())
    statuses = []

    def client(number):
        with socket.create_connection(("127.0.0.1", server.port), timeout=GUARD_SECONDS) as connection:
            for count in range(50):
                connection.sendall(post(close=False, Idempotency_Key=f"{number}-{count}"))
                received = b""
                while not received.endswith(YES):
                    received += connection.recv(65536)
                statuses.append(parse(received).status)

    threads = [threading.Thread(target=client, args=(number,)) for number in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(GUARD_SECONDS)
    lines = server.requests()[before:]
    assert statuses == [200] * 400
    assert {each.key for each in lines} == {f"{number}-{count}" for number in range(8) for count in range(50)}
    assert len(lines) == 400


def test_a_client_that_leaves_in_the_middle_leaves_no_line(server):
    """Half a request was never received; the next client is served."""
    before = len(server.requests())
    with socket.create_connection(("127.0.0.1", server.port), timeout=GUARD_SECONDS) as connection:
        connection.sendall(post()[:-10])
        connection.shutdown(socket.SHUT_WR)
        assert read_some(connection, 1) == b""
    assert raw_exchange(server.port, post()).status == 200
    assert len(server.requests()) == before + 1
