"""Several threads and tasks: nothing is lost, and only what is inside a run belongs to it."""

from __future__ import annotations

import asyncio
import json
import threading
from collections import Counter
from concurrent.futures import ThreadPoolExecutor

import pytest

from footfall.facade import migas
from footfall.testing.sink.client import Sink
from tests.facade.migashelp import meaning_of, requests_after

PROJECT = ("nipreps/fmriprep", "24.1.0")
THREADS, CRUMBS = 8, 20

pytestmark = pytest.mark.usefixtures("footfall_on")


def statuses(sink: Sink, before: int) -> Counter[str]:
    return Counter(meaning_of(json.loads(each.body))["proc"]["status"] for each in requests_after(sink, before))


def test_threads_that_are_first_together_lose_nothing(sink: Sink) -> None:
    """The project is made known by whoever comes first, and never unknown to the others."""
    before = len(sink.requests())
    migas.setup(endpoint=sink.url)
    ready = threading.Barrier(THREADS)

    def work(_: int) -> list[object]:
        ready.wait(10)
        return [migas.add_breadcrumb(*PROJECT, status="R", wait=True) for _ in range(CRUMBS)]

    with ThreadPoolExecutor(THREADS) as pool:
        answers = [answer for each in pool.map(work, range(THREADS)) for answer in each]
    assert answers == [{"success": True, "message": ""}] * (THREADS * CRUMBS)
    assert statuses(sink, before) == {"R": THREADS * CRUMBS}


def test_blocks_of_several_threads_are_several_runs(sink: Sink) -> None:
    """Side by side is not inside."""
    before = len(sink.requests())
    migas.setup(endpoint=sink.url)
    inside = threading.Barrier(THREADS)

    def work(_: int) -> None:
        with migas.track(*PROJECT), migas.track(*PROJECT):
            inside.wait(10)

    with ThreadPoolExecutor(THREADS) as pool:
        list(pool.map(work, range(THREADS)))
    assert statuses(sink, before) == {"R": THREADS, "C": THREADS}


def test_blocks_of_several_tasks_are_several_runs(sink: Sink) -> None:
    """The same in one thread, for blocks and for a decorated coroutine function."""
    before = len(sink.requests())
    migas.setup(endpoint=sink.url)

    @migas.track(*PROJECT)
    async def decorated(barrier: asyncio.Event) -> None:
        await barrier.wait()

    async def block(barrier: asyncio.Event) -> None:
        with migas.track(*PROJECT):
            await barrier.wait()

    async def main() -> None:
        barrier = asyncio.Event()
        tasks = [asyncio.create_task(each(barrier)) for each in (decorated, decorated, block, block)]
        await asyncio.sleep(0)
        barrier.set()
        await asyncio.gather(*tasks)

    asyncio.run(main())
    assert statuses(sink, before) == {"R": 4, "C": 4}


def test_a_tracker_in_hand_is_given_again(sink: Sink) -> None:
    """As the original does: one of a kind at a time, and a new one after its end."""
    migas.setup(endpoint=sink.url)
    first = migas.track(*PROJECT)
    assert migas.track(*PROJECT) is first
    first.start()
    assert migas.track(*PROJECT) is first
    assert migas.track("nipreps/other", "1") is not first
    first.stop()
    assert migas.track(*PROJECT) is not first
    requests_after(sink, 0)
