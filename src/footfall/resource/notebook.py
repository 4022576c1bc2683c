"""Whether a notebook or IPython runs this process, and whether a person types into it (otel.md section 4).

Nothing is imported, and no code but the interpreter's own is run: what IPython left in `sys.modules` is looked up in
the dictionaries of its modules, classes and objects, past any attribute that would compute something. A program that
only imports IPython has no shell, and is no notebook.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Mapping
from types import ModuleType
from typing import Final, cast

from footfall.attributes import NOTEBOOK, PROCESS_INTERACTIVE
from footfall.usage import AttributeValue

SERVICES: Final[Mapping[str, tuple[str, ...]]] = {
    "kaggle": ("KAGGLE_KERNEL_RUN_TYPE",),
    "colab": ("COLAB_RELEASE_TAG", "COLAB_BACKEND_VERSION"),
}
"""Hosted notebooks, and the variables of which one is set there, also for what a notebook starts."""

KERNEL_PARENT: Final = "JPY_PARENT_PID"
"""Set by Jupyter for each kernel, and handed on to what the kernel starts: workers, and ``!python``."""

EDITOR: Final = "VSCODE_PID"
"""Set by VS Code for the kernels that it starts, but not in its terminals."""


def detect(
    environ: Mapping[str, str] | None = None, modules: Mapping[str, object] | None = None
) -> dict[str, AttributeValue]:
    """Return ``footfall.notebook``, and ``process.interactive`` where IPython decides it; empty elsewhere.

    The words are ``kaggle``, ``colab``, ``vscode``, ``jupyter`` (any other kernel, or what one started) and ``ipython``
    (its terminal). A kernel counts as typed at: whether nbconvert or papermill drives it cannot be told from inside;
    only Kaggle says so.

    Args:
        environ: Environment; default: this process's.
        modules: Loaded modules by name; default: this process's.
    """
    environ = os.environ if environ is None else environ
    modules = sys.modules if modules is None else modules
    shell = _instance(modules, "IPython.core.interactiveshell", "InteractiveShell")
    found: dict[str, AttributeValue] = {}
    if word := _word(shell, environ):
        found[NOTEBOOK] = word
    if shell is not None:
        found[PROCESS_INTERACTIVE] = _prompts(modules) and environ.get("KAGGLE_KERNEL_RUN_TYPE", "").lower() != "batch"
    return found


def _word(shell: object, environ: Mapping[str, str]) -> str:
    if service := next((name for name, marks in SERVICES.items() if any(map(environ.get, marks))), ""):
        return service
    if shell is not None and any(kind.__name__ == "TerminalInteractiveShell" for kind in type(shell).__mro__):
        return "ipython"
    if shell is not None and environ.get(EDITOR):
        return "vscode"
    return "jupyter" if shell is not None or environ.get(KERNEL_PARENT) else ""


def _prompts(modules: Mapping[str, object]) -> bool:
    """Return False for ``ipython script.py``, which sets `sys.ps1` and shows no prompt."""
    application = _instance(modules, "traitlets.config.application", "Application")
    traits = vars(application).get("_trait_values") if application is not None else None
    return type(traits) is not dict or cast("dict[str, object]", traits).get("interact") is not False


def _instance(modules: Mapping[str, object], module: str, name: str) -> object:
    """Return the one object of class *name*, which traitlets keeps in the class; None when there is none yet."""
    # Exactly a module: those that load themselves at the first look are of a class of their own.
    loaded = modules.get(module)
    kind = vars(loaded).get(name) if type(loaded) is ModuleType else None
    return vars(kind).get("_instance") if isinstance(kind, type) else None
