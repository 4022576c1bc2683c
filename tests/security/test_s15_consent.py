"""S15 and S16: a no is heard whoever said it and whenever, and what a test suite does is no use.

In parents and children of each kind: ``tests/guest``. Running programs: ``tests/process/test_opting_out.py``.
"""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

import pytest

import footfall
from footfall import runtime
from footfall.consent import choice, runner, switches
from footfall.consent.choice import Choice, Watch
from footfall.delivery import Delivery, forget
from footfall.places import find
from footfall.settings import Settings
from footfall.testing import ScriptedTransport, Sent
from footfall.wire.base import Response
from tests.process import observed
from tests.security.rules import everything_in, rule, without
from tests.security.whole import forget as stop
from tests.security.whole import roots, state

REGISTRY = {"registry": {"calls": ["tests.process.observed:work"]}}
SERVER = "http://127.0.0.1:9"

SAID = (
    {"FOOTFALL": "off"},
    {"FOOTFALL": "0"},
    {"FOOTFALL": "on", "DO_NOT_TRACK": "1"},
    {"FOOTFALL": "on", "OTEL_SDK_DISABLED": "true"},
    {"FOOTFALL": "on", "MIGAS_OPTOUT": "0"},
    {"FOOTFALL": "nobody knows this word"},
)


class Everything:
    """What a list of values that mean nothing must not be."""

    def __contains__(self, value: object) -> bool:
        return True


def config() -> Path:
    return Path(os.environ["XDG_CONFIG_HOME"]) / "footfall"


def untouched(where: str) -> None:
    """Use a project of this process; nothing may come of it."""
    original = observed.work
    before = everything_in(*roots())
    stop()
    footfall.instrument("tests/observed", registry=REGISTRY, send_to=[footfall.Migas(SERVER)])
    observed.work(1)
    footfall.event("step")
    wrapped = observed.work is not original
    stop()
    assert not wrapped, where
    assert everything_in(*roots()) == before, where


@rule(
    without(switches, "refusal", lambda *_: "", without(runtime, "refusal", lambda *_: "")),
    without(switches, "NOT_SET", Everything()),
)
def test_every_switch_is_heard(monkeypatch: pytest.MonkeyPatch) -> None:
    """A word that nobody understands is a no as well, and no yes beside a no counts."""
    for variables in SAID:
        with monkeypatch.context() as patch:
            for name, value in variables.items():
                patch.setenv(name, value)
            untouched(str(variables))


@rule(without(Choice, "says", lambda *_: ""), without(runtime.user_choice, "read", lambda *_: Choice()))
def test_what_was_said_for_good_is_heard(footfall_on: None) -> None:
    """To all, to one project, and in a file that nobody can read any more."""
    choice.turn_off(config(), "Tests/Observed")
    untouched("one project")
    choice.turn_on(config(), "tests/observed")
    choice.turn_off(config())
    untouched("all")
    (config() / choice.FILE_NAME).write_text("{")
    untouched("unreadable")


def places() -> Any:
    found = find(str(state()), os.environ)
    assert found is not None
    return found


def record(count: int) -> None:
    """Leave *count* records to be sent."""
    stop()
    footfall.instrument("tests/observed", version="1", send_to=[footfall.Migas(SERVER)])
    for _ in range(count):
        footfall.event("step")
    stop()


def sent_by(transport: ScriptedTransport) -> int:
    """Deliver what waits; return how many requests left."""
    delivery = Delivery(places(), Settings(), transport=transport)
    delivery.drain(timeout_seconds=5)
    delivery.close(5)
    return len(transport.sent)


YES = Response(status=202, body=b'{"success":true,"message":""}')


QUIET = Choice()


@rule(without(Watch, "__call__", lambda _: QUIET))
def test_a_no_is_heard_before_each_request(footfall_on: None, monkeypatch: pytest.MonkeyPatch) -> None:
    """Said while the first of 300 is under way: of those no sender holds yet, none leaves."""
    monkeypatch.setenv("FOOTFALL_EXIT_BUDGET_SECONDS", "0")
    monkeypatch.setenv("FOOTFALL_DELIVERY_INTERVAL_SECONDS", "600")
    record(300)

    def no_and_yes(sent: Sent) -> Response:
        choice.turn_off(config(), "tests/observed")
        return YES

    assert sent_by(ScriptedTransport([no_and_yes], then=YES)) < 20


@rule(without(Choice, "allows", lambda *_: True))
def test_a_no_deletes_what_waits_and_a_yes_does_not_bring_it_back(
    footfall_on: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Counted as opted_out; journals are gone; later records are sent."""
    monkeypatch.setenv("FOOTFALL_EXIT_BUDGET_SECONDS", "0")
    monkeypatch.setenv("FOOTFALL_DELIVERY_INTERVAL_SECONDS", "600")
    record(3)
    choice.turn_off(config(), "tests/observed")
    choice.turn_on(config(), "tests/observed")
    books = forget(places(), Settings())
    assert books is not None
    assert books.balanced
    assert books.pending == 0
    assert [account.lost for account in books.accounts] == [3]
    assert list((state() / "journal").iterdir()) == []
    record(2)
    assert sent_by(ScriptedTransport(then=YES)) == 2


@rule(
    without(runner, "detect", lambda *_: ""),
    without(runner, "PYTEST_SESSION", "no such module", without(runner, "PROGRAMS", ())),
)
def test_what_a_test_suite_does_is_no_use(monkeypatch: pytest.MonkeyPatch) -> None:
    """Nobody said anything, and pytest is at work: seen by its variable, and without it by what it has loaded."""
    monkeypatch.delenv("FOOTFALL")
    untouched("by its variable")
    for name in runner.VARIABLES:
        monkeypatch.delenv(name, raising=False)
    untouched("by what it has loaded")
