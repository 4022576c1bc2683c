"""The notebook extension: ``%load_ext footfall.ipython``, or the same in a startup file of all kernels.

It instruments every installed project, and finds out what bare names mean (`footfall.instrumentation.namespace`): the
one thing that takes a look at the notebook, right before each cell. The functions themselves are wrapped, so cells run
as they are written, and what happens in them is recorded with its real values.

IPython is never imported here; the shell that is handed over tells all there is to know. While footfall is off nothing
is done at all. Nothing is printed or raised.
"""

from __future__ import annotations

from collections.abc import Mapping
from types import ModuleType
from typing import Any, Final, cast

from footfall import installed, runtime
from footfall.errors import guard
from footfall.instrumentation.namespace import Names
from footfall.instrumentation.shown import Shown

EVENT: Final = "pre_run_cell"


class _Extension:
    """What was done for one shell.

    Attributes:
        projects: Those that were instrumented for it.
        shown: What shows objects and exceptions as without us.
    """

    def __init__(self, shell: Any, names: Names) -> None:
        self._shell = shell
        self._names = names
        self.projects: list[str] = []
        self.shown = Shown(shell)

    def before_cell(self, info: Any = None) -> None:
        """Look at the user's names; IPython calls this."""
        with guard("before cell"):
            self.look(getattr(info, "raw_cell", ""))

    def look(self, text: object) -> None:
        """Look at the user's names as they are before a cell of this *text*."""
        main = self._shell.user_module
        if isinstance(main, ModuleType):
            self._names.before_cell(main, text if isinstance(text, str) else "")


_loaded: Final[dict[int, _Extension]] = {}
"""By the id of the shell."""


def load_ipython_extension(ip: Any) -> None:
    """Observe what this notebook uses of the installed projects. A second time does nothing.

    Args:
        ip: The shell: any object with IPython's ``events``, ``user_module`` and ``config``.
    """
    with guard("load extension"):
        _load(ip)


def unload_ipython_extension(ip: Any) -> None:
    """Undo `load_ipython_extension`: each name holds its original object again.

    Projects that the program itself had instrumented stay so, but for their bare names.
    """
    with guard("unload extension"):
        extension = _loaded.pop(id(ip), None)
        if extension is None:
            return
        ip.events.unregister(EVENT, extension.before_cell)
        extension.shown.undo()
        here = runtime.current()
        if not _loaded:
            here.look_for_names(wanted=False)
        for project in extension.projects:
            here.uninstrument(project)


def _load(ip: Any) -> None:
    here = runtime.current()
    if id(ip) in _loaded or here.refusal():
        return
    before = set(here.projects)
    names = here.look_for_names()
    if names is None:
        return
    extension = _loaded[id(ip)] = _Extension(ip, names)
    ip.events.register(EVENT, extension.before_cell)
    installed.instrument({})
    extension.projects = [project for project in here.projects if project not in before]
    if kernel := _connection_file(ip):
        here.continue_session(kernel)
    inputs = _mapping(vars(ip.user_module)).get("In")  # the cell that says %load_ext is running already
    extension.look(cast("list[object]", inputs)[-1] if isinstance(inputs, list) and inputs else "")


def _connection_file(ip: Any) -> str:
    """Return the connection file of the kernel, or "" in a terminal."""
    section = _mapping(_mapping(getattr(ip, "config", None)).get("IPKernelApp"))
    found = section.get("connection_file")
    return found if isinstance(found, str) else ""


def _mapping(value: Any) -> Mapping[str, Any]:
    return cast("Mapping[str, Any]", value) if isinstance(value, Mapping) else {}
