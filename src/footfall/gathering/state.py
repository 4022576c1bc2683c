"""What gathering needs of this machine and its user: may it, where is its memory, who delivers."""

from __future__ import annotations

import os
from pathlib import Path
from typing import TYPE_CHECKING

from footfall.consent import choice
from footfall.consent.switches import Decision, decide
from footfall.destination import Destination
from footfall.errors import FootfallError
from footfall.places import Places, config_directory, find
from footfall.settings import read_or_default

if TYPE_CHECKING:
    from footfall.collect.collection import Collection
    from footfall.collect.shipping import Shipper


def decision(project: str) -> Decision:
    """Return whether *project* may gather and send. Who calls has asked for it, be it under a test runner."""
    said = choice.read(config_directory(os.environ))
    return decide(os.environ, runner="", project=project, choice=said)


def directory(*, make: bool = True) -> Path | None:
    """Return where progress is kept: beside the outbox that it speaks of, for each machine; None where there is none.

    Args:
        make: Else only a place that is there already will do.
    """
    places = _places(make=make)
    return places.journal.parent if places is not None else None


def existing_directory() -> Path:
    """Return `directory`, made where it is missing.

    Raises:
        FootfallError: No directory can be used.
    """
    return _existing_places().journal.parent


def shipper(project: str) -> Shipper:
    """Return who keeps packages of *project* and delivers them: the outbox.

    Raises:
        FootfallError: No directory can be used.
    """
    from footfall.shipper import OutboxShipper  # noqa: PLC0415  a dry run needs no outbox

    return OutboxShipper(_existing_places(), read_or_default(os.environ), project=project)


def tell(project: str, collection: Collection) -> None:
    """Make an event of what was gathered, for all destinations of *project*; nothing where it is not instrumented."""
    from footfall import runtime  # noqa: PLC0415  a dry run needs no runtime

    here = runtime.current()
    known = here.projects.get(project)
    if known is None:
        return
    fields = {
        "insights.version": collection.version,
        "insights.shipping_group": collection.registered.group,
        "status": "ok" if collection.successful else "failed",
        "bytes": collection.data_size(),
    }
    times = {"since": collection.since, "until": collection.until}
    fields |= {name: time.isoformat() for name, time in times.items() if time is not None}
    here.event(known, collection.key, fields)


def content_type(destination: Destination) -> str:
    """Return what packages for *destination* are called."""
    from footfall.wire.insights import CONTENT_TYPE  # noqa: PLC0415  a dry run needs no wire

    return str(destination.options.get("content_type") or CONTENT_TYPE)


def _places(*, make: bool = True) -> Places | None:
    return find(read_or_default(os.environ).directory, os.environ, make=make)


def _existing_places() -> Places:
    places = _places()
    if places is None:
        msg = "no directory for footfall's files, and packages must be kept; set FOOTFALL_DIR to one of yours"
        raise FootfallError(msg)
    return places
