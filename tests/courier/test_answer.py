"""The reader of answers: equal to `http.client` on what is an answer, and bounded on everything else."""

from __future__ import annotations

import http.client
import io
import itertools

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from footfall.courier.answer import (
    MAX_ANSWER_BYTES,
    MAX_HEADER_LINES,
    MAX_HEARD_BYTES,
    AnswerError,
    read_answer,
)

FRAMING = {"content-length", "transfer-encoding", "connection", "keep-alive", "proxy-connection"}
TOKENS = st.from_regex(r"[A-Za-z0-9!#$%&'*+.^_`|~-]{1,20}", fullmatch=True).filter(
    lambda name: name.lower() not in FRAMING
)
VALUES = st.text(st.characters(min_codepoint=0x20, max_codepoint=0xFF, exclude_characters="\x7f\x85"), max_size=40).map(
    str.strip
)
PIECES = st.lists(st.binary(min_size=1, max_size=50), max_size=6)


class Heard:
    """A connection that says *pieces*, then ends."""

    def __init__(self, *pieces):
        self.pieces = iter(pieces)
        self.asked = 0

    def __call__(self):
        self.asked += 1
        return next(self.pieces, b"")


class Socket:
    """What `http.client` needs of one."""

    def __init__(self, raw):
        self.raw = raw

    def makefile(self, mode):
        return io.BytesIO(self.raw)


def by_the_library(raw, method="POST"):
    """Status, headers, body, and whether the connection stays, as `http.client` has them."""
    response = http.client.HTTPResponse(Socket(raw), method=method)
    response.begin()
    headers = {}
    for name, value in response.headers.raw_items():
        key = name.lower()
        headers[key] = f"{headers[key]}, {value.strip()}" if key in headers else value.strip()
    return response.status, headers, response.read(), not response.will_close


def split(raw, sizes):
    """*raw* in pieces of the given sizes, and the rest."""
    pieces, begin = [], 0
    for size in sizes:
        pieces.append(raw[begin : begin + size])
        begin += size
    return [piece for piece in (*pieces, raw[begin:]) if piece]


@st.composite
def answers(draw):
    """An answer as RFC 9112 has it, in bytes, and whether its end is said before the connection ends."""
    framing = draw(st.sampled_from(["length", "chunks", "end", "none"]))
    status = draw(st.sampled_from([204, 304])) if framing == "none" else draw(st.integers(200, 599))
    if framing != "none" and status in {204, 304}:
        status = 200
    reason = draw(st.sampled_from(["", " ", " OK", " Not Found at all"]))
    minor = draw(st.sampled_from("01"))
    lines = [f"HTTP/1.{minor} {status}{reason}"]
    lines += [
        f"{name}:{draw(st.sampled_from(['', ' ', '  ']))}{draw(VALUES)}" for name in draw(st.lists(TOKENS, max_size=5))
    ]
    connection = draw(st.sampled_from(["", "close", "keep-alive", "Keep-Alive", "Close, TE"]))
    lines += [f"Connection: {connection}"] if connection else []
    pieces = draw(PIECES)
    body = b"".join(pieces)
    if framing == "length":
        lines.append(f"{draw(st.sampled_from(['Content-Length', 'content-length']))}: {len(body)}")
    elif framing == "chunks":
        lines.append(f"Transfer-Encoding: {draw(st.sampled_from(['chunked', 'Chunked']))}")
        extension = draw(st.sampled_from([b"", b";a=b", b" ; a"]))
        body = b"".join(b"%x%s\r\n%s\r\n" % (len(piece), extension, piece) for piece in pieces) + b"0\r\n"
        body += b"".join(draw(st.lists(st.just(b"X-Trailer: 1\r\n"), max_size=2))) + b"\r\n"
    elif framing == "none":
        body = b""
    before = draw(st.sampled_from(["", "HTTP/1.1 100 Continue\r\n\r\n", "HTTP/1.1 100\r\nX: y\r\n\r\n"]))
    return (before + "\r\n".join([*lines, "", ""])).encode("latin-1") + body, framing != "end"


@given(answers(), st.lists(st.integers(1, 30), max_size=40))
@settings(deadline=None)
def test_equal_to_the_library(made, sizes):
    """Status, headers, body and the fate of the connection, however the bytes arrive."""
    raw, _ = made
    found = read_answer(Heard(*split(raw, sizes)), method="POST")
    assert (found.status, dict(found.headers), found.body, found.keeps) == by_the_library(raw)


@given(answers(), st.data())
@settings(deadline=None)
def test_less_than_an_answer_is_none(made, data):
    """Wherever a connection ends before the answer does; one that the connection ends has no other end."""
    raw, delimited = made
    cut = data.draw(st.integers(0, len(raw) - 1))
    if not delimited and raw.find(b"\r\n\r\n", raw.rfind(b"HTTP/1.")) + 4 <= cut:
        return
    with pytest.raises(AnswerError):
        read_answer(Heard(raw[:cut]), method="POST")


NOISE = st.lists(
    st.one_of(
        st.binary(max_size=20),
        st.sampled_from(
            [
                *(b"HTTP/1.1 200 OK\r\n", b"HTTP/1.1 100 Continue\r\n\r\n", b"\r\n", b"\n", b"\r\n\r\n", b": ", b" x"),
                *(b"Content-Length: 3\r\n", b"Content-Length: 3, 4\r\n", b"Transfer-Encoding: chunked\r\n"),
                *(b"3\r\nabc\r\n", b"0\r\n\r\n", b"ffffffffffff\r\n", b"Connection: close\r\n", b"\x00", b"-1\r\n"),
            ]
        ),
    ),
    max_size=12,
).map(b"".join)


@given(
    st.one_of(NOISE, NOISE.map(lambda noise: b"HTTP/1.1 200 OK\r\n" + noise)), st.lists(st.integers(1, 9), max_size=60)
)
@settings(deadline=None, max_examples=400)
def test_any_bytes(raw, sizes):
    """An answer or an AnswerError, and the same one however the bytes arrive."""

    def outcome(*pieces):
        try:
            return read_answer(Heard(*pieces), method="POST")[:3]
        except AnswerError:
            return None

    whole = outcome(raw)
    assert outcome(*split(raw, sizes)) == whole
    assert whole is None or (200 <= whole[0] <= 999 and len(whole[2]) <= MAX_ANSWER_BYTES)


HEAD = b"HTTP/1.1 200 OK\r\n"


@pytest.mark.parametrize(
    ("begin", "again"),
    [
        (b"", b"H"),
        (b"HTTP/1.1 ", b"2" * 1000),
        (HEAD, b"X: y\r\n"),
        (HEAD + b"X: ", b"y" * 1000),
        (b"", b"HTTP/1.1 100 Continue\r\n\r\n"),
        (HEAD + b"Transfer-Encoding: chunked\r\n\r\n", b"1;" + b"x" * 4000 + b"\r\n.\r\n"),
        (HEAD + b"Transfer-Encoding: chunked\r\n\r\n", b"0"),
        (HEAD + b"Transfer-Encoding: chunked\r\n\r\n0\r\n", b"X: y\r\n"),
    ],
    ids=["letters", "status", "header lines", "header", "interim", "extensions", "chunk size", "trailers"],
)
def test_what_has_no_end_is_given_up(begin, again):
    """Whichever part never ends: no more than a megabyte is listened to."""
    asked = itertools.count()

    def receive():
        number = next(asked)
        return begin if number == 0 and begin else again

    with pytest.raises(AnswerError):
        read_answer(receive, method="POST")
    assert next(asked) * len(again) <= MAX_HEARD_BYTES + 2 * len(again) + len(begin)


@pytest.mark.parametrize("framing", ["Content-Length: 900000", "Transfer-Encoding: chunked", "X: until the end"])
def test_a_body_is_cut(framing):
    """At 64 KiB, and its connection is not used again."""
    piece = b"dbba0\r\n" + b"x" * 900_000 if "chunked" in framing else b"x" * 900_000
    found = read_answer(Heard(HEAD, framing.encode(), b"\r\n\r\n", piece), method="POST")
    assert (len(found.body), found.keeps) == (MAX_ANSWER_BYTES, False)


@pytest.mark.parametrize("size", [MAX_ANSWER_BYTES - 1, MAX_ANSWER_BYTES])
@pytest.mark.parametrize("chunked", [True, False])
def test_a_body_of_the_largest_size(size, chunked):
    """Is whole, and its connection is used again."""
    body = b"x" * size
    raw = b"Transfer-Encoding: chunked\r\n\r\n%x\r\n%s\r\n0\r\n\r\n" if chunked else b"Content-Length: %d\r\n\r\n%s"
    found = read_answer(Heard(HEAD + raw % (size, body)), method="POST")
    assert (found.body, found.keeps) == (body, True)


def test_header_lines_are_counted():
    """A hundred are an answer, one more is none; interim answers before it count."""
    lines = b"".join(b"X-%d: y\r\n" % number for number in range(MAX_HEADER_LINES - 1))
    interim = b"HTTP/1.1 100 Continue\r\nX: y\r\n\r\n"
    last = b"Content-Length: 0\r\n"
    assert read_answer(Heard(HEAD + lines + last + b"\r\n"), method="POST").keeps
    for raw in (HEAD + lines + last + b"X: y\r\n\r\n", interim + HEAD + lines + last + b"\r\n"):
        with pytest.raises(AnswerError):
            read_answer(Heard(raw), method="POST")


@pytest.mark.parametrize(
    "lines",
    [
        b"Content-Length: 3\r\nContent-Length: 4",
        b"Content-Length: 3, 4",
        b"Content-Length: -3",
        b"Content-Length: 3x",
        b"Content-Length: 0x3",
        b"Content-Length: \xb3",
        b"Content-Length: " + b"9" * 5000,
        b"Content-Length:",
        b"Transfer-Encoding: gzip, chunked",
        b"Transfer-Encoding: identity",
        b"Transfer-Encoding: chunked, chunked",
    ],
)
def test_an_end_that_is_not_clear(lines):
    """Where it is not said where an answer ends, it is none (RFC 9112, 6.3)."""
    with pytest.raises(AnswerError):
        read_answer(Heard(HEAD + lines + b"\r\n\r\nabc"), method="POST")


@pytest.mark.parametrize(
    ("raw", "status", "body"),
    [
        (HEAD + b"no field\r\nContent-Length: 1\r\n\r\na", 200, b"a"),
        (HEAD + b"Spaced : 1\r\nContent-Length: 1\r\n\r\na", 200, b"a"),
        (HEAD + b"Content-Length: 1\r\nTransfer-Encoding: chunked\r\n\r\n1\r\nb\r\n0\r\n\r\n", 200, b"b"),
        (HEAD + b"Content-Length: 1\r\n\r\nab", 200, b"a"),
        (HEAD + b"Transfer-Encoding: chunked\r\n\r\n0\r\n\r\nHTTP", 200, b""),
        (b"HTTP/1.1 204 No Content\r\nContent-Length: 0\r\n\r\nx", 204, b""),
        (b"HTTP/1.0 202 Accepted\r\nContent-Length: 1\r\n\r\na", 202, b"a"),
    ],
    ids=["no field", "spaced", "two framings", "more than said", "more than chunks", "a body of none", "HTTP/1.0"],
)
def test_what_is_odd_is_read_and_ends_the_connection(raw, status, body):
    """Nothing of it is a reason to send again, nor to trust what comes next on that connection."""
    assert read_answer(Heard(raw), method="POST")[::2] == (status, body)
    assert not read_answer(Heard(raw), method="POST").keeps


def test_lines_that_are_folded_or_end_in_a_line_feed_only():
    """A folded value is one value; both kinds of line ends are read."""
    raw = b"HTTP/1.1 200 OK\nX: a\n\tb\r\n  c\nContent-Length: 1\n\nz"
    found = read_answer(Heard(raw), method="POST")
    assert (dict(found.headers), found.body, found.keeps) == ({"x": "a b c", "content-length": "1"}, b"z", True)


@pytest.mark.parametrize(("method", "status"), [("HEAD", 200), ("CONNECT", 200), ("GET", 304)])
def test_answers_without_a_body(method, status):
    """Whatever length they speak of."""
    raw = b"HTTP/1.1 %d X\r\nContent-Length: 5\r\n\r\n" % status
    assert read_answer(Heard(raw), method=method) == (status, {"content-length": "5"}, b"", True)


@pytest.mark.parametrize(
    "first",
    [
        b"HTTP/2 200",
        b"HTTP/1.1 099 X",
        b"HTTP/1.1 2000",
        b"HTTP/1.1 \xb2\xb2\xb2",
        b"http/1.1 200 OK",
        b"HTTP/1.1200 OK",
    ],
)
def test_status_lines_that_are_none(first):
    """Only three digits after HTTP/1."""
    with pytest.raises(AnswerError):
        read_answer(Heard(first + b"\r\nContent-Length: 0\r\n\r\n"), method="POST")


def test_another_protocol_is_not_waited_for():
    """A server that says something else first is found out by its first bytes."""
    heard = Heard(b"SSH-2.0-", b"OpenSSH\r\n")
    with pytest.raises(AnswerError):
        read_answer(heard, method="POST")
    assert heard.asked == 1
