"""What a program says to a migas server, and asks it (migas.md sections 2.1 and 2.2)."""

from __future__ import annotations

import warnings
from typing import Any

from footfall.errors import guard
from footfall.facade.migas import pipeline
from footfall.facade.migas.config import Config
from footfall.facade.migas.pipeline import Answer
from footfall.scrub import bounded
from footfall.wire import migas_fields
from footfall.wire import migas_queries as queries
from footfall.wire.text import as_text

__all__ = ["add_breadcrumb", "add_project", "check_project", "get_usage"]


def add_breadcrumb(
    project: str,
    project_version: str,
    wait: bool = False,
    **fields: Any,
) -> Answer | None:
    """Leave a crumb: *project* is used, in this version, and this is how it goes.

    The crumb is written to the journal before this returns, and sent later: no server is waited for.

    Args:
        project: ``owner/name``.
        project_version: Of the project.
        wait: REST only: ask the server to store the crumb before it answers the courier. Does not make this call wait.
        **fields: ``language language_version``, of the process ``user_id session_id user_type platform container
            is_ci``, of the run ``status status_desc error_type error_desc``. None takes one out that `setup` set or
            footfall found; other names are dropped in silence. Texts are scrubbed.

    Returns:
        ``{"success": True}`` when the crumb is kept; in the REST dialect None, or with *wait*
        ``{"success": True, "message": ""}``. ``success`` is False, with ``errors`` or ``message``, when it is not.
    """
    refused: Answer | None = {"success": False, "message": pipeline.NOT_KEPT}
    with guard("add_breadcrumb"):
        refused = pipeline.add_crumb(project, project_version, fields, wait=wait)
    if refused is not None:
        return refused
    if Config.dialect == "graphql":
        return {"success": True}
    return {"success": True, "message": ""} if wait else None


def check_project(project: str, project_version: str, **fields: Any) -> Answer:
    """Ask whether *project_version* is flagged, and which version is the latest.

    Args:
        project: ``owner/name``.
        project_version: The one in use.
        **fields: Accepted and not sent: the server's schema has none of them and refuses the whole question.

    Returns:
        ``{"success": ..., "flagged": ..., "latest": ..., "message": ...}``, or ``{"success": False, "message": ...}``.
    """
    del fields
    return pipeline.ask("check_project", project, lambda: queries.check_project(project, _text(project_version)))


def get_usage(project: str, start: str, *, end: str | None = None, unique: bool | None = None, **fields: Any) -> Answer:
    """Ask how often *project* was used.

    Args:
        project: ``owner/name``.
        start: ``YYYY-MM-DD`` or ``YYYY-MM-DDTHH:MM:SSZ``, or a date.
        end: The same; default: now.
        unique: Count users instead of crumbs.
        **fields: Accepted and not sent.

    Returns:
        ``{"hits": ..., "message": ..., "unique": ..., "success": ...}``, or ``{"success": False, "message": ...}``.
    """
    del fields
    until = None if end is None else _text(end)
    return pipeline.ask(
        "get_usage", project, lambda: queries.get_usage(project, _text(start), until, migas_fields.flag(unique))
    )


def add_project(project: str, project_version: str, **fields: Any) -> Answer:
    """Leave a crumb and ask about the version, as the original did before these were two calls.

    Deprecated there as here. The server's own operation of this name is not used any more.

    Returns:
        ``{"bad_versions": [...], "cached": ..., "latest_version": ..., "message": ..., "success": ...}``, or what
        `check_project` returns for a failure.
    """
    warnings.warn("add_project() is now add_breadcrumb() and check_project()", DeprecationWarning, stacklevel=2)
    add_breadcrumb(project, project_version, **fields)
    answer = check_project(project, project_version)
    if "latest" not in answer:
        return answer
    return {
        "bad_versions": [project_version] if answer.get("flagged") else [],
        "cached": False,
        "latest_version": answer["latest"],
        "message": answer.get("message", ""),
        "success": answer["success"],
    }


def _text(value: object) -> str:
    """Return *value* as text, without running any code of it."""
    return as_text(bounded(value))
