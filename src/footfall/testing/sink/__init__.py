"""The sink: a loopback server in a process of its own that answers as real servers do, or fails as real networks do.

    with Sink(tmp_path) as sink:
        run_my_program(endpoint=sink.url)
        sink.wait_for(lambda requests: any(request.accepted for request in requests))
        sink.set_mode("status:503:retry-after=2")

It speaks migas (REST and GraphQL), OTLP/HTTP (traces and logs), ramen, tracker, insights and, on other paths of two
parts or more, ACCESS-NRI's call records. What arrived is in ``requests.jsonl``, one line for each request, written
before the answer: the journal is the only truth, also after `Sink.kill`. The modes are listed in
`footfall.testing.sink.modes`. From a shell: ``python -m footfall.testing.sink --directory D``.
"""

from __future__ import annotations

from footfall.testing.sink.client import Received, Sink, read_requests

__all__ = ["Received", "Sink", "read_requests"]
