"""The transport against real sockets: what it sends, and every fault of reliability.md sections 4 and 5."""

from __future__ import annotations

import gzip
import logging
import os
import signal
import socket
import threading
import time
import traceback
import warnings
from collections.abc import Mapping

import pytest
from courierhelp import OK, Loopback, answer, certificate, free_port, server_context

from footfall.courier.answer import MAX_ANSWER_BYTES
from footfall.courier.credentials import Headers
from footfall.courier.exchange import in_ascii
from footfall.courier.pool import IDLE_SECONDS
from footfall.courier.route import Origin, TlsError
from footfall.courier.transport import HttpTransport
from footfall.errors import TransportError
from footfall.wire.base import Request

REQUEST = Request(
    path="/api/thing?wait=true",
    body=b'{"a":1}',
    content_type="application/json",
    headers=(("X-Extra", "more"),),
    idempotency_key="0123abcd",
)
HANG_GUARD_SECONDS = 20


@pytest.fixture
def transport():
    """A transport that has no proxies and looks at no environment."""
    it = HttpTransport(version="1.2", environ={}, proxies=dict)
    yield it
    it.close()


def send(transport, url, *, timeout_seconds=10.0, request=REQUEST, headers=None):
    """Send `REQUEST` or another to *url*."""
    return transport.send(request, base_url=url, headers=headers or {}, timeout_seconds=timeout_seconds)


def wait_for(condition):
    """Wait until *condition* holds."""
    deadline = time.monotonic() + HANG_GUARD_SECONDS
    while not condition():
        assert time.monotonic() < deadline
        time.sleep(0.005)


def fails(transport, url, **keywords):
    """Send, expect a TransportError within the hang guard, and return it."""
    began = time.monotonic()
    with pytest.raises(TransportError) as caught:
        send(transport, url, **keywords)
    assert time.monotonic() - began < HANG_GUARD_SECONDS
    return caught.value


def test_sends_what_the_request_says(transport):
    """Method, path, body, type, own headers, credentials, key, agent; no encodings, no cookies."""
    with Loopback() as server:
        answered = send(transport, server.url + "/base", headers={"Authorization": "Bearer x"})
    assert (answered.status, answered.body) == (200, b"ok")
    (received,) = server.received
    assert received.line == "POST /base/api/thing?wait=true HTTP/1.1"
    assert received.body == REQUEST.body
    assert received.headers == {
        "host": f"127.0.0.1:{server.port}",
        "content-type": "application/json",
        "x-extra": "more",
        "user-agent": "footfall/1.2",
        "accept": "*/*",
        "accept-encoding": "identity",
        "idempotency-key": "0123abcd",
        "authorization": "Bearer x",
        "content-length": "7",
    }


def test_get_has_no_body(transport):
    """Queries of facades are GETs."""
    request = Request(method="GET", path="/q", body=b"", content_type="text/plain", idempotency_key="k")
    with Loopback() as server:
        assert send(transport, server.url, request=request).status == 200
    assert server.received[0].line == "GET /q HTTP/1.1"


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("X", "a\r\nEvil: b"),
        ("X", "a\nEvil: b"),
        ("X", "a\rEvil: b"),
        ("X", "a\n b"),
        ("X", "a\x00"),
        ("X", "\x7f"),
        ("X", "\u20ac"),
        ("X: a\r\nEvil", "b"),
        ("X Y", "a"),
        ("X:", "a"),
        ("", "a"),
        ("\u00e9", "a"),
    ],
)
def test_no_header_begins_another(transport, name, value):
    """What is no header field is not sent, nor anything else (S7)."""
    with Loopback() as server:
        assert not fails(transport, server.url, headers={name: value}).in_doubt
        assert server.received == []
        assert send(transport, server.url, headers={"X": "caf\u00e9\t1"}).status == 200
        assert server.received[0].headers["x"] == "caf\u00e9\t1"


@pytest.mark.parametrize(
    ("path", "line"),
    [
        ("/a/%2F?b=c%20d&e=f,g", "/a/%2F?b=c%20d&e=f,g"),
        ("/a b?c=\u00fc", "/a%20b?c=%C3%BC"),
        ("/a\r\nEvil: b", "/a%0D%0AEvil:%20b"),
        ("/a?b#c", "/a?b"),
        ("?a=b", "/?a=b"),
        ("", "/"),
    ],
)
def test_what_no_path_may_hold_is_encoded(transport, path, line):
    """A path cannot end the request line; a fragment stays here."""
    request = Request(path=path, body=b"", content_type="t", idempotency_key="k")
    with Loopback() as server:
        send(transport, server.url, request=request)
    assert server.received[0].line == f"POST {line} HTTP/1.1"
    assert server.received[0].headers["content-length"] == "0"


def test_hosts_beyond_ascii():
    """A name is looked up, and named to the server, as the name system has it."""
    assert in_ascii(Origin("https", "b\u00fccher.example", 443)).host == "xn--bcher-kva.example"
    with pytest.raises(UnicodeError):
        in_ascii(Origin("https", "\u2603..example", 443))


def test_one_connection_serves_many(transport):
    """Kept alive; what the server closed in between is replaced without an error."""
    with Loopback() as server:
        for _ in range(5):
            send(transport, server.url)
        assert server.connections == 1
        assert transport.open_connections() == 1
    closing = Loopback(lambda connection, received: bool(connection.sendall(OK)))
    with closing as server:
        for number in range(1, 6):
            send(transport, server.url)
            wait_for(lambda: server.closed == number)  # noqa: B023  called at once
        assert server.connections == 5


def test_connection_close_is_obeyed(transport):
    """A server that says `Connection: close` gets a new connection each time."""
    with Loopback(answer("200 OK", b"x", "Connection: close")) as server:
        for _ in range(3):
            assert send(transport, server.url).body == b"x"
        assert transport.open_connections() == 0
        assert server.connections == 3


def test_a_connection_that_rested_long_is_replaced(transport):
    """Firewalls forget it without a word; so do we, before anything is sent on it."""
    with Loopback() as server:
        send(transport, server.url)
        (way,) = transport._servers.values()
        (kept,) = way._pool._idle
        kept.used_at -= IDLE_SECONDS + 1
        assert send(transport, server.url).status == 200
        assert server.connections == 2
        assert transport.open_connections() == 1


def test_closed_and_used_again(transport):
    """`close` leaves nothing open, and the next send opens anew."""
    with Loopback() as server:
        for connections in (1, 2):
            assert send(transport, server.url).status == 200
            assert server.connections == connections
            transport.close()
            assert transport.open_connections() == 0
            wait_for(lambda: server.closed == connections)  # noqa: B023  called at once


def test_a_name_with_several_addresses(transport):
    """`localhost` may stand for ::1 as well, where nobody listens here."""
    with Loopback() as server:
        assert send(transport, f"http://localhost:{server.port}").body == b"ok"


def test_connections_are_bounded(transport):
    """At most eight at once to a server, two when nothing is sent (P10); the ninth waits its turn."""
    together = threading.Semaphore(0)
    most = []

    def handle(connection, received):
        together.acquire(timeout=HANG_GUARD_SECONDS)
        connection.sendall(OK)

    with Loopback(handle) as server:
        threads = [threading.Thread(target=send, args=(transport, server.url)) for _ in range(12)]
        for thread in threads:
            thread.start()
        wait_for(lambda: most.append(transport.open_connections()) or len(server.received) == 8)
        for _ in threads:
            together.release()
        for thread in threads:
            thread.join(HANG_GUARD_SECONDS)
        assert len(server.received) == 12
        assert server.connections == 8
        assert max(most, default=0) <= 8
        assert transport.open_connections() == 2


def test_all_connections_in_use(transport):
    """Who gets no connection in time is not in doubt."""
    release = threading.Event()

    def handle(connection, received):
        release.wait(HANG_GUARD_SECONDS)
        connection.sendall(OK)

    with Loopback(handle) as server:
        threads = [threading.Thread(target=send, args=(transport, server.url)) for _ in range(8)]
        for thread in threads:
            thread.start()
        wait_for(lambda: len(server.received) == 8)
        error = fails(transport, server.url, timeout_seconds=0.2)
        assert not error.in_doubt
        release.set()
        for thread in threads:
            thread.join(HANG_GUARD_SECONDS)


# -- N1, N2, N3: no answer ------------------------------------------------------------------------------


def test_refused(transport):
    """Nobody listens: not in doubt."""
    error = fails(transport, f"http://127.0.0.1:{free_port()}")
    assert not error.in_doubt
    assert "refused" in str(error)


@pytest.mark.parametrize("host", ["a" * 64, "exa..mple", "[::1", ""])
def test_impossible_hosts(transport, host):
    """Names that no resolver would take: an error of ours, not in doubt."""
    assert not fails(transport, f"http://{host}").in_doubt


def test_hang(transport):
    """Accepts, reads, never answers: cut at the deadline, in doubt."""
    with Loopback(lambda connection, received: None) as server:
        assert fails(transport, server.url, timeout_seconds=0.3).in_doubt
        assert transport.open_connections() == 0


def test_unread_connection(transport):
    """The system accepts, nobody reads, the body does not fit its buffers: cut at the deadline, not in doubt."""
    stop = threading.Event()
    big = Request(path="/", body=b"x" * 2**25, content_type="t", idempotency_key="k")
    with Loopback(greet=lambda connection: stop.wait(HANG_GUARD_SECONDS)) as server:
        error = fails(transport, server.url, timeout_seconds=0.5, request=big)
        assert not error.in_doubt
        stop.set()


def test_an_answer_before_the_end_of_the_request(transport):
    """A server may refuse what it has not read: its answer counts, though the connection broke meanwhile."""
    refusal = b"HTTP/1.1 413 Too Large\r\nContent-Length: 0\r\nConnection: close\r\n\r\n"
    big = Request(path="/", body=b"x" * 2**25, content_type="t", idempotency_key="k")

    def greet(connection):
        connection.recv(100)
        connection.sendall(refusal)
        connection.shutdown(socket.SHUT_WR)
        while connection.recv(2**20):  # what is closed unread would reset the connection, and the answer with it
            pass
        return False

    with Loopback(greet=greet) as server:
        assert send(transport, server.url, request=big).status == 413
        assert transport.open_connections() == 0


def test_a_broken_request_is_not_in_doubt(transport):
    """Of less than the whole request no server can make one."""
    big = Request(path="/", body=b"x" * 2**25, content_type="t", idempotency_key="k")

    def greet(connection):
        connection.recv(100)
        return False

    with Loopback(greet=greet) as server:
        assert not fails(transport, server.url, request=big).in_doubt


def drip(*parts, every=0.02):
    """A handler that sends byte after byte, faster than any time-out of a single read."""

    def handle(connection, received):
        for byte in b"".join(parts):
            connection.sendall(bytes([byte]))
            time.sleep(every)  # what is tested is the pace itself
        return False

    return handle


@pytest.mark.parametrize(
    "parts",
    [
        (b"HTTP/1.1 200 OK\r\nX-Slow: ", b"x" * 3000),
        (b"H" * 3000,),
        (b"HTTP/1.1 100 Continue\r\n\r\n" * 200,),
    ],
    ids=["header", "status line", "interim answers"],
)
def test_drip_in_the_header(transport, parts):
    """A byte now and then is cut at the deadline over the whole exchange (N2)."""
    with Loopback(drip(*parts)) as server:
        began = time.monotonic()
        assert fails(transport, server.url, timeout_seconds=0.5).in_doubt
        assert time.monotonic() - began < 5


@pytest.mark.parametrize("framing", ["Content-Length: 3000", "Transfer-Encoding: chunked", "X: until closed"])
def test_drip_in_the_body(transport, framing):
    """Whatever the framing."""

    def handle(connection, received):
        connection.sendall(f"HTTP/1.1 200 OK\r\n{framing}\r\n\r\n".encode())
        return drip(b"1\r\nx\r\n" * 500)(connection, received)

    with Loopback(handle) as server:
        began = time.monotonic()
        assert fails(transport, server.url, timeout_seconds=0.5).in_doubt
        assert time.monotonic() - began < 5


@pytest.mark.parametrize(
    "sent",
    [
        b"",
        b"HTTP/1.1 200",
        b"HTTP/1.1 200 OK\r\nX: y\r\n",
        b"HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\nhalf",
        b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhal",
        b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nnot hexadecimal\r\n",
        b"SSH-2.0-OpenSSH_9.6\r\n",
        b"HTTP/1.1 abc OK\r\n\r\n",
        b"HTTP/1.1 99999 OK\r\n\r\n",
        b"HTTP/1.1 103 Early Hints\r\n\r\n" + OK,
        b"\x00\xff" * 100 + b"\r\n\r\n",
        b"HTTP/1.1 200 OK\r\n" + b"X: y\r\n" * 200 + b"\r\n",
        b"HTTP/1.1 200 OK\r\nX: " + b"y" * 70_000 + b"\r\n\r\n",
    ],
    ids=[
        "closed",
        "cut status",
        "cut header",
        "cut body",
        "cut chunk",
        "bad chunk",
        "ssh",
        "bad status",
        "huge status",
        "interim",
        "binary",
        "200 headers",
        "long header",
    ],
)
def test_answers_that_are_none(transport, sent):
    """Cut, or no HTTP, or more than 100 header lines: in doubt, connection closed, our own words (N3, S14)."""

    def handle(connection, received):
        connection.sendall(sent)
        return False

    with Loopback(handle) as server:
        error = fails(transport, server.url)
        assert error.in_doubt
        assert transport.open_connections() == 0
        assert "SSH" not in str(error)


def test_headers_up_to_the_limit(transport):
    """A hundred lines are no flood: 90 headers arrive."""
    with Loopback(answer("200 OK", b"", *[f"X-{n}: {n}" for n in range(90)])) as server:
        assert send(transport, server.url).headers["x-89"] == "89"


# -- answers, S9 ---------------------------------------------------------------------------------------


@pytest.mark.parametrize("framing", ["Content-Length: 1000000000", "Transfer-Encoding: chunked", "X: until closed"])
def test_huge_body(transport, framing):
    """An endless body is read up to 64 KiB, then the connection is closed."""
    sent = []

    def handle(connection, received):
        connection.sendall(f"HTTP/1.1 200 OK\r\n{framing}\r\n\r\n".encode())
        while True:
            sent.append(connection.send(b"400\r\n" + b"x" * 1024 + b"\r\n"))

    with Loopback(handle) as server:
        answered = send(transport, server.url)
        assert len(answered.body) == MAX_ANSWER_BYTES
        assert transport.open_connections() == 0


def test_chunked_body_keeps_the_connection(transport):
    """An ordinary chunked answer is read to its end."""
    raw = b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nab\r\n1\r\nc\r\n0\r\n\r\n"
    with Loopback(lambda connection, received: connection.sendall(raw)) as server:
        assert [send(transport, server.url).body for _ in range(3)] == [b"abc"] * 3
        assert server.connections == 1


def test_compressed_although_not_asked_for(transport):
    """Gzip is undone; what only says so is left as it is, and so are other encodings."""
    for body, encoding, expected in (
        (gzip.compress(b"plain"), "gzip", b"plain"),
        (b"not gzip", "gzip", b"not gzip"),
        (b"\x1f\x8b", "gzip", b""),
        (b"unknown", "br", b"unknown"),
    ):
        with Loopback(answer("200 OK", body, f"Content-Encoding: {encoding}")) as server:
            assert send(transport, server.url).body == expected


def test_gzip_bomb(transport):
    """64 KiB that would become 64 MiB become 64 KiB (S9)."""
    bomb = gzip.compress(b"\0" * 2**26)[:MAX_ANSWER_BYTES]
    with Loopback(answer("200 OK", bomb, "Content-Encoding: gzip")) as server:
        assert len(send(transport, server.url).body) == MAX_ANSWER_BYTES


def test_every_status_is_an_answer(transport):
    """What it means is the wire's business; headers have lower-case names, repeated ones are joined."""
    for status in (202, 204, 400, 413, 429, 500, 599):
        with Loopback(answer(f"{status} X", b"", "X-Two: 1", "X-TWO: 2", "Retry-After: 3")) as server:
            answered = send(transport, server.url)
        assert answered.status == status
        assert (answered.headers["x-two"], answered.headers["retry-after"]) == ("1, 2", "3")


@pytest.mark.parametrize("status", [301, 302, 303, 307, 308])
def test_redirects_are_not_followed(transport, status):
    """The target gets nothing, least of all our credentials (N8, S13)."""
    with Loopback() as target, Loopback(answer(f"{status} Moved", b"", f"Location: {target.url}/x")) as server:
        assert send(transport, server.url, headers={"Authorization": "Bearer x"}).status == status
        assert (target.connections, target.received) == (0, [])


def test_cookies_are_not_kept(transport):
    """What a server sets is never sent back (S14)."""
    with Loopback(answer("200 OK", b"", "Set-Cookie: a=b; Path=/")) as server:
        send(transport, server.url)
        send(transport, server.url)
    assert all("cookie" not in received.headers for received in server.received)


def test_netrc_is_not_read(tmp_path, monkeypatch, transport):
    """A password for the web is none for a usage server."""
    netrc = tmp_path / "netrc"
    netrc.write_text("machine 127.0.0.1 login me password secret\n")
    netrc.chmod(0o600)
    monkeypatch.setenv("NETRC", str(netrc))
    with Loopback() as server:
        send(transport, server.url)
    assert "authorization" not in server.received[0].headers


# -- TLS, N10 and S12 ---------------------------------------------------------------------------------


def test_tls_with_a_known_authority(tmp_path):
    """An extra CA file makes a private server trusted."""
    pem = certificate(tmp_path)
    transport = HttpTransport(ca_file=str(pem), environ={}, proxies=dict)
    with Loopback(tls=server_context(pem)) as server:
        assert [send(transport, server.url).body for _ in range(2)] == [b"ok", b"ok"]
        assert server.connections == 1
        transport.close()


def test_tls_with_a_bundle_from_the_environment(tmp_path):
    """`REQUESTS_CA_BUNDLE` and `SSL_CERT_FILE` are obeyed, a bundle that is not there is an error of configuration."""
    pem = certificate(tmp_path)
    with Loopback(tls=server_context(pem)) as server:
        transport = HttpTransport(environ={"REQUESTS_CA_BUNDLE": str(pem)}, proxies=dict)
        assert send(transport, server.url).status == 200
        transport.close()
        missing = HttpTransport(environ={"REQUESTS_CA_BUNDLE": str(tmp_path / "none")}, proxies=dict)
        assert isinstance(fails(missing, server.url), TlsError)


@pytest.mark.parametrize("trouble", ["self-signed", "wrong name", "old version", "not TLS"])
def test_tls_failures_halt(tmp_path, trouble):
    """Never downgraded, nothing sent, and no retry soon."""
    pem = certificate(tmp_path, name="example.org" if trouble == "wrong name" else "127.0.0.1")
    ca_file = "" if trouble == "self-signed" else str(pem)
    transport = HttpTransport(ca_file=ca_file, environ={}, proxies=dict)
    import ssl

    context = None
    if trouble != "not TLS":
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", DeprecationWarning)  # of the old version that is tested here
            context = server_context(pem, newest=ssl.TLSVersion.TLSv1_1 if trouble == "old version" else None)
    with Loopback(tls=context, greet=None if context else lambda connection: bool(connection.sendall(OK))) as server:
        error = fails(transport, f"https://127.0.0.1:{server.port}", headers={"Authorization": "canary"})
    assert isinstance(error, TlsError)
    assert not error.in_doubt
    assert server.received == []


def test_a_handshake_that_is_cut_is_a_network_fault(tmp_path):
    """Someone who hangs up, or hangs, proves nothing about certificates: back-off, not a halt."""
    transport = HttpTransport(connect_timeout_seconds=0.3, environ={}, proxies=dict)
    for greet in (lambda connection: False, lambda connection: server.stopped.wait(HANG_GUARD_SECONDS)):
        with Loopback(greet=greet) as server:
            error = fails(transport, f"https://127.0.0.1:{server.port}")
            assert not isinstance(error, TlsError)
            assert not error.in_doubt
            server.stopped.set()


# -- proxies --------------------------------------------------------------------------------------------
# 0.0.0.0 reaches loopback on Linux without being a loopback address, so no name has to be resolved.


def test_proxy_for_http():
    """The proxy gets the whole URL, the destination's Host, and its own credentials."""
    with Loopback() as proxy:
        proxies = {"http": f"http://me:secret@127.0.0.1:{proxy.port}"}
        transport = HttpTransport(environ={}, proxies=lambda: proxies)
        assert send(transport, "http://0.0.0.0:9/base").status == 200
        transport.close()
    (received,) = proxy.received
    assert received.line == "POST http://0.0.0.0:9/base/api/thing?wait=true HTTP/1.1"
    assert received.headers["host"] == "0.0.0.0:9"
    assert received.headers["proxy-authorization"] == "Basic bWU6c2VjcmV0"


def test_no_proxy_goes_direct():
    """`NO_PROXY` exempts."""
    with Loopback() as server, Loopback() as proxy:
        proxies = {"http": f"http://127.0.0.1:{proxy.port}", "no": "0.0.0.0"}
        transport = HttpTransport(environ={}, proxies=lambda: proxies)
        assert send(transport, f"http://0.0.0.0:{server.port}").status == 200
        transport.close()
        assert len(server.received) == 1
        assert proxy.connections == 0


def test_proxies_of_the_environment(monkeypatch):
    """By default the variables are read as `requests` reads them."""
    with Loopback() as proxy:
        for name in ("HTTP_PROXY", "ALL_PROXY", "NO_PROXY", "no_proxy", "all_proxy", "REQUEST_METHOD"):
            monkeypatch.delenv(name, raising=False)
        monkeypatch.setenv("http_proxy", f"http://127.0.0.1:{proxy.port}")
        transport = HttpTransport()
        send(transport, "http://0.0.0.0:9")
        transport.close()
    assert len(proxy.received) == 1


def test_https_through_a_proxy(tmp_path):
    """CONNECT, with the proxy's credentials; the destination's go through the tunnel only."""
    pem = certificate(tmp_path, name="0.0.0.0")

    def tunnel(connection, received):
        connection.sendall(b"HTTP/1.1 200 Connection established\r\n\r\n")
        with socket.create_connection(("127.0.0.1", server.port)) as onward:
            back = threading.Thread(target=pump, args=(onward, connection))
            back.start()
            pump(connection, onward)
            back.join(HANG_GUARD_SECONDS)
        return False

    def pump(source, target):
        try:
            while data := source.recv(65536):
                target.sendall(data)
            target.shutdown(socket.SHUT_WR)
        except OSError:
            pass

    with Loopback(tls=server_context(pem)) as server, Loopback(tunnel) as proxy:
        proxies = {"https": f"http://me:secret@127.0.0.1:{proxy.port}"}
        transport = HttpTransport(ca_file=str(pem), environ={}, proxies=lambda: proxies)
        answered = send(transport, f"https://0.0.0.0:{server.port}", headers={"Authorization": "inner"})
        assert answered.body == b"ok"
        transport.close()
    assert proxy.received[0].line.startswith(f"CONNECT 0.0.0.0:{server.port} HTTP/1.")
    assert proxy.received[0].headers["proxy-authorization"] == "Basic bWU6c2VjcmV0"
    assert "authorization" not in proxy.received[0].headers
    assert "proxy-authorization" not in server.received[0].headers
    assert server.received[0].headers["authorization"] == "inner"


def test_proxy_that_refuses(tmp_path):
    """407 for the CONNECT: nothing was sent, and the proxy's words are not repeated."""
    with Loopback(answer("407 canary", b"")) as proxy:
        transport = HttpTransport(environ={}, proxies=lambda: {"https": f"http://127.0.0.1:{proxy.port}"})
        error = fails(transport, "https://0.0.0.0:9")
    assert not error.in_doubt
    assert not isinstance(error, TlsError)
    assert "canary" not in str(error)


# -- guests in a host program ------------------------------------------------------------------------


def test_secrets_are_in_no_traceback(transport):
    """Not even in one that prints local variables (S3)."""
    with Loopback(lambda connection, received: False) as server:
        error = fails(transport, server.url, headers=Headers({"Authorization": "canary-91"}))
    shown = "".join(traceback.TracebackException.from_exception(error, capture_locals=True).format())
    assert "canary-91" not in shown
    assert error.__context__ is None
    assert "***" in shown


def test_writes_nothing_to_the_hosts_logs(transport, caplog):
    """No record a request, even with everything at DEBUG (P6)."""
    odd = b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\nTransfer-Encoding: chunked\r\nno header\r\n\r\n0\r\n\r\n"
    with caplog.at_level(logging.DEBUG):
        with Loopback() as server:
            send(transport, server.url)
            send(transport, server.url)
        with Loopback(lambda connection, received: connection.sendall(odd)) as server:
            send(transport, server.url)
        fails(transport, server.url)
    assert caplog.records == []


def test_the_hosts_own_requests_are_logged_as_ever(transport, caplog):
    """Only ours are silent: urllib3 belongs to the host as well."""
    import urllib3

    with Loopback() as server:
        send(transport, server.url)
        with caplog.at_level(logging.DEBUG, "urllib3"), urllib3.PoolManager() as manager:
            manager.request("GET", server.url)
            manager.connection_from_url(server.url).close()
    assert caplog.records != []


def test_instrumented_clients_see_nothing(transport):
    """With HTTP clients instrumented and a span current: no span about us, no `traceparent` to the server."""
    from opentelemetry.instrumentation.requests import RequestsInstrumentor
    from opentelemetry.sdk.trace import TracerProvider
    from opentelemetry.sdk.trace.export import SimpleSpanProcessor
    from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter

    exporter, provider = InMemorySpanExporter(), TracerProvider()
    provider.add_span_processor(SimpleSpanProcessor(exporter))
    RequestsInstrumentor().instrument(tracer_provider=provider)
    try:
        with Loopback() as server, provider.get_tracer("host").start_as_current_span("host"):
            send(transport, server.url)
    finally:
        RequestsInstrumentor().uninstrument()
        provider.shutdown()
    assert [span.name for span in exporter.get_finished_spans()] == ["host"]
    assert "traceparent" not in server.received[0].headers


def test_instrumentation_is_suppressed_while_sending(transport):
    """Whatever instruments sockets or HTTP below us can see that it should not."""
    from opentelemetry.instrumentation.utils import is_instrumentation_enabled

    seen = []

    class Spy(Mapping):
        def __len__(self):
            return 1

        def __iter__(self):
            seen.append(is_instrumentation_enabled())
            return iter(["X"])

        def __getitem__(self, name):
            return "y"

    with Loopback() as server:
        send(transport, server.url, headers=Spy())
    assert seen
    assert not any(seen)
    assert is_instrumentation_enabled()


def test_a_fork_child_has_its_own_connections(transport):
    """Parent and child never share a connection, and the parent's goes on working."""
    with Loopback() as server:
        send(transport, server.url)
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", DeprecationWarning)  # of forking with threads, which is the point here
            child = os.fork()
        if child == 0:
            status = 1
            try:
                status = 0 if send(transport, server.url).body == b"ok" and transport.open_connections() == 1 else 2
            finally:
                os._exit(status)
        assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 0
        assert send(transport, server.url).body == b"ok"
        assert server.connections == 2


def test_a_fork_in_the_middle_of_an_exchange(transport):
    """A lock of the pool that another thread held is no obstacle for the child."""
    with Loopback() as server:
        send(transport, server.url)
        (way,) = transport._servers.values()
        with warnings.catch_warnings(), way._pool._freed:
            warnings.simplefilter("ignore", DeprecationWarning)
            child = os.fork()
            if child == 0:
                signal.alarm(HANG_GUARD_SECONDS)
                status = 1
                try:
                    status = 0 if send(transport, server.url).body == b"ok" else 2
                finally:
                    os._exit(status)
        assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 0
        assert send(transport, server.url).body == b"ok"
        assert server.connections == 2


def test_importing_costs_no_http_client():
    """Telemetry, certificates and `requests` are loaded at the first send, not before."""
    import subprocess
    import sys

    code = (
        "import sys, footfall.courier.transport\n"
        "heavy = 'requests', 'urllib3', 'certifi', 'opentelemetry.instrumentation', 'sqlite3'\n"
        "print([name for name in heavy if name in sys.modules])"
    )
    ended = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=60, check=True)
    assert ended.stdout.strip() == "[]"
