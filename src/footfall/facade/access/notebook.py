"""Notebooks: the two names that startup files and ``%load_ext`` use.

Functions are observed themselves, in every cell and outside of cells, so no cell is parsed, evaluated or sent
(access.md D6, D9). Who looks for names is `footfall.ipython`.
"""

from __future__ import annotations

import sys
from typing import Any

from footfall import ipython, runtime
from footfall.errors import guard
from footfall.facade.access.registry import TelemetryRegister

__all__ = ["capture_registered_calls", "load_ipython_extension"]


def capture_registered_calls(info: object = None) -> None:
    """Observe what the registers of all services name, from now on: a handler for any event of IPython.

    Args:
        info: What the event brings: the shell, a cell, or nothing. A cell is not looked at.
    """
    with guard("capture_registered_calls"):
        shell = info if hasattr(info, "user_module") else _shell()
        if shell is not None:
            ipython.load_ipython_extension(shell)
        here = runtime.current()
        if not here.refusal():
            here.look_for_names()
        TelemetryRegister.observe_defaults()


def load_ipython_extension(ipython: Any) -> None:
    """Observe what the registers of all services name: ``%load_ext footfall.facade.access``.

    Args:
        ipython: The shell.
    """
    capture_registered_calls(ipython)


def _shell() -> Any:
    """Return IPython's shell where one is running."""
    find = getattr(sys.modules.get("IPython"), "get_ipython", None)
    return find() if find is not None else None
