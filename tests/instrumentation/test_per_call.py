"""Fields that are known at each call only (`Entry.per_call`): for facades, whose clients set them at any time."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import pytest

from footfall.instrumentation.recorder import Subject
from footfall.registry.model import Entry, Registry, merge
from footfall.testing.captured import Captured, capture


def lend(book: int) -> int:
    return book


async def wait(book: int) -> int:
    return book


def count(book: int) -> Any:
    yield book


PerCall = Callable[[Subject, "tuple[Any, ...]", Mapping[str, Any]], "dict[str, Any] | None"]


def observed(captured: Captured, function: Callable[..., Any], per_call: PerCall) -> Callable[..., Any]:
    entry = Entry(module=__name__, qualname=function.__name__, per_call=per_call)
    captured.runtime.instrument(Registry(project="me/mine"))
    wrapped: Callable[..., Any] = captured.runtime.decorated.wrap(function, entry, "me/mine")
    return wrapped


def call_all(captured: Captured, per_call: PerCall) -> None:
    """Call a function of each kind; each gives what it gives unobserved."""
    assert observed(captured, lend, per_call)(1) == 1
    assert asyncio.run(observed(captured, wait, per_call)(book=2)) == 2
    assert list(observed(captured, count, per_call)(3)) == [3]


def test_each_use_has_the_fields_of_its_call(tmp_path: Path) -> None:
    """Told by subject and arguments; every kind of function."""
    with capture(tmp_path) as captured:
        call_all(captured, lambda subject, args, kwargs: {"told": [subject.name, *args, *kwargs.items()]})
        told = [usage.extra["told"] for usage in captured.usages]
    assert told == [[f"{__name__}:lend", 1], [f"{__name__}:wait", ["book", 2]], [f"{__name__}:count", 3]]


def test_none_leaves_the_use_out(tmp_path: Path) -> None:
    """And the call goes through."""
    with capture(tmp_path) as captured:
        call_all(captured, lambda *_: None)
        assert captured.usages == []


def test_fields_that_fail_do_not_cost_the_use(tmp_path: Path, hidden_errors: list[tuple[str, BaseException]]) -> None:
    """Nor reach the caller."""

    def fail(*_: object) -> dict[str, Any]:
        raise ValueError

    with capture(tmp_path) as captured:
        call_all(captured, fail)
        assert [usage.extra for usage in captured.usages] == [{}, {}, {}]
    assert [doing for doing, _ in hidden_errors] == ["capture"] * 3


@pytest.mark.parametrize("later", [None, len])
def test_merged_entries_keep_it(later: Any) -> None:
    """The later one holds, where it says one."""
    first, second = (Registry(project="a/b", entries=(Entry("m", "f", per_call=each),)) for each in (max, later))
    (entry,) = merge(first, second).entries
    assert entry.per_call is (later or max)
