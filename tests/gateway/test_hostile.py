"""Input of somebody who means harm, or whose program is broken: the documented answer, and memory bounded (G2, S9).

Each test asks the real process, and afterwards whether it still serves.
"""

from __future__ import annotations

import concurrent.futures
import gzip
import json
import socket
import struct
import time
import zlib
from collections import Counter
from collections.abc import Iterator
from typing import Any

import pytest

from footfall.gateway.server import ANSWERS
from footfall.testing.sink import Sink
from footfall.wire import otlp_messages as messages
from footfall.wire.otlp import OtlpWire
from tests.gateway.gatewayhelp import JSON, PROTOBUF, Gateway, raw, use

MIB = 2**20
ALLOWED = set(ANSWERS)


@pytest.fixture(scope="module")
def served(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Gateway]:
    """A gateway with short waits, the same for all these tests: what one did to it, the next would find."""
    directory = tmp_path_factory.mktemp("hostile")
    with Sink(directory / "sink") as sink:
        configuration = {
            "projects": {"demo/lib": [{"migas": sink.url}]},
            "limits": {"body_seconds": 1.0, "head_seconds": 1.0},
        }
        with Gateway.start(directory / "gateway", configuration) as running:
            yield running
            assert running.stop() == 0
            assert "Traceback" not in running.log.read_text()


@pytest.fixture
def gateway(served: Gateway) -> Iterator[Gateway]:
    """The gateway; whatever a test did to it, it serves afterwards, and never gave another answer than those."""
    yield served
    assert served.tell(use(999))[0].status == 200
    figures = served.figures()
    statuses = {int(key.rpartition('status="')[2][:3]) for key in figures if "requests_total" in key}
    assert statuses <= ALLOWED
    assert figures["footfall_gateway_requests_at_work"] == 0


def spans(number: int, **fields: Any) -> bytes:
    """Return an uncompressed request with *number* spans."""
    return (
        OtlpWire(compression="none", max_bytes=2**30).translate([use(each, **fields) for each in range(number)])[0].body
    )


def test_a_gzip_bomb(gateway: Gateway) -> None:
    """Half a megabyte that unpacks to 512: refused as it grows, and memory grows by next to nothing."""
    packer = zlib.compressobj(9, wbits=31)
    bomb = b"".join(packer.compress(bytes(MIB)) for _ in range(512)) + packer.flush()
    gateway.tell(use(1))
    before = gateway.forget_most_memory()
    answer = gateway.post("/v1/traces", bomb, headers={"content-encoding": "gzip"})
    assert answer.status == 413
    assert gateway.most_memory_kib() - before < 40 * 1024  # 16 MiB unpacked, twice where they are joined


def test_a_small_bomb_by_its_ratio(gateway: Gateway) -> None:
    """10 MiB are below the limit of size, but no telemetry packs a thousand to one."""
    answer = gateway.post("/v1/traces", gzip.compress(bytes(10 * MIB)), headers={"content-encoding": "gzip"})
    assert answer.status == 413


def test_equal_spans_are_no_bomb(gateway: Gateway) -> None:
    """A real batch of the same function packs well, and is taken."""
    body = spans(500)
    assert gateway.post("/v1/traces", gzip.compress(body), headers={"content-encoding": "gzip"}).status == 200


@pytest.mark.parametrize("chunked", [False, True])
def test_ten_megabytes(gateway: Gateway, chunked: bool) -> None:
    """Too large by what its head says, or found while it comes: 413, which the sender hears although it is sending."""
    body = bytes(10 * MIB)
    gateway.tell(use(1))
    before = gateway.forget_most_memory()
    if chunked:
        head = f"POST /v1/traces HTTP/1.1\r\nhost: x\r\ncontent-type: {PROTOBUF}\r\ntransfer-encoding: chunked\r\n\r\n"
        sent = b"".join(b"%x\r\n%b\r\n" % (MIB, body[:MIB]) for _ in range(10)) + b"0\r\n\r\n"
        with socket.create_connection(("127.0.0.1", gateway.port), timeout=20) as connection:
            connection.sendall(head.encode() + sent)
            assert connection.recv(12) == b"HTTP/1.1 413"
    else:
        assert gateway.post("/v1/traces", body).status == 413
    assert gateway.most_memory_kib() - before < 24 * 1024


def test_a_sender_that_waits_for_leave_is_told_before_it_sends(gateway: Gateway) -> None:
    """``Expect: 100-continue`` with a body that is too large: no leave, the answer, and the end."""
    head = (
        f"POST /v1/traces HTTP/1.1\r\nhost: x\r\ncontent-type: {PROTOBUF}\r\ncontent-length: {10 * MIB}\r\n"
        "expect: 100-continue\r\n\r\n"
    )
    received = raw(gateway.port, head.encode())
    assert received.startswith(b"HTTP/1.1 413")
    assert b"connection: close" in received.lower()


def nested_json(levels: int) -> bytes:
    value: Any = {"stringValue": "x"}
    for _ in range(levels // 3):
        value = {"arrayValue": {"values": [value]}}
    return json.dumps({"resourceSpans": [{"resource": {"attributes": [{"key": "k", "value": value}]}}]}).encode()


@pytest.mark.parametrize(
    ("body", "status"),
    [
        (nested_json(30), 200),
        (nested_json(300), 400),
        (b"[" * 1_000_000, 413),
        (b'{"a":' * 200_000, 400),
        (b"[" * 2_000_000 + b"]" * 2_000_000, 413),
        (b'"' + b'\\"' * 2_000_000, 400),  # a text that never ends, with two million places to begin again
        (b'{"resourceSpans": {"a": 1}}', 400),
        (b'{"resourceSpans": [1]}', 400),
        (b'{"resourceSpans": [{"scopeSpans": [{"spans": [{"traceId": "zz"}]}]}]}', 400),
        (b'{"resourceSpans": [{"scopeSpans": [{"spans": [{"startTimeUnixNano": "-1"}]}]}]}', 400),
        (b'{"resourceSpans": [{"scopeSpans": [{"spans": [{"startTimeUnixNano": 1e999}]}]}]}', 400),
        (b"[]", 400),
        (b"null", 400),
        (b"7", 400),
        (b"{", 400),
        (b"", 400),
        (b"\xff\xfe", 400),
        (b"{}", 200),
        (b'{"unknown": {"later": "version"}}', 200),
    ],
)
def test_json_of_all_kinds(gateway: Gateway, body: bytes, status: int) -> None:
    """Too deep, wrong types, cut off, none: 400, and the answer is JSON."""
    answer = gateway.post("/v1/traces", body, content_type=JSON)
    assert answer.status == status, answer
    assert isinstance(json.loads(answer.body), dict)


def nested_protobuf(levels: int) -> bytes:
    """Return an array in an array in an array..., as an attribute of a resource."""

    def field(number: int, content: bytes) -> bytes:
        return varint(number << 3 | 2) + varint(len(content)) + content

    value = b""
    for _ in range(levels):
        value = field(5, field(1, value))  # AnyValue.array_value.values
    return field(1, field(1, field(1, field(1, b"k") + field(2, value))))


def varint(number: int) -> bytes:
    out = b""
    while number > 127:
        out += bytes([number & 127 | 128])
        number >>= 7
    return out + bytes([number])


@pytest.mark.parametrize(
    ("body", "status"),
    [
        (nested_protobuf(20), 200),
        (nested_protobuf(5000), 400),
        (b"\xff" * 1000, 400),
        (b"not protobuf at all", 400),
        (spans(3)[:-7], 400),
        (b"", 200),  # an empty message is one
    ],
)
def test_protobuf_of_all_kinds(gateway: Gateway, body: bytes, status: int) -> None:
    """Too deep, cut off, none: 400."""
    assert gateway.post("/v1/traces", body).status == status


def amplified() -> Iterator[tuple[str, bytes]]:
    """Yield bodies of which each byte stands for much memory: empty spans, groups, attributes, values and objects."""
    count = 2_000_000

    def field(number: int, content: bytes) -> bytes:
        return varint(number << 3 | 2) + varint(len(content)) + content

    yield PROTOBUF, b"\x0a\x00" * count
    yield PROTOBUF, field(1, b"\x12\x00" * count)
    yield PROTOBUF, field(1, field(2, b"\x12\x00" * count))
    yield PROTOBUF, field(1, field(2, field(2, b"\x4a\x00" * count)))
    yield PROTOBUF, field(1, field(1, b"\x0a\x00" * count))
    yield PROTOBUF, field(1, field(2, field(2, field(9, field(2, field(5, b"\x0a\x00" * count))))))
    yield JSON, b'{"resourceSpans":[' + b"{}," * (count // 2) + b"{}]}"
    yield JSON, b'{"resourceSpans":[' + b'"abcd",' * (count // 4) + b"{}]}"


@pytest.mark.parametrize("which", range(8))
def test_much_memory_for_few_bytes(gateway: Gateway, which: int) -> None:
    """4 MiB that a parser would make half a gigabyte of: refused, and what it took stays within 64 MiB."""
    content_type, body = [*amplified()][which]
    gateway.tell(use(1))
    before = gateway.forget_most_memory()
    assert gateway.post("/v1/traces", body, content_type=content_type).status in {200, 400, 413}
    assert gateway.most_memory_kib() - before < 64 * 1024


def test_fields_of_the_wrong_type_or_size(gateway: Gateway) -> None:
    """Attributes of ours that hold something else, ids that are none, texts without an end: taken as far as they go."""
    strange = {
        "footfall.count": [1],
        "footfall.items": "many",
        "session.id": 7,
        "footfall.parameters": "x",
        "footfall.json": [7, "footfall.args.x", "footfall.nothing"],
        "footfall.args.x": "{" * 50_000,
        "footfall.extra." + "k" * 50_000: "v" * 100_000,
        "footfall.outcome": {"deep": [{"er": None}]},
        "error.type": 3.5,
    }
    extra = {f"otlp.{key}": value for key, value in strange.items()}
    assert gateway.tell(use(1, extra=extra))[0].status == 200
    message = messages.traces(spans(1), PROTOBUF)
    (span,) = message.resource_spans[0].scope_spans[0].spans
    for pair in span.attributes:  # a map where a text belongs, in each of them but the project
        if pair.key != "footfall.project":
            pair.value.kvlist_value.values.add(key="a").value.array_value.values.add(bool_value=True)
    answer = gateway.post("/v1/traces", message.SerializeToString())
    assert (answer.status, answer.body) == (200, b"")
    for change in (
        {"trace_id": b"short"},
        {"trace_id": bytes(16)},
        {"span_id": b""},
        {"start_time_unix_nano": 0},
        {"name": ""},
    ):
        message = messages.traces(spans(1), PROTOBUF)
        (span,) = message.resource_spans[0].scope_spans[0].spans
        for name, value in change.items():
            setattr(span, name, value)
        answer = gateway.post("/v1/traces", message.SerializeToString())
        assert answer.status == 200
        assert b"1 without project, name, time or ids" in answer.body


@pytest.mark.parametrize(
    ("headers", "status"),
    [
        ({"content-type": "text/plain"}, 415),
        ({}, 415),
        ({"content-type": PROTOBUF, "content-encoding": "br"}, 415),
        ({"content-type": PROTOBUF, "content-encoding": "gzip"}, 400),  # which it is not
    ],
)
def test_types_and_encodings(gateway: Gateway, headers: dict[str, str], status: int) -> None:
    """What is not offered is named; what is not what it says cannot be read."""
    assert gateway.ask("/v1/traces", b"x", headers=headers).status == status


@pytest.mark.parametrize("cut", [1, 8, 100])
def test_gzip_that_is_cut_or_followed_by_something(gateway: Gateway, cut: int) -> None:
    """A part of a packed body, and one with more behind it."""
    packed = gzip.compress(spans(50))
    for body in (packed[:-cut], packed + b"x" * cut):
        assert gateway.post("/v1/traces", body, headers={"content-encoding": "gzip"}).status == 400


@pytest.mark.parametrize(
    ("method", "path"), [("GET", "/v1/traces"), ("PUT", "/v1/logs"), ("POST", "/v1/metrics"), ("GET", "/")]
)
def test_other_methods_and_paths(gateway: Gateway, method: str, path: str) -> None:
    """There are two paths and one method."""
    assert gateway.ask(path, b"{}", method=method, headers={"content-type": JSON}).status == 400


@pytest.mark.parametrize(
    "head", [b"\x16\x03\x01\x02\x00", b"GARBAGE\r\n\r\n", b"POST /v1/traces HTTQ/1.1\r\n\r\n", b"GET " + b"/" * 200_000]
)
def test_what_is_no_http(gateway: Gateway, head: bytes) -> None:
    """TLS, garbage, an endless address: refused or closed, at once or in time."""
    try:
        received = raw(gateway.port, head)
    except ConnectionError:
        received = b""
    assert received == b"" or received.startswith(b"HTTP/1.1 400")


def test_slow_heads_and_bodies(gateway: Gateway) -> None:
    """A head that does not come is closed. A body that does not come is answered 503, which senders try again."""
    assert raw(gateway.port, b"POST /v1/traces HTTP/1.1\r\nhost: x\r\n") == b""
    assert raw(gateway.port, b"") == b""
    head = f"POST /v1/traces HTTP/1.1\r\nhost: x\r\ncontent-type: {PROTOBUF}\r\ncontent-length: 100\r\n\r\nabc"
    received = raw(gateway.port, head.encode())
    assert received.startswith(b"HTTP/1.1 503")
    assert b"retry-after: " in received
    assert b"connection: close" in received


def test_a_thousand_slow_senders(gateway: Gateway) -> None:
    """They hold a connection and a few bytes each for a second; an honest one is served all the while."""
    gateway.tell(use(1))
    before = gateway.memory_kib()
    head = (
        f"POST /v1/traces HTTP/1.1\r\nhost: x\r\ncontent-type: {PROTOBUF}\r\ncontent-length: 4000000\r\n\r\n".encode()
    )
    slow: list[socket.socket] = []
    try:
        for number in range(1000):
            slow.append(socket.create_connection(("127.0.0.1", gateway.port), timeout=20))
            slow[-1].sendall(head + bytes(1000))
            if number % 100 == 99:
                assert gateway.tell(use(number))[0].status == 200
        assert gateway.memory_kib() - before < 64 * 1024
        answers = Counter(each.recv(12) for each in slow)
    finally:
        for each in slow:
            each.close()
    assert answers == {b"HTTP/1.1 503": 1000}


def test_senders_that_hang_up(gateway: Gateway) -> None:
    """In the middle of a body, with a reset: nothing is kept of it, nothing is left of it."""
    head = f"POST /v1/traces HTTP/1.1\r\nhost: x\r\ncontent-type: {PROTOBUF}\r\ncontent-length: 100000\r\n\r\n".encode()
    for _ in range(200):
        connection = socket.create_connection(("127.0.0.1", gateway.port), timeout=20)
        connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        connection.sendall(head + bytes(50_000))
        connection.close()
    assert gateway.tell(use(1))[0].status == 200


def test_ten_thousand_requests(gateway: Gateway) -> None:
    """From 64 senders at once, a connection for each, good and bad in turn: only documented answers.

    Who is told to come again does, and then hears the same as all others.
    """
    good, bad = spans(20), b"\xff" * 5000
    packed = gzip.compress(good)
    come_again: Counter[int] = Counter()
    deadline = time.monotonic() + 240.0

    def ask(number: int) -> int:
        match number % 4:
            case 0:
                return gateway.post("/v1/traces", good).status
            case 1:
                return gateway.post("/v1/traces", bad).status
            case 2:
                return gateway.post("/v1/traces", packed, headers={"content-encoding": "gzip"}).status
        return gateway.post("/v1/logs", b"{}", content_type=JSON).status

    def one(number: int) -> int:
        while (status := ask(number)) in {429, 503} and time.monotonic() < deadline:
            come_again[status] += 1
            time.sleep(0.05)  # sooner than it asked for: a flood does not wait
        return status

    before = gateway.memory_kib()
    with concurrent.futures.ThreadPoolExecutor(64) as pool:
        answers = Counter(pool.map(one, range(10_000)))
    assert answers == {200: 7500, 400: 2500}, come_again
    assert gateway.memory_kib() - before < 128 * 1024
