"""A package that knows nothing of telemetry."""

from __future__ import annotations


def work(depth: int = 0) -> int:
    """Call itself *depth* times."""
    return depth and work(depth - 1)


def rest() -> None:
    """Do nothing; other registries name it."""
