"""S9, S12, S13 and S14: the other side proves who it is, leads nowhere else, and costs no more than we allow."""

from __future__ import annotations

import gzip
import ssl
import subprocess
import time
import tracemalloc
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import requests

import footfall
from footfall import destination
from footfall.courier import answer as answers
from footfall.courier import backoff, dial, exchange, plan, route, transport
from footfall.courier.answer import MAX_ANSWER_BYTES
from footfall.courier.route import TlsError
from footfall.courier.transport import HttpTransport
from footfall.errors import ConfigurationError, TransportError
from footfall.wire import destinations
from footfall.wire.base import Action, Request, Response, Verdict
from tests.courier.courierhelp import OK, Loopback, answer, certificate, server_context
from tests.security.rules import refused, rule, without

REQUEST = Request(path="/x", body=b"{}", content_type="application/json", idempotency_key="k")
TOKEN = {"Authorization": "Bearer canary", "X-Own-Token": "canary"}


@contextmanager
def way(**options: Any) -> Iterator[HttpTransport]:
    it = HttpTransport(environ={}, proxies=dict, **options)
    try:
        yield it
    finally:
        it.close()


def send(it: HttpTransport, url: str, seconds: float = 10.0) -> Response:
    return it.send(REQUEST, base_url=url, headers=TOKEN, timeout_seconds=seconds)


# -- S12 -----------------------------------------------------------------------------------------------------------


def expired(folder: Path) -> Path:
    """A certificate that ended years ago; `openssl req` makes none with dates of the past."""
    folder.mkdir(exist_ok=True)
    (folder / "ca.cnf").write_text(
        "[ca]\ndefault_ca=d\n[d]\ndatabase=index\nnew_certs_dir=.\nserial=serial\ndefault_md=sha256\npolicy=p\n"
        "x509_extensions=x\n[p]\ncommonName=supplied\n[x]\nsubjectAltName=IP:127.0.0.1\nbasicConstraints=CA:TRUE\n"
    )
    (folder / "index").write_text("")
    key = ("-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes", "-keyout", "key.pem")
    for command in (
        ["openssl", "req", "-new", *key, "-out", "request.pem", "-subj", "/CN=127.0.0.1"],
        [
            *("openssl", "ca", "-batch", "-config", "ca.cnf", "-selfsign", "-keyfile", "key.pem", "-in", "request.pem"),
            *("-startdate", "20200101000000Z", "-enddate", "20200201000000Z", "-rand_serial", "-notext"),
            *("-out", "c.pem"),
        ],
    ):  # fmt: skip
        subprocess.run(command, cwd=folder, check=True, capture_output=True, timeout=60)
    both = folder / "both.pem"
    both.write_bytes((folder / "key.pem").read_bytes() + (folder / "c.pem").read_bytes())
    return both


def trusting(*, ca_file: str, environ: Any) -> ssl.SSLContext:
    return ssl._create_unverified_context()


def without_names(*, ca_file: str, environ: Any) -> ssl.SSLContext:
    context = route_context(ca_file=ca_file, environ=environ)
    context.check_hostname = False
    return context


def of_old(*, ca_file: str, environ: Any) -> ssl.SSLContext:
    context = route_context(ca_file=ca_file, environ=environ)
    context.set_ciphers("ALL:@SECLEVEL=0")
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", DeprecationWarning)
        context.minimum_version = ssl.TLSVersion.TLSv1
    return context


route_context = route.tls_context


@rule(
    without(transport, "tls_context", trusting),
    without(transport, "tls_context", without_names),
    without(transport, "tls_context", of_old),
)
def test_a_server_proves_who_it_is(tmp_path: Path) -> None:
    """Self-signed, expired, for another name, of an old version: nothing is sent, and nothing less is tried."""
    good, other = certificate(tmp_path), certificate(tmp_path, name="example.org")
    stale = expired(tmp_path / "expired")
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", DeprecationWarning)  # of the old version that is tested here
        old = server_context(good, newest=ssl.TLSVersion.TLSv1_1)
    cases = {
        "self-signed": (server_context(good), ""),
        "expired": (server_context(stale), str(stale)),
        "wrong name": (server_context(other), str(other)),
        "old version": (old, str(good)),
    }
    for name, (context, ca_file) in cases.items():
        with Loopback(tls=context) as server, way(ca_file=ca_file) as it:
            error = refused(TransportError, send, it, server.url)
            assert isinstance(error, TlsError), f"{name}: {error}"
            assert server.received == [], name
    with Loopback(tls=server_context(good)) as server, way(ca_file=str(good)) as it:
        assert send(it, server.url).status == 200


@rule(
    without(destination, "is_loopback", lambda _: True),
    without(destinations, "check", lambda each: each),
)
def test_plain_http_leaves_the_machine_only_on_request() -> None:
    """`insecure=True` says so for one destination; nothing else does."""
    for make in (footfall.Access, footfall.Migas, footfall.Otlp):
        for host in ("example.org", "198.51.100.7", "127.0.0.1.example.org", "localhost.example.org", "[2001:db8::1]"):
            refused(ConfigurationError, make, f"http://{host}")
        assert make("http://127.0.0.1:1").endpoint
        assert make("http://example.org", insecure=True).insecure


SWITCHES = ("PYTHONHTTPSVERIFY", "CURL_INSECURE", "SSL_VERIFY", "FOOTFALL_INSECURE", "NODE_TLS_REJECT_UNAUTHORIZED")


def obliging(*, ca_file: str, environ: Any) -> ssl.SSLContext:
    context = route_context(ca_file=ca_file, environ=environ)
    return trusting(ca_file="", environ={}) if "0" in environ.values() else context


@rule(without(transport, "tls_context", obliging))
def test_no_switch_turns_verification_off(tmp_path: Path) -> None:
    """Not one of those that other programs have."""
    pem = certificate(tmp_path)
    with Loopback(tls=server_context(pem)) as server:
        it = HttpTransport(environ=dict.fromkeys(SWITCHES, "0"), proxies=dict)
        try:
            assert isinstance(refused(TransportError, send, it, server.url), TlsError)
        finally:
            it.close()


@rule(without(route, "bypassed", lambda *_: False), without(transport, "proxy_for", lambda server, _: None))
def test_proxies_are_used_and_exempted_as_the_user_says() -> None:
    """`NO_PROXY` goes direct; otherwise a proxy is never gone around."""
    with Loopback() as server, Loopback() as proxy:
        # 0.0.0.0 reaches loopback on Linux and is no loopback address, so no name has to be resolved.
        url, through = f"http://0.0.0.0:{server.port}", f"http://127.0.0.1:{proxy.port}"
        for exempt, (direct, proxied) in {"0.0.0.0": (1, 0), "example.org": (1, 1)}.items():
            it = HttpTransport(environ={}, proxies=lambda exempt=exempt: {"http": through, "no": exempt})
            send(it, url)
            it.close()
            assert (len(server.received), len(proxy.received)) == (direct, proxied), exempt


# -- S13 -----------------------------------------------------------------------------------------------------------


def as_a_library_does(
    self: exchange.Server, method: str, url: str, body: bytes, headers: Any, *, ends_at: float
) -> Response:
    """The stand-in: what an HTTP library does when nobody tells it not to."""
    said = {name: value for group in headers for name, value in group.items()}
    with requests.Session() as session:
        session.cookies.update(jar)
        got = session.request(method, url, data=body, headers=said, timeout=10)
        jar.update(session.cookies.get_dict())
    return Response(status=got.status_code, headers={}, body=got.content)


jar: dict[str, str] = {}


@rule(without(exchange.Server, "send", as_a_library_does))
def test_a_redirect_leads_nowhere() -> None:
    """301, 302, 303, 307, 308 to another port: no request there, and one to the server that said so."""
    for status in (301, 302, 303, 307, 308):
        with Loopback() as target, way() as it:
            with Loopback(answer(f"{status} Moved", b"", f"Location: {target.url}/x", "Connection: close")) as server:
                try:
                    assert send(it, server.url).status == status
                except TransportError as error:  # of the stand-in's second try
                    raise AssertionError(str(error)) from error
                assert len(server.received) == 1
            assert (target.connections, target.received) == (0, [])


# -- S9 and S14 ----------------------------------------------------------------------------------------------------


@rule(without(answers, "MAX_ANSWER_BYTES", 2**26, without(answers, "MAX_HEARD_BYTES", 2**27)))
def test_an_answer_is_read_to_64_kib() -> None:
    """A body of 4 MiB, whole or in chunks, is cut there and its connection closed."""
    large = b"x" * 2**22
    chunked = b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n400000\r\n" + large + b"\r\n0\r\n\r\n"
    for handle in (answer("200 OK", large), lambda connection, received: connection.sendall(chunked)):
        with way() as it, Loopback(handle) as server:
            assert len(send(it, server.url).body) == MAX_ANSWER_BYTES
            assert it.open_connections() == 0


def unpacked_whole(raw: bytes, encoding: str) -> bytes:
    return gzip.decompress(raw) if encoding else raw


@rule(without(exchange, "decoded", unpacked_whole))
def test_a_compressed_answer_stays_small() -> None:
    """32 MiB in a small gzip body: 64 KiB of it, and less than 8 MiB of memory on the way."""
    bomb = gzip.compress(b"\0" * 2**25)
    with way() as it, Loopback(answer("200 OK", bomb, "Content-Encoding: gzip")) as server:
        send(it, server.url)
        tracemalloc.start()
        try:
            answered = send(it, server.url)
            peak = tracemalloc.get_traced_memory()[1]
        finally:
            tracemalloc.stop()
    assert len(answered.body) == MAX_ANSWER_BYTES
    assert peak < 8 * 2**20


def unhurried(self: Any) -> float:
    return 5.0


@rule(without(dial.Bounds, "left_seconds", unhurried))
def test_a_dripping_answer_is_cut() -> None:
    """Byte after byte, each faster than any time-out of one read: the exchange as a whole has an end."""

    def drip(connection: Any, received: Any) -> bool:
        connection.sendall(b"HTTP/1.1 200 OK\r\nContent-Length: 60\r\n\r\n")
        for _ in range(60):
            connection.sendall(b"x")
            time.sleep(0.02)  # the pace is what is tested: 1.2 s in all
        return False

    with way() as it, Loopback(drip) as server:
        assert refused(TransportError, lambda: send(it, server.url, 0.4)).in_doubt  # type: ignore[attr-defined]


@rule(without(answers, "MAX_HEADER_LINES", 10**6))
def test_headers_without_end_are_no_answer() -> None:
    """More than 100 lines are none."""
    flood = answer("200 OK", b"", *[f"X-{number}: x" for number in range(1000)])
    with way() as it, Loopback(flood) as server:
        refused(TransportError, send, it, server.url)


def patient(receive: answers.Receive, *, method: str) -> answers.Answer:
    """The stand-in: passes over whatever is not final."""
    heard = bytearray()

    def final() -> bytes:
        while heard.startswith(b"HTTP/1.1 103") or not heard:
            heard.extend(receive())
            while heard.startswith(b"HTTP/1.1 103") and b"\r\n\r\n" in heard:
                del heard[: heard.index(b"\r\n\r\n") + 4]
        piece = bytes(heard)
        heard.clear()
        return piece

    return answers.read_answer(final, method=method)


@rule(without(exchange, "read_answer", patient))
def test_interim_answers_are_no_answer() -> None:
    """A flood of 103s, with a 200 far behind, is not waited through."""
    raw = b"HTTP/1.1 103 Early Hints\r\nLink: x\r\n\r\n" * 50 + OK
    with way() as it, Loopback(lambda connection, received: connection.sendall(raw)) as server:
        refused(TransportError, send, it, server.url)


@rule(without(exchange.Server, "send", as_a_library_does))
def test_cookies_are_forgotten() -> None:
    """What a server sets is never sent back, so it cannot tell one user from another by it."""
    jar.clear()
    with way() as it, Loopback(answer("200 OK", b"", "Set-Cookie: id=canary; Path=/")) as server:
        send(it, server.url)
        send(it, server.url)
    assert all("cookie" not in received.headers for received in server.received)


@rule(
    without(backoff, "RETRY_AFTER_CAP_SECONDS", 1e12, without(plan, "RETRY_AFTER_CAP_SECONDS", 1e12)),
)
def test_no_server_silences_us_for_more_than_a_day() -> None:
    """`Retry-After: 1e9` and its relatives, from a 429, a 503 and a 401, in seconds and as a date."""
    for wish in ("1000000000", "9" * 400, "1e9", "Fri, 31 Dec 9999 23:59:59 GMT", "86401.5"):
        for verdict in (Verdict(action=Action.RETRY), Verdict(action=Action.HALT)):
            found = plan.after_answer(
                verdict, Response(status=429, headers={"retry-after": wish}, body=b""),
                attempt=1, halts=0, now_ns=0, random=lambda: 0.0,
            )  # fmt: skip
            assert max(found.pause_seconds, found.retry_seconds) <= 86400, wish
