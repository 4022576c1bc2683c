"""A researcher's programs; never imported by tests.

    python -m tests.notebook_real.program SCENARIO CATALOGUE CALLS

Each makes numbered calls, prints what they gave and how many processes made them, and ends with status 3.
"""

from __future__ import annotations

import asyncio
import multiprocessing
import os
import sys
from functools import partial

from tests.notebook_real import analysis

Found = list[tuple[int, int]]
"""Of each call: what it gave, and the process that made it."""


def one(catalogue: str, number: int) -> tuple[int, int]:
    return analysis.rows(catalogue, number), os.getpid()


def plain(catalogue: str, calls: int) -> Found:
    return [one(catalogue, number) for number in range(calls)]


def _pool(method: str, catalogue: str, calls: int) -> Found:
    with multiprocessing.get_context(method).Pool(2) as pool:  # its end is `Pool.terminate`: SIGTERM, no exit handlers
        return pool.map(partial(one, catalogue), range(calls), chunksize=1)


def fork(catalogue: str, calls: int) -> Found:
    """The parent has only loaded the package: polars, which intake-esm uses, hangs in a fork once it was used."""
    import intake  # noqa: F401

    return _pool("fork", catalogue, calls)


def spawn(catalogue: str, calls: int) -> Found:
    return _pool("spawn", catalogue, calls)


def dask(catalogue: str, calls: int) -> Found:
    from distributed import Client, LocalCluster

    with (
        LocalCluster(
            n_workers=2, threads_per_worker=2, processes=True, host="127.0.0.1", dashboard_address=None
        ) as cluster,
        Client(cluster) as client,
    ):
        return client.gather(client.map(partial(one, catalogue), range(calls)))


def coroutines(catalogue: str, calls: int) -> Found:
    """Half of the calls in the loop, half in its threads; nothing waits after the last one."""

    async def main() -> Found:
        inside = [one(catalogue, number) for number in range(0, calls, 2)]
        return inside + await asyncio.gather(*(asyncio.to_thread(one, catalogue, n) for n in range(1, calls, 2)))

    return asyncio.run(main())


if __name__ == "__main__":
    found = globals()[sys.argv[1]](sys.argv[2], int(sys.argv[3]))
    print([value for value, _ in found], "here" if {process for _, process in found} == {os.getpid()} else "elsewhere")
    sys.exit(3)
