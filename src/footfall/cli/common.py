"""What several commands ask first: the settings, the places, whether anything may be sent, and how things stand."""

from __future__ import annotations

import os
from pathlib import Path
from typing import TYPE_CHECKING

import msgspec

from footfall import settings as settings_module
from footfall.consent import choice, runner
from footfall.consent.switches import Decision, decide
from footfall.errors import FootfallError
from footfall.ledger import Ledger
from footfall.places import Places, config_directory, find, is_alive
from footfall.settings import Settings
from footfall.status import Status, read_status, unread_records

if TYPE_CHECKING:
    from collections.abc import Mapping


class Here(msgspec.Struct, frozen=True, kw_only=True):
    """This user on this machine.

    Attributes:
        settings: Read strictly: at a prompt a wrong value is better refused than ignored.
        decision: What may be done as a whole, and why; each project may still have its own word.
        places: Where the files are; None while footfall is off and has none, for then none are made.
    """

    settings: Settings
    decision: Decision
    places: Places | None


def here(environ: Mapping[str, str] = os.environ) -> Here:
    """Return where this process is and what it may do.

    Raises:
        ConfigurationError: A variable holds a wrong value.
        FootfallError: No directory can be used.
    """
    settings = settings_module.read(environ)
    said = choice.read(config_directory(environ))
    decision = decide(environ, runner=runner.from_environment(environ), choice=said)
    if not decision.records and not _state_directory(settings).is_dir():
        return Here(settings=settings, decision=decision, places=None)
    places = find(settings.directory, environ)
    if places is None:
        msg = "no directory for footfall's files can be used; set FOOTFALL_DIR to one of yours"
        raise FootfallError(msg)
    return Here(settings=settings, decision=decision, places=places)


def _state_directory(settings: Settings) -> Path:
    if settings.directory:
        return Path(settings.directory)
    import platformdirs  # where only an opted-out user comes along

    return platformdirs.user_state_path("footfall", appauthor=False)


def figures(at: Here) -> tuple[Status, str]:
    """Return how things stand, and a phrase that says who delivers.

    Journals are taken in first where nobody delivers; nothing is sent. While footfall is off, files are only read.

    Raises:
        OutboxError: The outbox cannot be used.
    """
    if at.places is None:
        return Status(time_ns=0, pid=0, ledger=Ledger()), "nobody, footfall is off"
    if not at.decision.records:
        return _last(at.places), "nobody from here, footfall is off"
    from footfall.delivery import current_status  # SQLite and HTTP: not for those who are off

    status = current_status(at.places, at.settings)
    return status, "nobody right now" if status.pid == os.getpid() else deliverer(at.places)


def _last(places: Places) -> Status:
    """Return the last figures that a delivering process wrote, with what journals hold beyond them."""
    last = read_status(places) or Status(time_ns=0, pid=0, ledger=Ledger())
    unread = unread_records(places.journal, last.offsets)
    return msgspec.structs.replace(last, ledger=msgspec.structs.replace(last.ledger, unread=unread))


def deliverer(places: Places) -> str:
    """Return which process holds the outbox, as far as its status file tells; for when one does."""
    last = read_status(places)
    return f"process {last.pid}" if last is not None and is_alive(last.pid, "") else "another process"
