"""The interface of the migas client on footfall: change ``import migas`` to this package, and keep the code.

    from footfall.facade import migas
    migas.setup(endpoint="https://migas.example.org")
    migas.add_breadcrumb("nipreps/fmriprep", "24.1.0", status="R", status_desc="workflow start")

Both generations of the client are offered: the release 0.4.0 (GraphQL) and the development version (REST, `track`). A
crumb is written to this process's journal and delivered later, so no call waits for a server; the two questions
`check_project` and `get_usage` are answered at once or within ``MIGAS_TIMEOUT``. ``docs/migas.md`` has one row for each
name: the same, repaired, or not offered, and why.
"""

from typing import Final

from footfall.facade.migas.config import clear_user_id, print_config, setup
from footfall.facade.migas.operations import add_breadcrumb, check_project, get_usage
from footfall.facade.migas.tracker import track, track_exit
from footfall.version import VERSION

__version__: Final = f"0.4.0+footfall.{VERSION}"
"""Of the interface, then whose it is: programs compare it with the releases of the original."""

__all__ = [
    "__version__",
    "add_breadcrumb",
    "check_project",
    "clear_user_id",
    "get_usage",
    "print_config",
    "setup",
    "track",
    "track_exit",
]
