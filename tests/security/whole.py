"""The whole line in this process: a project is observed, an event recorded, delivery tried; and what that left."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

import footfall
from footfall import runtime
from footfall.ledger import Ledger

PROJECT = "owner/tool"


def state() -> Path:
    return Path(os.environ["FOOTFALL_DIR"])


def roots() -> tuple[Path, ...]:
    """Every directory that footfall may use in this test."""
    return state(), *(Path(os.environ[name]) for name in ("XDG_CONFIG_HOME", "XDG_STATE_HOME", "HOME"))


def forget() -> None:
    """Stop what ran in this process, so that the next use begins as a new process would."""
    used = runtime.replace(None)
    if used is not None:
        used.stop()


def deliver(*send_to: footfall.Destination, drain_seconds: float = 2.0, **fields: Any) -> Ledger:
    """Record one event with *fields*, try to deliver it, and stop; the books as they are then."""
    forget()
    footfall.instrument(PROJECT, version="1.0", send_to=send_to)
    footfall.event("step", **fields)
    ledger = footfall.drain(drain_seconds)
    forget()
    return ledger
