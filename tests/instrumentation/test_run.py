"""A run has a start, an end, and the way it ended, in each of its three forms."""

from __future__ import annotations

import asyncio
import inspect
import sys
from pathlib import Path
from typing import Any

import pytest
from insthelp import journal_of, read_usages, run_program

import footfall
from footfall import runtime
from footfall.usage import Usage

PROJECT = "demo/tool"


@pytest.fixture(autouse=True)
def project() -> None:
    """The project of these tests is instrumented."""
    footfall.instrument(PROJECT, version="2.0")


def told() -> list[tuple[str, str, str, str]]:
    """Return kind, name, outcome and error type of every record."""
    return [summary(each) for each in recorded()]


def recorded() -> list[Usage]:
    """Return every record of this process."""
    directory = runtime.current().journal.directory
    return [] if directory is None else read_usages(directory)


def summary(usage: Usage) -> tuple[str, str, str, str]:
    """Return what a run's record says of it."""
    return usage.kind.value, usage.name, usage.outcome.value if usage.outcome else "", usage.error_type


STARTED = ("start", PROJECT, "", "")
WELL = ("end", PROJECT, "ok", "")


def test_a_block():
    """Start and end share ids, project, version and fields."""
    with footfall.track(PROJECT, "2.1", stage="fit"):
        assert told() == [STARTED]
    start, end = recorded()
    assert [summary(start), summary(end)] == [STARTED, WELL]
    assert (start.trace_id, start.span_id) == (end.trace_id, end.span_id)
    assert [(each.project_version, dict(each.extra)) for each in (start, end)] == [("2.1", {"stage": "fit"})] * 2


def test_what_happens_inside_is_below_the_run():
    """A use or event in the block has the run as its parent; after it there is none."""
    with footfall.track(PROJECT):
        footfall.event("inside")
    footfall.event("after")
    by_name = {each.name: each for each in recorded()}
    assert by_name["inside"].parent_span_id == by_name[PROJECT].span_id
    assert by_name["inside"].trace_id == by_name[PROJECT].trace_id
    assert by_name["after"].parent_span_id == ""


@pytest.mark.parametrize(
    ("error", "outcome", "error_type"),
    [
        (SystemExit(0), "ok", ""),
        (SystemExit(), "ok", ""),
        (SystemExit(3), "error", "SystemExit"),
        (KeyboardInterrupt(), "interrupted", "KeyboardInterrupt"),
        (ValueError("secret"), "error", "ValueError"),
    ],
    ids=repr,
)
def test_how_a_block_ended(error: BaseException, outcome: str, error_type: str):
    """As the originals tell it wrongly (migas.md D8); the exception passes as the same object."""
    with pytest.raises(type(error)) as caught, footfall.track(PROJECT):
        raise error
    assert caught.value is error
    assert told() == [STARTED, ("end", PROJECT, outcome, error_type)]


def test_a_decorated_function_is_a_run_each_call():
    """With its own name, signature and result; nothing is told before the first call."""

    @footfall.track(PROJECT)
    def work(x: int, *, fail: bool = False) -> int:
        """Works."""
        if fail:
            raise LookupError
        return x + 1

    assert told() == []
    assert (work.__name__, work.__doc__, list(inspect.signature(work).parameters)) == ("work", "Works.", ["x", "fail"])
    assert work(1) == 2
    with pytest.raises(LookupError):
        work(1, fail=True)
    assert told() == [STARTED, WELL, STARTED, ("end", PROJECT, "error", "LookupError")]
    assert len({each.span_id for each in recorded()}) == 2


def test_a_decorated_coroutine_function():
    """The run lasts until it returns; concurrent calls are runs of their own."""

    @footfall.track(PROJECT)
    async def work(x: int) -> int:
        await asyncio.sleep(0.01)
        return x

    async def main() -> list[int]:
        return list(await asyncio.gather(work(1), work(2)))

    assert inspect.iscoroutinefunction(work)
    assert asyncio.run(main()) == [1, 2]
    found = recorded()
    assert sorted(map(summary, found)) == sorted([STARTED, STARTED, WELL, WELL])
    assert all(each.duration_ns > 5_000_000 for each in found if each.kind.value == "end")
    assert {each.parent_span_id for each in found} == {""}


def test_a_decorated_generator_function():
    """The run lasts until the last item; what the consumer does in between is not inside it."""

    @footfall.track(PROJECT)
    def work(n: int) -> Any:
        yield from range(n)
        return "done"

    generator = work(2)
    assert told() == []
    assert next(generator) == 0
    footfall.event("consumer")
    assert next(generator) == 1
    with pytest.raises(StopIteration) as stop:
        next(generator)
    assert stop.value.value == "done"
    event = next(each for each in recorded() if each.name == "consumer")
    assert [told()[0], told()[-1], event.parent_span_id] == [STARTED, WELL, ""]


def test_nested_runs_of_one_project():
    """The inner one ends by itself and not the outer one, whatever happens in it."""
    with footfall.track(PROJECT):
        with pytest.raises(KeyError), footfall.track(PROJECT):
            raise KeyError
        assert told() == [STARTED, STARTED, ("end", PROJECT, "error", "KeyError")]
    outer, inner, inner_end, outer_end = recorded()
    assert (inner.span_id, outer.span_id) == (inner_end.span_id, outer_end.span_id)
    assert inner.parent_span_id == outer.span_id
    assert summary(outer_end) == WELL


def test_where_nothing_is_instrumented_nothing_happens():
    """A block, a function, a call: all go on as without us; `footfall.uninstrument` ends the telling too."""
    run = footfall.track(PROJECT)
    footfall.uninstrument(PROJECT)
    with run:
        pass
    with footfall.track("no/such"):
        pass
    assert footfall.track("no/such")(len)([1]) == 1
    footfall.event("nothing")
    footfall.track("no/such")
    assert recorded() == []


def test_ending_twice_says_it_once():
    """An object that is kept can be started and ended by hand."""
    run = footfall.track(PROJECT)
    run.start()
    run.start()
    run.end()
    run.end()
    assert told() == [STARTED, WELL]


ENDS = {
    "pass": (0, ("ok", "")),
    "sys.exit(0)": (0, ("ok", "")),
    "sys.exit()": (0, ("ok", "")),
    "sys.exit(3)": (3, ("error", "SystemExit")),
    "sys.exit('no')": (1, ("error", "SystemExit")),
    "raise LookupError('secret')": (1, ("error", "LookupError")),
    "raise KeyboardInterrupt": (130, ("interrupted", "KeyboardInterrupt")),
}

PROGRAM = """
import os, sys
import footfall
footfall.instrument("demo/tool", version="1")
footfall.track("demo/tool")
{end}
"""


@pytest.mark.parametrize("end", ENDS)
def test_a_plain_call_lasts_until_the_process_ends(tmp_path: Path, end: str):
    """And tells how it ended; the process's own status is untouched."""
    status, (outcome, error_type) = ENDS[end]
    run_program(PROGRAM.format(end=end), tmp_path, status=-2 if status == 130 else status)
    assert [summary(each) for each in journal_of(tmp_path)] == [STARTED, ("end", PROJECT, outcome, error_type)]


def test_a_kept_plain_call_begins_with_the_next_turn(tmp_path: Path):
    """Assigned to a name it could still become a block; at the latest at exit it was a plain call."""
    end = "run = footfall.track('demo/tool')"
    run_program(PROGRAM.replace('footfall.track("demo/tool")\n', "").format(end=end), tmp_path)
    found = [summary(each) for each in journal_of(tmp_path)]
    assert found[:1] == [STARTED]


def test_os_exit_leaves_the_start_alone(tmp_path: Path):
    """Whoever adopts the journal finds a run that was killed."""
    run_program(PROGRAM.format(end="os._exit(0)"), tmp_path)
    assert [summary(each) for each in journal_of(tmp_path)] == [STARTED]


FORKED = """
pid = os.fork()
if pid == 0:
    with footfall.track("demo/tool"):
        pass
    {leave}
os.waitpid(pid, 0)
"""


@pytest.mark.parametrize("leave", ["os._exit(0)", "sys.exit(3)", "raise LookupError"])
def test_a_fork_child_says_nothing_of_its_parents_run(tmp_path: Path, leave: str):
    """Its own runs are its own; the parent's run ends once, as the parent ends."""
    program = PROGRAM.format(end=FORKED.format(leave=leave)).replace(
        "raise LookupError", "sys.stderr.close(); raise LookupError"
    )
    run_program(program, tmp_path)
    by_session: dict[str, list[Any]] = {}
    for each in journal_of(tmp_path):
        by_session.setdefault(each.session_id, []).append(summary(each))
    assert sorted(by_session.values()) == [[STARTED, WELL], [STARTED, WELL]]


def test_a_block_left_by_a_fork_child_is_its_parents(tmp_path: Path):
    """The child leaves the ``with`` of its parent and tells nothing (migas defect D8)."""
    end = """
with footfall.track("demo/tool"):
    pid = os.fork()
if pid: os.waitpid(pid, 0)
"""
    run_program(PROGRAM.replace('footfall.track("demo/tool")\n', "").format(end=end), tmp_path)
    assert [summary(each) for each in journal_of(tmp_path)] == [STARTED, WELL]


def test_sys_exit_is_put_back():
    """It is watched for plain calls only, and `stop` gives back the very function."""
    original = sys.exit
    with footfall.track(PROJECT):
        assert sys.exit is original
    footfall.track(PROJECT)
    assert sys.exit is not original
    with pytest.raises(SystemExit) as caught:
        sys.exit(4)
    assert caught.value.code == 4
    runtime.current().stop()
    assert sys.exit is original
