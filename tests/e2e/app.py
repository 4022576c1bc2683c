"""An application that knows nothing of footfall: it uses a package from PyPI and traces itself with OpenTelemetry."""

from __future__ import annotations

import networkx as nx
from opentelemetry import trace

graph = nx.karate_club_graph()
with trace.get_tracer("app").start_as_current_span("analysis"):
    for target in range(1, 6):
        nx.shortest_path(graph, 0, target)
    try:
        nx.shortest_path(graph, 0, "secret-canary")
    except nx.NodeNotFound as error:
        print("not found:", type(error).__name__)
