"""A program of a migas user with its import changed. It is not run: mypy and pyright must accept it."""

from __future__ import annotations

from typing import Any

from footfall.facade import migas
from footfall.facade.migas.config import Config, gen_uuid, logger
from footfall.facade.migas.error.nipype import node_execution_error
from footfall.facade.migas.operations import add_project
from footfall.facade.migas.tracker import Tracker


def configure() -> str | None:
    """Every way to say who and where."""
    migas.setup()
    migas.setup(endpoint="https://migas.example.org/graphql", session_id="x", user_id="y", save_config=False)
    migas.setup(endpoint="https://migas.example.org", dialect="rest", filename="migas.json", insecure=True)
    Config.is_ci = None
    Config.platform = "linux"
    migas.print_config()
    migas.clear_user_id()
    logger.info(migas.__version__)
    return gen_uuid() or Config.language_version


def tell(arguments: dict[str, Any]) -> list[dict[str, Any] | None]:
    """Crumbs and questions."""
    return [
        migas.add_breadcrumb("nipreps/fmriprep", "24.1.0", status="R", status_desc="workflow start", is_ci=True),
        migas.add_breadcrumb("nipreps/fmriprep", "24.1.0", wait=True, **arguments),
        migas.check_project("nipreps/fmriprep", "24.1.0"),
        migas.get_usage("nipreps/fmriprep", "2024-01-01", end="2024-02-01", unique=True),
        add_project("nipreps/fmriprep", "24.1.0"),
    ]


@migas.track("nipreps/fmriprep", "24.1.0", init_ping=False)
def work(items: list[int]) -> int:
    """Keeps its signature."""
    return len(items)


def track() -> int:
    """The ways to track a run."""
    with migas.track("nipreps/fmriprep", "24.1.0", error_handlers="nipype") as tracker:
        name: str = tracker.project
    whole: Tracker = migas.track("nipreps/fmriprep", "24.1.0", user_type="dev")
    whole.stop(ValueError(name))
    migas.track_exit("nipreps/fmriprep", "24.1.0", {"NodeExecutionError": node_execution_error})
    return work([1])
