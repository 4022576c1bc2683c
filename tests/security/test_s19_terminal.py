"""S19: what a server, a record or a file says cannot steer a terminal or forge a line of a log."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

import footfall
from footfall.cli import main, tables
from footfall.courier import answer as answers
from footfall.courier import exchange
from footfall.courier.courier import Courier
from footfall.errors import TransportError, trouble
from footfall.wire import readable
from tests.courier.courierhelp import Loopback, answer
from tests.security.rules import rule, without
from tests.security.whole import deliver, everything_logged, forget

ESCAPES = "c4nary\x1b[31m\x1b]0;title\x07\x9b2J\r\nWARNING root: forged\u202e"
CANARY = "c4nary"


def commands(capsys: pytest.CaptureFixture[str]) -> str:
    """What `footfall show` and `footfall status` print."""
    capsys.readouterr()
    for command in (["show"], ["status"], ["status", "--json"]):
        main.main(command)
    out, err = capsys.readouterr()
    return out + err


def harmless(text: str) -> None:
    for character in "\x1b\x07\x9b\r\u202e":
        assert character not in text, repr(character)
    assert "\nWARNING root: forged" not in text


@rule(
    without(tables, "escaped", str),
    without(readable, "escaped", str),
)
def test_what_waits_is_shown_harmlessly(capsys: pytest.CaptureFixture[str], footfall_on: None) -> None:
    """Names, fields and types that a program under observation chose, in every wire's requests."""
    deliver(footfall.Migas("http://127.0.0.1:9"), footfall.Otlp("http://127.0.0.1:9"), drain_seconds=0.5, note=ESCAPES)
    evil = type(f"Error{ESCAPES}", (Exception,), {})
    footfall.instrument("owner/tool", send_to=[footfall.Migas("http://127.0.0.1:9")])
    with pytest.raises(evil), footfall.track("owner/tool"):
        raise evil
    trouble.note(f"note {ESCAPES}", "footfall: x")
    footfall.drain(0.5)
    forget()
    shown = commands(capsys)
    trouble.counts.clear()
    assert CANARY in shown, "it was shown"
    harmless(shown)


def quoting(error: BaseException, outer: BaseException | None, *, where: str, sent: bool) -> TransportError:
    return TransportError(f"{where}: {error} {error.__cause__} {error.__context__}", in_doubt=sent)


def citing(receive: answers.Receive, *, method: str) -> answers.Answer:
    heard = bytearray()

    def overheard() -> bytes:
        piece = receive()
        heard.extend(piece)
        return piece

    try:
        return answers.read_answer(overheard, method=method)
    except answers.AnswerError as error:
        raise answers.AnswerError(heard.decode("latin-1")) from error


def telling(self: Courier, lane: Any, leased: Any, response: Any, done: Any) -> None:
    trouble.note("courier: told", "footfall: %s", response.body.decode("latin-1"))
    answered(self, lane, leased, response, done)


answered = Courier._answered


RAW = ESCAPES.encode() + b" \x1b[2J\r\n\r\n"
ODD = b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\nTransfer-Encoding: chunked\r\nc4nary no header\r\n\r\n0\r\n\r\n"


@rule(
    # An answer that is none has two reasons not to be quoted.
    without(exchange, "failure", quoting, without(exchange, "read_answer", citing)),
    without(Courier, "_answered", telling),
)
def test_server_text_is_in_no_log_and_on_no_screen(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], footfall_on: None, hidden_errors: list[object]
) -> None:
    """Status lines, headers and bodies of refusals: counted and named in our words."""
    evil = ESCAPES.encode()
    text = ESCAPES.replace("\r\n", " ").encode().decode("latin-1")
    servers = [
        answer("400 Bad", b'{"success":false,"message":"' + evil.replace(b"\r\n", b"") + b'","detail":"c4nary"}'),
        answer(
            f"422 {text}", b'{"detail":[{"loc":["c4nary"],"msg":"c4nary\x1b[31m","type":"c4nary"}]}', f"X-E: {text}"
        ),
        answer("500 Oops", evil),
        answer("401 No", evil, f"WWW-Authenticate: {text}"),
        lambda connection, received: bool(connection.sendall(RAW)),
        lambda connection, received: connection.sendall(ODD),
    ]
    with everything_logged() as said:
        for server in servers:
            trouble._logged_at.clear()
            with Loopback(server) as sink:
                deliver(footfall.Migas(sink.url), drain_seconds=0.5)
    assert said, "something was logged"
    log = "\n".join(said)
    assert CANARY not in log, log
    harmless(log)
    shown = commands(capsys)
    assert CANARY not in shown
    harmless(shown)
