"""An application that traces and logs, and in which somebody emits under footfall's scope by hand."""

from __future__ import annotations

import logging
import os

from opentelemetry import trace
from opentelemetry._logs import get_logger

import footfall
from tests.e2e import lib

BY_HAND = {"footfall.project": "demo/lib", "footfall.kind": "event", "footfall.extra.points": 10}

with trace.get_tracer("app").start_as_current_span("analysis"):
    for _ in range(3):
        lib.work()
    lib.rest()
    logging.getLogger("app").warning("password=hunter2 for %s", os.path.expanduser("~"))
    footfall.event("own", project="demo/lib", points=1)
    for _ in range(2):  # two events in one span are two
        get_logger("footfall").emit(event_name="by-hand", attributes=BY_HAND)
    get_logger("footfall").emit(event_name="secret", body="password=hunter2", attributes={"footfall.kind": "event"})
    get_logger("app").emit(event_name="foreign", attributes=BY_HAND)
    fields = {"footfall.project": "demo/lib", "footfall.extra.a": 1}
    trace.get_tracer("footfall").start_span("span-by-hand", attributes=fields).end()
print("done")
