"""A study with footfall's own interface: `footfall.instrument`, a tracked run, an event, and two kinds of workers.

Workers come from a pool and from ``os.fork``; the latter leave by ``os._exit``, which skips every exit handler.
With ``--wait`` it does some work inside its run, says "ready", and waits to be killed.
Usage: library.py REPORT ENDPOINT [--wait]
"""
# pyright: basic
# networkx comes without types, and this is somebody's application.

from __future__ import annotations

import json
import multiprocessing
import os
import sys
from collections import Counter
from pathlib import Path

import networkx as nx  # type: ignore[import-untyped]  # see above

import footfall

LENGTH = "networkx:shortest_path_length"
DENSITY = "networkx:density"
OURS = "example/club-study"
WORKERS = 2
TASKS = 6
FORKS = 3

REGISTRY = {"registry": {"paths": [{"function": LENGTH, "rate": 0}], "measures": [DENSITY]}}


def distances(target: int) -> int:
    """Measure how far everybody of the karate club is from *target*; return how many calls that took."""
    club = nx.karate_club_graph()
    for member in club:
        nx.shortest_path_length(club, member, target)
    return int(club.number_of_nodes())


def forked(calls: int) -> int:
    """Call `networkx.density` so many times in a forked child that ends at once; return how many it says it made."""
    child = os.fork()
    if child == 0:
        made = 0
        for _ in range(calls):
            nx.density(nx.path_graph(5))
            made += 1
        os._exit(made)
    return os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])


def study(endpoint: str) -> Counter[str]:
    """Do the work in workers; return the calls that they say they made."""
    calls: Counter[str] = Counter()
    with footfall.track(OURS, step="distances"):
        calls[OURS] += 1
        # "fork" is asked for by name: it is the hard case, and no longer the default of newer Pythons.
        with multiprocessing.get_context("fork").Pool(WORKERS) as pool:
            calls[LENGTH] += sum(pool.map(distances, range(TASKS), chunksize=1))
            pool.close()
            pool.join()
        for number in range(1, FORKS + 1):
            calls[DENSITY] += forked(number)
    footfall.event("figure.drawn", project=OURS, nodes=34)
    calls["figure.drawn"] += 1
    print(f"{TASKS} tasks in {WORKERS} pool workers, {FORKS} forked children; endpoint {endpoint}")
    return calls


def killed() -> None:
    """Work a little inside a run, then wait for the end that no program can report itself."""
    with footfall.track(OURS, step="out of memory"):
        calls = Counter({OURS: 1})
        nx.density(nx.path_graph(5))
        calls[DENSITY] += 1
        report(calls)
        print("ready", flush=True)
        sys.stdin.read()


def report(calls: Counter[str]) -> None:
    """Leave *calls* for the demo's books."""
    Path(sys.argv[1]).write_text(json.dumps(calls) + "\n", encoding="utf-8")


if __name__ == "__main__":
    destinations = [footfall.Migas(sys.argv[2]), footfall.Otlp(sys.argv[2])]
    footfall.instrument("networkx/networkx", registry=REGISTRY, send_to=destinations)
    footfall.instrument(OURS, version="1.0", send_to=destinations)
    if "--wait" in sys.argv[3:]:
        killed()
    else:
        report(study(sys.argv[2]))
