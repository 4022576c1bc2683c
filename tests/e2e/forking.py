"""A program whose uses go to a gRPC receiver, and which forks all the time while they are delivered."""

from __future__ import annotations

import os
import sys
import time

import footfall
from tests.e2e import lib

URL, CHILDREN = sys.argv[1], int(sys.argv[2])
footfall.instrument(
    "demo/lib",
    registry={"registry": ["tests.e2e.lib:work"]},
    send_to=[footfall.Otlp(URL, protocol="grpc")],
)
lib.work()
for _ in range(CHILDREN):
    lib.work()
    child = os.fork()
    lib.work()
    if child == 0:
        os._exit(0)
    assert os.waitpid(child, 0)[1] == 0
    time.sleep(0.02)  # for some forks to fall into a delivery, and some between two
assert footfall.drain(30).pending == 0
