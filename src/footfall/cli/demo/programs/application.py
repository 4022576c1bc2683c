"""A study of three social networks as anybody would write it with networkx; it knows nothing of footfall.

Run by ``opentelemetry-instrument``; what is watched stands in a ``footfall.yaml``. Only `counted` is there for the
demo's books. Usage: application.py REPORT
"""
# pyright: basic
# networkx comes without types, and this is somebody's application.

from __future__ import annotations

import itertools
import json
import sys
from collections import Counter
from pathlib import Path
from typing import Any

import networkx as nx  # type: ignore[import-untyped]  # see above

CALLS: Counter[str] = Counter()


def counted(name: str, function: Any, *arguments: Any) -> Any:
    """Call *function*, after counting the call under the name that the registry has for it."""
    CALLS[name] += 1
    return function(*arguments)


def study() -> str:
    """Ask the three networks some questions; return the answers as a sentence."""
    karate = counted("networkx:karate_club_graph", nx.karate_club_graph)
    steps = [len(counted("networkx:shortest_path", nx.shortest_path, karate, 0, member)) - 1 for member in (1, 16, 33)]
    try:
        counted("networkx:shortest_path", nx.shortest_path, karate, 0, 99)
        stranger = "a member"
    except nx.NodeNotFound:
        stranger = "no member"
    # Reached through the package's top level, registered where it is defined.
    between = counted(
        "networkx.algorithms.centrality.betweenness:betweenness_centrality", nx.betweenness_centrality, karate
    )
    novel = counted("networkx:les_miserables_graph", nx.les_miserables_graph)
    friends = sum(
        len(set(counted("networkx:common_neighbors", nx.common_neighbors, novel, one, other)))
        for one, other in itertools.combinations(novel, 2)
    )
    davis = counted("networkx:davis_southern_women_graph", nx.davis_southern_women_graph)
    met = counted(
        "networkx.algorithms.bipartite.projection:projected_graph",
        nx.bipartite.projected_graph,
        davis,
        davis.graph["top"],
    )
    return (
        f"karate club: {max(steps)} steps at most, 99 is {stranger}, {max(between, key=between.__getitem__)} is in the"
        f" middle; Les Miserables: {friends} shared acquaintances; southern women: {met.number_of_edges()} pairs met"
    )


if __name__ == "__main__":
    print(study())
    Path(sys.argv[1]).write_text(json.dumps(CALLS) + "\n", encoding="utf-8")
