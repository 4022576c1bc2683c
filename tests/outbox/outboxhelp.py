"""Small real things for the outbox's tests: a way to open one, requests, and a program that is killed."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

from footfall.clock import Clock
from footfall.destination import Destination
from footfall.outbox.store import Outbox
from footfall.wire.base import Request

DAY = 86400.0
HANG_SECONDS = 60


def a_destination(name: str = "a") -> Destination:
    """Return a destination; another name, another server."""
    return Destination(wire="migas", endpoint=f"https://{name}.example.org")


def a_request(key: object, *, body: bytes | None = None, order: str = "", records: int = 1) -> Request:
    """Return a request whose idempotency key is *key*."""
    return Request(
        path="/api/breadcrumb",
        body=f"body of {key}".encode() if body is None else body,
        content_type="application/json",
        headers=(("X-Kind", "crumb"),),
        idempotency_key=str(key),
        order_key=order,
        records=records,
    )


def open_outbox(
    directory: Path,
    clock: Clock,
    *,
    network: bool = False,
    max_bytes: int = 64 * 2**20,
    max_age_seconds: float = 14 * DAY,
    reserve_bytes: int = 2**16,
) -> Outbox:
    """Open ``outbox.db`` in *directory*, with a small reserve."""
    return Outbox.open(
        directory / "outbox.db",
        clock=clock,
        network=network,
        max_bytes=max_bytes,
        max_age_seconds=max_age_seconds,
        reserve_bytes=reserve_bytes,
    )


def python(code: str, *arguments: object, **options: object) -> subprocess.Popen[str]:
    """Start *code* in a process of its own; the caller waits for it or kills it."""
    command = [sys.executable, "-W", "error", "-c", code, *map(str, arguments)]
    return subprocess.Popen(command, text=True, stdout=subprocess.PIPE, stderr=subprocess.PIPE, **options)


def output(process: subprocess.Popen[str]) -> str:
    """Wait for *process* to end well and return what it printed."""
    out, err = process.communicate(timeout=HANG_SECONDS)
    assert process.returncode == 0, err
    return out
