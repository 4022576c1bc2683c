"""Forks that Python does not know of."""

from __future__ import annotations

import ctypes


def raw_fork() -> int:
    """Fork without Python's hooks, as a server written in C may."""
    return ctypes.PyDLL(None).fork()
