"""The interface of access-py-telemetry on footfall: change the import, and keep the code.

    from footfall.facade.access.api import ApiHandler
    from footfall.facade.access.decorators import register_func

The modules are named as in the original: `api`, `registry`, `decorators`. A call is written to this process's journal
and delivered later: no process is started, no server waited for, nothing printed. ``docs/access.md`` has one row for
each name: the same, repaired, or not offered, and why.
"""

from typing import Final

from footfall.facade.access.api import SessionID
from footfall.facade.access.notebook import capture_registered_calls, load_ipython_extension
from footfall.facade.access.registry import RegisterWarning
from footfall.version import VERSION

__version__: Final = f"0.3.0+footfall.{VERSION}"
"""Of the interface, then whose it is."""

__all__ = ["RegisterWarning", "SessionID", "__version__", "capture_registered_calls", "load_ipython_extension"]
