"""Whether a test runner runs this program: what it tests is no use (reliability.md S16).

That ``pytest`` or ``unittest`` is *imported* proves nothing: libraries import both. Asked is who the main program is,
and what only a running session loads or sets.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Mapping, Sequence
from pathlib import PurePath
from types import ModuleType
from typing import Final

VARIABLES: Final[Mapping[str, str]] = {
    "PYTEST_CURRENT_TEST": "pytest",
    "PYTEST_VERSION": "pytest",  # from 8.2 on set for the whole session, so also while tests are collected
    "PYTEST_XDIST_WORKER": "pytest",
    "TOX_ENV_NAME": "tox",
    "TOX_ENV_DIR": "tox",
    "NOX_CURRENT_SESSION": "nox",
}
"""Variables that runners set for what they run; child processes inherit them."""

PROGRAMS: Final = frozenset(
    {"pytest", "py.test", "unittest", "nose2", "trial", "stestr", "ward", "green", "zope-testrunner"}
)
"""Main programs, as a command or behind ``python -m``."""

PYTEST_SESSION: Final = "_pytest.pastebin"
"""A plugin that pytest loads when a session begins, and that ``import pytest`` does not (seen in 9.2)."""


def detect(environ: Mapping[str, str]) -> str:
    """Return the test runner at work, by the environment or in this process; "" without one."""
    return from_environment(environ) or loaded()


def from_environment(environ: Mapping[str, str]) -> str:
    """Return the runner that *environ* tells of, as in "tox (TOX_ENV_NAME is set)"; "" without one."""
    for variable, name in VARIABLES.items():
        if environ.get(variable):
            return f"{name} ({variable} is set)"
    return ""


def loaded(modules: Mapping[str, ModuleType] | None = None, argv: Sequence[str] | None = None) -> str:
    """Return the runner that runs in this process, such as "pytest"; "" without one. Costs a few microseconds.

    A script that imports ``unittest`` (or its ``TestCase``) at its top is taken for a test script: it ends in
    ``unittest.main()``, which leaves no other trace before it runs.

    Args:
        modules: Default: `sys.modules`.
        argv: Default: `sys.argv`.
    """
    modules = sys.modules if modules is None else modules
    argv = sys.argv if argv is None else argv
    if PYTEST_SESSION in modules:
        return "pytest"
    main = modules.get("__main__")
    spec = getattr(main, "__spec__", None)
    program = str(getattr(spec, "name", "")).partition(".")[0] or _command(argv)
    if program in PROGRAMS:
        return program
    unittest = modules.get("unittest")
    if unittest is not None and main is not None:
        names = vars(main)
        if names.get("unittest") is unittest or names.get("TestCase", main) is getattr(unittest, "TestCase", None):
            return "unittest"
    return ""


def _command(argv: Sequence[str]) -> str:
    name = PurePath(argv[0]).name if argv and argv[0] else ""
    return name.removesuffix(".exe") if os.name == "nt" else name
