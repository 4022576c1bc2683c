"""Where the development version keeps the operations."""

from footfall.facade.migas.operations import add_breadcrumb, add_project, check_project, get_usage

__all__ = ["add_breadcrumb", "add_project", "check_project", "get_usage"]
