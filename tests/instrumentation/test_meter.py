"""Counts stay exact, detail is bounded (design.md section 3)."""

from __future__ import annotations

import ctypes
import os
import sys
import threading
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from insthelp import Observation, journal_of, read_usages, run_program

from footfall.instrumentation.meter import Meter
from footfall.usage import Kind

SECOND = 10**9


def admitted(meter: Meter, times: list[int]) -> list[int]:
    """Return those of *times* at which the meter reports."""
    return [time for time in times if meter.admit(time)]


def test_a_burst_of_one_second_is_reported_then_the_rate_holds():
    """20 at once; nothing until a twentieth of a second later; after a pause a full burst again."""
    meter = Meter(1, rate_per_second=20)
    assert len(admitted(meter, [SECOND] * 100)) == 20
    assert meter.suppressed == 80
    assert admitted(meter, [SECOND + 49_999_999, SECOND + 50_000_000, SECOND + 50_000_001]) == [SECOND + 50_000_000]
    assert len(admitted(meter, [10 * SECOND] * 100)) == 20
    assert meter.take() == 162
    assert meter.take() == 0


@given(
    rate=st.floats(0.01, 1000),
    steps=st.lists(st.integers(0, SECOND), min_size=1, max_size=300),
)
def test_no_second_has_more_than_burst_and_rate(rate: float, steps: list[int]):
    """Whatever the arrivals: in any window the reports are at most the burst plus what the rate allows in it."""
    meter, now, times = Meter(1, rate_per_second=rate), 0, []
    for step in steps:
        now += step
        times.append(now)
    reported = admitted(meter, times)
    assert len(reported) + meter.suppressed == len(times)
    assert reported[0] == times[0], "the first use is always told"
    burst = max(1.0, rate)
    for first in range(len(reported)):
        for last in range(first, len(reported)):
            window_seconds = (reported[last] - reported[first]) / SECOND
            assert last - first + 1 <= burst + rate * window_seconds + 1


@pytest.mark.parametrize("rate", [0, 1e12, float("inf")])
def test_without_a_limit_all_is_reported(rate: float):
    """Zero says so; a rate no clock can resolve comes to the same."""
    assert len(admitted(Meter(1, rate_per_second=rate), [5] * 1000)) == 1000


@pytest.mark.parametrize("rate", [0.5, 1e-9, 1e-310, 5e-324])
def test_a_tiny_rate_reports_the_first_use(rate: float):
    """And then counts, for as long as it says, without an overflow."""
    meter = Meter(1, rate_per_second=rate)
    assert admitted(meter, [SECOND, SECOND + 1, 2 * SECOND]) == [SECOND]
    assert meter.suppressed == 2


def test_reset_forgets_what_was_counted():
    """What the parent counted is the parent's."""
    meter = Meter(1, rate_per_second=1)
    admitted(meter, [SECOND] * 5)
    meter.prefix = b"x"
    meter.reset()
    assert (meter.suppressed, meter.prefix, meter.admit(SECOND)) == (0, None, True)


@pytest.mark.parametrize("rate", [0, 20, 5000, 100_000])
def test_the_sum_of_counts_is_the_number_of_calls(observation: Observation, rate: float):
    """16 threads, each 2 500 calls and 1 250 raising ones, at any rate: the journal accounts for every one."""
    module = observation.module("def f(fails):\n  if fails: raise KeyError")
    observation.wrapped(module, "f", rate=rate)
    f, interval = module.f, sys.getswitchinterval()
    barrier = threading.Barrier(16)

    def calls() -> None:
        barrier.wait(30)
        for number in range(3750):
            try:
                f(number % 3 == 0)
            except KeyError:
                continue

    sys.setswitchinterval(1e-5)
    try:
        threads = [threading.Thread(target=calls) for _ in range(16)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
    finally:
        sys.setswitchinterval(interval)
    observation.recorder.flush_counts()
    assert observation.count("f") == 16 * 3750


def test_twenty_thousand_calls_of_sixteen_threads(observation: Observation):
    """The usual rate, the usual function: 320 000 calls, few lines, exact counts."""
    module = observation.module("def f(): pass")
    observation.wrapped(module, "f", rate=20)
    f = module.f

    def calls() -> None:
        for _ in range(20_000):
            f()

    threads = [threading.Thread(target=calls) for _ in range(16)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    observation.recorder.flush_counts()
    assert observation.count("f") == 320_000
    assert len(observation.usages()) < 2000


@pytest.mark.parametrize("kind", ["plain", "start", "generator", "event"])
def test_every_path_counts_beyond_the_rate(observation: Observation, kind: str):
    """The next reported use carries the number, or a line of its own does."""
    module = observation.module("def plain(): pass\ndef start(): pass\ndef generator(): yield 1")
    if kind == "event":
        subject = observation.subject("lib:event", rate_per_second=2)
        for _ in range(50):
            observation.recorder.event(subject, {})
    else:
        observation.wrapped(module, kind, rate=2, start=kind == "start")
        for _ in range(50):
            list(getattr(module, kind)() or ())
    observation.recorder.flush_counts()
    assert observation.count(kind) == 50
    assert [each.kind for each in observation.usages()][-1] is Kind.COUNT
    observation.recorder.flush_counts()
    assert observation.count(kind) == 50


def test_the_next_use_carries_what_was_counted(observation: Observation):
    """Exactly: one line for the burst, then one that stands for the others too."""
    module = observation.module("def f(): pass")
    (watched,) = observation.watch(module, "f", rate=1)
    for _ in range(10):
        module.f()
    watched.subject.meter.open_at_ns = 0
    module.f()
    assert [each.count for each in observation.usages()] == [1, 10]


def test_what_the_journal_refuses_is_counted(observation: Observation):
    """Full beyond its limit: uses wait in the meter until a line can carry them."""
    module = observation.module("def f(): pass")
    observation.wrapped(module, "f", "f")
    observation.journal._total_max_bytes = -1
    for _ in range(5):
        module.f()
    subject = observation.subject("lib:event")
    observation.recorder.event(subject, {})
    assert observation.recorder.flush_counts() == 0
    assert observation.usages() == []
    observation.journal._total_max_bytes = 2**20
    observation.journal._not_before = 0.0
    observation.recorder.flush_counts()
    assert (observation.count("f"), observation.count("event")) == (10, 1)


FORKS = """
import os, sys
import footfall
import work

footfall.instrument("demo/work", registry={"registry": {"work": ["work:f"]}})
for _ in range(100): work.f()
pid = os.fork()
if pid == 0:
    for _ in range(30): work.f()
    footfall.runtime.current().recorder.flush_counts()
    os._exit(0)
os.waitpid(pid, 0)
for _ in range(7): work.f()
"""


def test_a_fork_child_counts_its_own(tmp_path: Path):
    """Neither the parent's counted uses nor its numbers are told twice; both are exact."""
    (tmp_path / "work.py").write_text("def f(): pass")
    assert run_program(FORKS.replace("import footfall\n", "import footfall, footfall.runtime\n"), tmp_path) == ""
    sessions: dict[str, int] = {}
    previous: dict[str, str] = {}
    for each in journal_of(tmp_path):
        sessions[each.session_id] = sessions.get(each.session_id, 0) + each.count
        previous[each.session_id] = each.previous_session_id
    assert sorted(sessions.values()) == [30, 107]
    child, parent = sorted(sessions, key=lambda session: sessions[session])
    assert (previous[child], previous[parent]) == (parent, "")


def test_a_fork_that_tells_nobody_is_noticed(observation: Observation):
    """As uWSGI forks, without Python's hooks: the child writes a file of its own, and no use of its parent."""
    module = observation.module("def f(body): return body()")
    observation.wrapped(module, "f", start=True)
    fork = ctypes.PyDLL(None).fork

    def forks() -> int:
        pid: int = fork()
        return pid

    pid = module.f(forks)
    if pid == 0:
        try:
            module.f(int)
        finally:
            os._exit(0)
    assert os.waitpid(pid, 0)[1] == 0
    module.f(int)
    by_file = [read_usages_of(path) for path in sorted(observation.directory.iterdir())]
    assert sorted(by_file) == [["start", "end"], ["start", "end", "start", "end"]]


def read_usages_of(path: Path) -> list[str]:
    """Return the kinds of the records of one journal file."""
    alone = path.parent.parent / f"{path.stem}-alone"
    alone.mkdir()
    (alone / path.name).write_bytes(path.read_bytes())
    return [each.kind.value for each in read_usages(alone)]


@pytest.mark.parametrize("raises", [False, True])
@pytest.mark.parametrize("start", [False, True])
def test_a_child_that_comes_back_says_nothing_of_its_parents_use(observation: Observation, raises: bool, start: bool):
    """Forked inside a function: its end is told once, by the process that began it (migas defect D8)."""
    module = observation.module("def f(body): return body()")
    observation.wrapped(module, "f", start=start)

    def forks() -> int:
        pid = os.fork()
        if pid == 0:
            observation.after_fork()
        if raises:
            raise LookupError(pid)
        return pid

    try:
        pid = module.f(forks)
    except LookupError as error:
        pid = error.args[0]
    if pid == 0:
        os._exit(0)
    assert os.waitpid(pid, 0)[1] == 0
    assert observation.count("f") == 1
