"""OTLP over gRPC: what grpcio's own server hears, what its answers mean, and the same bounds as over HTTP."""

from __future__ import annotations

import contextlib
import subprocess
import sys
import threading
import time
from pathlib import Path
from typing import Any

import pytest
from courierhelp import OK, Loopback, certificate, free_port
from h2.config import H2Configuration
from h2.connection import H2Connection
from h2.errors import ErrorCodes
from h2.events import RequestReceived, StreamEnded
from hyperframe.frame import GoAwayFrame
from tests.grpc_receiver import Receiver

from footfall.courier.route import TlsError
from footfall.courier.transport import HttpTransport
from footfall.errors import ConfigurationError, TransportError
from footfall.usage import Kind, Usage
from footfall.wire.base import Action, Request, Response
from footfall.wire.destinations import Otlp
from footfall.wire.otlp import OtlpWire

GUARD_SECONDS = 60.0
GRPC = (":status", "200"), ("content-type", "application/grpc")


def usage(number: int, kind: Kind = Kind.END, **fields: Any) -> Usage:
    ids = {"trace_id": f"{number:032x}", "span_id": f"{number:016x}"}
    return Usage(project="demo/lib", name=f"lib:f{number}", kind=kind, time_ns=time.time_ns(), **ids, **fields)


def request(*usages: Usage, **options: Any) -> Request:
    (found,) = OtlpWire(protocol="grpc", **options).translate(usages or (usage(1),))
    return found


def client(**options: Any) -> HttpTransport:
    return HttpTransport(environ={}, proxies=dict, **options)


@contextlib.contextmanager
def transport(**options: Any):
    made = client(**options)
    yield made
    made.close()
    assert made.open_connections() == 0


def send(through: HttpTransport, url: str, what: Request | None = None, *, seconds: float = 20.0, **headers: str):
    return through.send(what or request(), base_url=url, headers=headers, timeout_seconds=seconds)


def fails(through: HttpTransport, url: str, what: Request | None = None, **options: Any) -> TransportError:
    with pytest.raises(TransportError) as caught:
        send(through, url, what, **options)
    return caught.value


def speaking_h2(*answers: Any, seen: list[dict[str, str]] | None = None, tunnel: bool = False) -> Any:
    """What a `Loopback` does with a connection: one of *answers* for each call, the last one for all further."""
    left = list(answers)

    def converse(raw: Any) -> bool:
        if tunnel:
            head = b""
            while not head.endswith(b"\r\n\r\n"):
                head += raw.recv(1)
            if seen is not None:
                seen.append({"tunnel": head.decode()})
            raw.sendall(b"HTTP/1.1 200 Connection established\r\n\r\n")
        connection = H2Connection(H2Configuration(client_side=False, header_encoding="latin-1"))
        connection.initiate_connection()
        raw.sendall(connection.data_to_send())
        with contextlib.suppress(OSError):
            while data := raw.recv(65536):
                for event in connection.receive_data(data):
                    if isinstance(event, RequestReceived) and seen is not None:
                        seen.append(dict(event.headers))
                    if isinstance(event, StreamEnded):
                        answer = left.pop(0) if len(left) > 1 else left[0]
                        if answer(connection, event.stream_id, raw) is False:
                            return False
                raw.sendall(connection.data_to_send())
        return False

    return converse


def saying(*trailers: tuple[str, str], headers: Any = GRPC, body: bytes = b"\0\0\0\0\0") -> Any:
    def answer(connection: H2Connection, stream: int, raw: Any) -> None:
        connection.send_headers(stream, headers)
        for start in range(0, len(body), 16384):
            connection.send_data(stream, body[start : start + 16384])
        connection.send_headers(stream, trailers or (("grpc-status", "0"),), end_stream=True)

    return answer


# -- the call ---------------------------------------------------------------------------------------------


def test_spans_and_events_arrive_with_credentials_as_metadata_over_one_connection(tmp_path: Path) -> None:
    """Compressed or not, small or beyond HTTP/2's first windows; the idempotency key travels along."""
    with Receiver(tmp_path / "receiver") as receiver, transport() as through:
        spans = request(*(usage(number) for number in range(1, 6)))
        assert send(through, receiver.url, spans, Authorization="Bearer canary").status == 200
        event = request(usage(6, Kind.EVENT), compression="none")
        assert send(through, receiver.url, event).status == 200
        many = [usage(number, arguments={"text": "x" * 900}) for number in range(1000)]
        large = OtlpWire(protocol="grpc", compression="none").translate(many)[0]
        assert len(large.body) > 900_000
        answer = send(through, receiver.url, large)
        assert OtlpWire(protocol="grpc").judge(answer).action is Action.DELIVERED
        assert through.open_connections() == 1
    first, second, third = receiver.calls()
    assert first.names == [f"lib:f{number}" for number in range(1, 6)]
    assert first.metadata["authorization"] == "Bearer canary"
    assert first.metadata["idempotency-key"] == spans.idempotency_key
    assert first.metadata["user-agent"] == "footfall/0"
    assert (second.service, second.names) == ("logs", ["lib:f6"])
    assert len(third.names) == large.records


ANSWERS: list[tuple[int, str, float | None, int, Action]] = [
    (3, "", None, 400, Action.DROP),
    (5, "", None, 404, Action.DROP),
    (7, "", None, 403, Action.HALT),
    (8, "queue is full", None, 507, Action.DROP),
    (8, "queue is full", 1.5, 429, Action.RETRY),
    (8, "grpc: received message larger than max (5000000 vs. 4194304)", None, 413, Action.SPLIT),
    (8, "gRPC message exceeds maximum size 4194304: 5000000", None, 413, Action.SPLIT),
    (9, "", None, 400, Action.DROP),
    (10, "", None, 503, Action.RETRY),
    (11, "", None, 503, Action.RETRY),
    (12, "", None, 404, Action.DROP),
    (13, "", None, 500, Action.DROP),
    (14, "", None, 503, Action.RETRY),
    (14, "", 3.0, 503, Action.RETRY),
    (15, "", None, 503, Action.RETRY),
    (16, "", None, 401, Action.HALT),
]


def test_what_each_status_means(tmp_path: Path) -> None:
    """As the OTLP specification has it ("OTLP/gRPC Response"); a wish to wait becomes ``Retry-After``."""
    answers = [[code, text, wait] for code, text, wait, _, _ in ANSWERS]
    wire = OtlpWire(protocol="grpc")
    answers += [[4, "", None], [1, "", None]]
    with Receiver(tmp_path / "receiver", answers=answers) as receiver, transport() as through:
        for code, text, wait, status, action in ANSWERS:
            answer = send(through, receiver.url)
            assert (code, text, answer.status, wire.judge(answer).action) == (code, text, status, action)
            expected = {1.5: "2", 3.0: "3", None: None}[wait]
            assert answer.headers.get("retry-after") == expected
        for _ in range(2):  # somebody gave up waiting: nobody knows what became of the call
            assert fails(through, receiver.url).in_doubt


def test_a_call_that_was_too_large_is_split_into_calls() -> None:
    """Halves are whole messages for the same service, and together say the same."""
    wire = OtlpWire(protocol="grpc")
    whole = request(*(usage(number) for number in range(1, 6)))
    halves = wire.split(whole)
    assert [half.records for half in halves] == [2, 3]
    assert {half.path for half in halves} == {whole.path}
    for half in halves:
        assert half.body[0] == 1
        assert int.from_bytes(half.body[1:5], "big") == len(half.body) - 5
    assert wire.split(wire.split(halves[0])[0]) == []


def test_the_deadline_covers_the_whole_call_and_the_server_hears_of_it(tmp_path: Path) -> None:
    """A server that never answers, and one that says a little all the time, hold nobody beyond it (N2)."""
    with Receiver(tmp_path / "receiver", answers=[[-1, "", None]]) as receiver, transport() as through:
        assert fails(through, receiver.url, seconds=0.5).in_doubt
        assert send(through, receiver.url).status == 200

    def drip(connection: H2Connection, stream: int, raw: Any) -> None:
        for _ in range(600):
            connection.ping(b"12345678")
            raw.sendall(connection.data_to_send())
            time.sleep(0.05)

    seen: list[dict[str, str]] = []
    with Loopback(greet=speaking_h2(drip, seen=seen)) as server, transport() as through:
        assert fails(through, server.url, seconds=0.5).in_doubt
    assert int(seen[0]["grpc-timeout"].removesuffix("m")) <= 500
    assert seen[0]["te"] == "trailers"


def cut(connection: H2Connection, stream: int, raw: Any) -> bool:
    connection.send_headers(stream, GRPC)
    raw.sendall(connection.data_to_send())
    return False


def refuse(connection: H2Connection, stream: int, raw: Any) -> None:
    connection.reset_stream(stream, ErrorCodes.REFUSED_STREAM)


def reset(connection: H2Connection, stream: int, raw: Any) -> None:
    connection.reset_stream(stream, ErrorCodes.INTERNAL_ERROR)


def go_away(connection: H2Connection, stream: int, raw: Any) -> bool:
    connection.close_connection(last_stream_id=0)
    raw.sendall(connection.data_to_send())
    return False


def go_away_after_this(connection: H2Connection, stream: int, raw: Any) -> None:
    frame = GoAwayFrame(0)
    frame.last_stream_id = 2**31 - 1
    raw.sendall(frame.serialize())
    saying()(connection, stream, raw)


def endless(connection: H2Connection, stream: int, raw: Any) -> bool:
    connection.send_headers(stream, GRPC)
    while data := raw.recv(65536):
        connection.receive_data(data)
        while room := min(connection.local_flow_control_window(stream), 16384):
            connection.send_data(stream, b"x" * room)
        raw.sendall(connection.data_to_send())
    return False


@pytest.mark.parametrize(
    ("answer", "in_doubt"),
    [
        (cut, True),
        (reset, True),
        (refuse, False),
        (go_away, False),
        (saying(("grpc-status", "never")), True),
        (saying(headers=((":status", "200"), ("content-type", "text/html")), body=b"<p>Log in"), True),
        (endless, True),
    ],
    ids=["cut", "reset", "refused", "going away", "no status", "portal", "too large"],
)
def test_no_usable_answer(answer: Any, in_doubt: bool) -> None:
    """In doubt unless HTTP/2 says that nobody looked at it; the next call gets a connection that works."""
    with Loopback(greet=speaking_h2(answer, saying())) as server, transport() as through:
        assert fails(through, server.url).in_doubt is in_doubt
        assert send(through, server.url).status == 200


@pytest.mark.parametrize("status", ["301", "401", "429", "503"])
def test_somebody_on_the_way_answers_in_http(status: str) -> None:
    """A proxy or balancer that knows no gRPC is judged by its status."""
    said = saying(headers=((":status", status), ("content-type", "text/plain")), body=b"no")
    with Loopback(greet=speaking_h2(said)) as server, transport() as through:
        answer = send(through, server.url)
    assert OtlpWire(protocol="grpc").judge(answer) == OtlpWire().judge(Response(status=int(status)))


def test_details_that_are_nonsense_are_no_wish() -> None:
    """What a hostile server writes into binary trailers raises nothing."""
    for text in ("%%%", "AAAA", "CAg", "gICAgICAgICAgAE"):
        said = saying(("grpc-status", "14"), ("grpc-status-details-bin", text))
        with Loopback(greet=speaking_h2(said)) as server, transport() as through:
            answer = send(through, server.url)
        assert (answer.status, answer.headers.get("retry-after")) == (503, None)


def test_a_server_that_speaks_no_http2() -> None:
    """It gets no credentials said twice, and we say what happened."""
    with Loopback(greet=lambda raw: bool(raw.sendall(OK))) as server, transport() as through:
        fails(through, server.url)
    with transport() as through:
        assert not fails(through, f"http://127.0.0.1:{free_port()}").in_doubt


def test_a_connection_that_the_server_closed_is_not_used_again() -> None:
    """While it rested, the other side went away: the next call makes its own connection, without an error."""

    def once(connection: H2Connection, stream: int, raw: Any) -> bool:
        saying()(connection, stream, raw)
        raw.sendall(connection.data_to_send())
        return False

    with Loopback(greet=speaking_h2(once)) as server, transport() as through:
        for _ in range(3):
            assert send(through, server.url).status == 200
            limit = time.monotonic() + GUARD_SECONDS
            while server.closed < server.connections:
                assert time.monotonic() < limit
                time.sleep(0.005)
        assert server.connections == 3


def test_a_server_that_ends_connections_of_some_age_still_answers() -> None:
    """It says that no further call is taken, and answers this one, which would else be in doubt; we connect anew."""
    with Loopback(greet=speaking_h2(go_away_after_this)) as server, transport() as through:
        assert [send(through, server.url).status for _ in range(2)] == [200, 200]
        assert server.connections == 2


def test_calls_at_once_and_few_connections_afterwards(tmp_path: Path) -> None:
    """Eight at a time; two connections stay (P10)."""
    with Receiver(tmp_path / "receiver") as receiver, transport() as through:
        threads = [threading.Thread(target=send, args=(through, receiver.url)) for _ in range(8)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join(GUARD_SECONDS)
        assert len(receiver.calls()) == 8
        assert through.open_connections() <= 2


# -- ways and trust -------------------------------------------------------------------------------------------


def test_tls_as_over_http(tmp_path: Path) -> None:
    """Verified always: an unknown authority gets nothing, a CA file or bundle makes it known; HTTP/2 is agreed upon."""
    pem = certificate(tmp_path)
    with Receiver(tmp_path / "receiver", tls=pem) as receiver:
        with transport() as through:
            assert isinstance(fails(through, receiver.url), TlsError)
        other = receiver.url.replace("127.0.0.1", "localhost")
        with transport(ca_file=str(pem)) as through:
            assert isinstance(fails(through, other), TlsError)  # the name is another
            assert send(through, receiver.url).status == 200
    assert len(receiver.calls()) == 1


def test_a_proxy_is_asked_for_a_tunnel() -> None:
    """With its own credentials, which the server does not see; loopback is reached without."""
    seen: list[dict[str, str]] = []
    with Loopback(greet=speaking_h2(saying(), seen=seen, tunnel=True)) as proxy:
        proxies = {"http": f"http://me:secret@127.0.0.1:{proxy.port}"}
        through = HttpTransport(environ={}, proxies=lambda: proxies)
        assert send(through, "http://usage.test:4317").status == 200
        through.close()
    tunnel, call = seen
    assert tunnel["tunnel"].startswith("CONNECT usage.test:4317 HTTP/1.")
    assert "Basic bWU6c2VjcmV0" in tunnel["tunnel"]
    assert call[":authority"] == "usage.test:4317"
    assert "secret" not in str(call)
    assert "proxy-authorization" not in call


def test_grpc_and_http_to_one_server_have_connections_of_their_own(tmp_path: Path) -> None:
    """The content type decides, not the place."""
    with Loopback() as server, transport() as through:
        (plain,) = OtlpWire().translate([usage(1)])
        assert send(through, server.url, plain).body == b"ok"
        fails(through, server.url)
        assert send(through, server.url, plain).body == b"ok"


# -- what is not there, forks ------------------------------------------------------------------------------------


def test_protocol_is_an_option_of_the_destination() -> None:
    """Written down only where it is not the default; a misspelt one names the two."""
    assert Otlp("http://localhost:4317", protocol="grpc").options == {"protocol": "grpc"}
    assert Otlp("http://localhost:4318", protocol="http").options == {}
    with pytest.raises(ConfigurationError, match="'http' or 'grpc'"):
        Otlp("http://localhost:4317", protocol="grcp")  # type: ignore[arg-type]
    with pytest.raises(ConfigurationError, match="'http' or 'grpc'"):
        OtlpWire(protocol="grcp")  # type: ignore[arg-type]


WITHOUT_H2 = """
import sys
sys.modules["h2"] = sys.modules["h2.config"] = None
from footfall.courier.transport import HttpTransport
from footfall.errors import NotOfferedError, TransportError
from footfall.wire.base import Request
from footfall.wire.destinations import Otlp
try:
    Otlp("http://localhost:4317", protocol="grpc")
except NotOfferedError as error:
    print(error)
call = Request(path="/x", body=b"", content_type="application/grpc+proto", idempotency_key="1")
try:
    HttpTransport().send(call, base_url="http://localhost:1", headers={}, timeout_seconds=1)
except TransportError as error:
    print(error.in_doubt, error)
"""


def test_without_the_extra_we_say_what_to_install() -> None:
    """To whoever configures; and where records of others are to be delivered, they are kept for later."""
    done = subprocess.run(
        [sys.executable, "-W", "error", "-c", WITHOUT_H2], capture_output=True, text=True, timeout=60, check=True
    )
    first, second = done.stdout.splitlines()
    assert "pip install footfall[otlp]" in first
    assert second.startswith("False ")
    assert "pip install footfall[otlp]" in second


FORKING = """
import os, sys, threading
from tests.courier.test_grpc import client, request, send
url, rounds = sys.argv[1], int(sys.argv[2])
through, call, stop = client(), request(), threading.Event()
send(through, url, call)  # what is imported on the way is imported then; see `Background.loading`

def deliver():
    while not stop.is_set():
        assert send(through, url, call).status == 200

delivering = threading.Thread(target=deliver)
delivering.start()
for _ in range(rounds):
    child = os.fork()
    if child == 0:  # a worker that delivers, too
        assert through.open_connections() == 0
        os._exit(0 if send(through, url, call).status == 200 else 1)
    assert os.waitpid(child, 0)[1] == 0
stop.set()
delivering.join()
through.close()
"""


def test_forks_while_a_call_is_under_way(tmp_path: Path) -> None:
    """No hang, no failure in parent or child, not a byte on stdout or stderr."""
    root = Path(__file__).parents[2]
    with Receiver(tmp_path / "receiver") as receiver:
        done = subprocess.run(
            [sys.executable, "-W", "error", "-W", "ignore::DeprecationWarning", "-c", FORKING, receiver.url, "30"],
            env={"PYTHONPATH": f"{root}:{root / 'tests' / 'courier'}"},
            capture_output=True,
            text=True,
            timeout=GUARD_SECONDS,
            check=False,
        )
    assert (done.returncode, done.stdout, done.stderr) == (0, "", "")
    assert len(receiver.calls()) > 30
