"""`outermost`: what the user called is told, what the library calls inside is not."""

from __future__ import annotations

import asyncio
import os
import threading
from types import ModuleType

import pytest
from insthelp import Observation

from footfall.registry.model import Capture, Entry

SOURCE = """
import asyncio

class Catalog:
    def search(self, deep=0):
        return self.search(deep - 1) if deep else self.unique()
    def unique(self):
        return list(self.items())
    def items(self):
        yield self.plain()
        yield self.plain()
    async def load(self, pause=None):
        if pause:
            await pause()
        return self.unique()
    async def stream(self):
        yield self.unique()
        yield await self.load()
    def plain(self):
        return 1
    def fails(self):
        self.unique()
        raise ValueError
"""
NAMES = ("search", "unique", "items", "load", "stream", "fails")


@pytest.fixture
def library(observation: Observation) -> ModuleType:
    """A library whose public methods call each other; one of them has not the option."""
    module = observation.module(SOURCE)
    observation.wrapped(module, *(f"Catalog.{name}" for name in NAMES), outermost=True)
    return module


def told(observation: Observation) -> list[str]:
    return [name.rpartition(".")[2] for name, _, _ in observation.uses()]


def test_only_the_call_of_the_user_is_told(observation: Observation, library: ModuleType) -> None:
    """One for a call, also with recursion or an exception; the next call is told again."""
    catalog = library.Catalog()
    assert catalog.search(3) == [1, 1]
    assert catalog.unique() == [1, 1]
    with pytest.raises(ValueError, match=r"\A\Z"):
        catalog.fails()
    catalog.unique()
    assert told(observation) == ["search", "unique", "fails", "unique"]
    assert [each.count for each in observation.usages()] == [1, 1, 1, 1]


def test_entries_without_the_option_are_told_wherever_they_are(observation: Observation, library: ModuleType) -> None:
    """And cover nothing."""
    observation.wrapped(library, "Catalog.plain")
    library.Catalog().unique()
    assert sorted(told(observation)) == ["plain", "plain", "unique"]


def test_a_generator_covers_while_its_body_runs(observation: Observation, library: ModuleType) -> None:
    """What the consumer does between two items is the user's."""
    catalog = library.Catalog()
    for _ in catalog.items():
        catalog.unique()
    assert told(observation) == ["unique", "unique", "items"]


def test_a_coroutine_and_an_asynchronous_generator(observation: Observation, library: ModuleType) -> None:
    """From the first step to the last, and again only while a body runs."""
    catalog = library.Catalog()

    async def main() -> None:
        await catalog.load()
        async for _ in catalog.stream():
            catalog.unique()

    asyncio.run(main())
    assert told(observation) == ["load", "unique", "unique", "stream"]


def test_tasks_do_not_cover_each_other(observation: Observation, library: ModuleType) -> None:
    """They run in between, in contexts of their own."""
    catalog = library.Catalog()

    async def main() -> None:
        gate = asyncio.Event()
        waiting = asyncio.create_task(catalog.load(gate.wait))
        await asyncio.sleep(0)
        catalog.unique()
        gate.set()
        await waiting

    asyncio.run(main())
    assert told(observation) == ["unique", "load"]


def test_threads_do_not_cover_each_other(observation: Observation, library: ModuleType) -> None:
    """A use in another thread is not inside of this one."""
    catalog = library.Catalog()
    inside, done = threading.Event(), threading.Event()

    async def pause() -> None:
        inside.set()
        done.wait(60)

    thread = threading.Thread(target=lambda: asyncio.run(catalog.load(pause)))
    thread.start()
    assert inside.wait(60)
    catalog.unique()
    done.set()
    thread.join(60)
    assert told(observation) == ["unique", "load"]


def test_a_child_that_is_made_inside_a_use_is_not_silent(observation: Observation, library: ModuleType) -> None:
    """A pool may be made by the library and then be used by its user for the rest of the program."""
    catalog = library.Catalog()
    statuses: list[int] = []

    async def fork() -> None:
        pid = os.fork()
        if not pid:
            observation.after_fork()
            catalog.unique()
            observation.journal.close()
            os._exit(0)
        statuses.append(os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]))

    asyncio.run(catalog.load(fork))
    assert statuses == [0]
    assert sorted(told(observation)) == ["load", "unique"]


def test_uses_that_are_only_counted_cover_as_well(observation: Observation) -> None:
    """Beyond the rate a call is as much the user's as before; what was covered is in no count."""
    module = observation.module(SOURCE)
    observation.wrapped(module, "Catalog.unique", outermost=True)
    observation.wrapped(module, "Catalog.search", outermost=True, rate=1)
    catalog = module.Catalog()
    for _ in range(5):
        catalog.search()
    observation.recorder.flush_counts()
    assert (observation.count("Catalog.search"), observation.count("Catalog.unique")) == (5, 0)


def test_other_projects_are_not_covered(observation: Observation, library: ModuleType) -> None:
    """Whose servers were told nothing of the call around it."""
    other = Observation.project(observation, "demo/other")
    entry = Entry(library.__name__, "Catalog.plain", outermost=True)
    theirs = type(observation.instrumentor)(other, observation.recorder, default_rate_per_second=0)
    theirs.instrument([entry])
    library.Catalog().unique()
    theirs.uninstrument()
    assert sorted((each.project, each.name.rpartition(".")[2]) for each in observation.usages()) == [
        ("demo/lib", "unique"),
        ("demo/other", "plain"),
        ("demo/other", "plain"),
    ]


def test_a_function_of_two_services_is_told_to_both(observation: Observation) -> None:
    """It is one call; its recursion is told to neither."""
    module = observation.module(SOURCE)
    for service in ("lib_catalog", "lib_store"):
        observation.wrapped(module, "Catalog.search", service=service, outermost=True)
    module.Catalog().search(2)
    assert sorted(each.service for each in observation.usages()) == ["lib_catalog", "lib_store"]


def test_arguments_and_starts_are_told_as_ever(observation: Observation) -> None:
    """The option changes which uses are told, not what of them."""
    module = observation.module(SOURCE)
    observation.wrapped(module, "Catalog.search", outermost=True, start=True, capture=(Capture("deep", "int"),))
    module.Catalog().search(1)
    assert [(each.kind.value, dict(each.arguments)) for each in observation.usages()] == [
        ("start", {"deep": 1}),
        ("end", {"deep": 1}),
    ]
