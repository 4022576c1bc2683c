"""`footfall send`: deliver now, say what became of it, and never pretend."""

from __future__ import annotations

import io
import os
import sys
import threading

import pytest
from clihelp import SECONDS, delivering, footfall, on_a_terminal, record, start

from footfall.cli.progress import Progress
from footfall.ledger import Account, Ledger
from footfall.testing.sink import Sink


class _Terminal(io.StringIO):
    def isatty(self) -> bool:
        return True


def test_everything_is_delivered_and_the_books_are_printed(footfall_sink: Sink) -> None:
    """Status 0 means that nothing is pending; the server has each record once."""
    record(footfall_sink.url, 3)
    said = footfall("send")
    rows = [line.split() for line in said.stdout.splitlines()]
    assert (said.returncode, said.stderr) == (0, "")
    assert [row[1:] for row in rows[1:3]] == [["3", "3", "0", "0", "yes"]] * 2
    assert said.stdout.endswith("nothing is pending\n")
    assert len(footfall_sink.records()) == 6
    assert footfall("send").returncode == 0
    assert len(footfall_sink.records()) == 6


def test_what_cannot_be_delivered_is_kept_and_status_1(footfall_sink: Sink) -> None:
    """A dead server costs no more than the deadline, and nothing is lost: the next run delivers."""
    footfall_sink.set_mode("refuse")
    record(footfall_sink.url, 2)
    said = footfall("send", "--deadline", "1")
    assert said.returncode == 1
    assert said.stdout.endswith("4 records pending\n")
    footfall_sink.set_mode("ok")
    assert footfall("send").returncode == 0
    assert len(footfall_sink.records()) == 4


def test_another_process_is_waited_for_until_it_is_gone(footfall_sink: Sink) -> None:
    """While somebody else holds the outbox `send` waits, then delivers what is left itself."""
    with delivering() as delivery:
        delivery.write_status()
        record(footfall_sink.url, 2)
        waiting = start("send")
        assert waiting.stderr is not None
        assert waiting.stderr.readline() == f"footfall: process {os.getpid()} delivers; waiting for it\n"
    output, _ = waiting.communicate(timeout=SECONDS)
    assert waiting.returncode == 0, output
    assert len(footfall_sink.records()) == 4


def test_the_deadline_also_ends_the_wait_for_another_process(footfall_sink: Sink) -> None:
    """A process that holds the outbox and does nothing is not waited for for ever."""
    with delivering() as delivery:
        delivery.write_status()
        record(footfall_sink.url, 2)
        said = footfall("send", "--deadline", "0.5")
    assert said.returncode == 1
    assert said.stdout.endswith("2 records in journals not taken in yet\n2 records pending\n")
    assert footfall_sink.requests() == []


def test_another_process_that_has_delivered_is_enough(footfall_sink: Sink) -> None:
    """Nothing pending at the other process is nothing to wait for."""
    with delivering() as delivery:
        delivery.write_status()
        said = footfall("send")
    assert (said.returncode, said.stdout) == (0, "no destination was ever used\nnothing is pending\n")


@pytest.mark.parametrize(
    "variables",
    [
        {"DO_NOT_TRACK": "1"},
        {"FOOTFALL": "off"},
        {"FOOTFALL": "local"},
        {"FOOTFALL": "log"},
        {"FOOTFALL": "", "TOX_ENV_NAME": "py"},
    ],
)
def test_nothing_is_sent_against_a_no(footfall_sink: Sink, variables: dict[str, str]) -> None:
    """A no holds for `send` too, whoever calls it; that is no failure, so a job's epilogue does not break."""
    record(footfall_sink.url, 2)
    said = footfall("send", **variables)
    assert (said.returncode, said.stderr) == (0, "")
    assert said.stdout.startswith("nothing is sent: ")
    assert footfall_sink.requests() == []


def test_progress_is_shown_on_a_terminal_only(footfall_sink: Sink) -> None:
    """Logs of cron hold no control characters; a person sees that something happens."""
    footfall_sink.set_mode("hang")
    record(footfall_sink.url)
    assert footfall("send", "--deadline", "1").stderr == ""
    _, _, seen = on_a_terminal(["send", "--deadline", "1"], {"TERM": "xterm"})
    assert "delivering" in seen


def test_progress_without_rich_is_one_line_that_is_written_over(monkeypatch: pytest.MonkeyPatch) -> None:
    """The base install has no rich; the figures are those of the ledger, and the line is gone in the end."""
    monkeypatch.setitem(sys.modules, "rich", None)
    terminal = _Terminal()
    monkeypatch.setattr(sys, "stderr", terminal)
    asked = threading.Event()
    looks = iter([0, 0])

    def ledger() -> Ledger:
        if next(looks, None) is None:
            asked.set()
        return Ledger(accounts=(Account(destination="d", accepted=7, delivered=3, pending=4),))

    with Progress(ledger):
        assert asked.wait(SECONDS)
    assert "delivering: 0 done, 4 left" in terminal.getvalue()
    assert terminal.getvalue().endswith("\r\x1b[K")
