"""What several commands ask first: the settings, the places, whether anything may be sent, and how things stand."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING, Final

import msgspec

from footfall import settings as settings_module
from footfall.consent import choice, runner
from footfall.consent.switches import Decision, decide, refusal
from footfall.errors import FootfallError
from footfall.ledger import Ledger
from footfall.places import Places, config_directory, find, is_alive
from footfall.settings import Settings
from footfall.status import Status, last_status, read_status

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
    places = find(settings.directory, environ, make=decision.records)
    if places is None and decision.records:
        msg = "no directory for footfall's files can be used; set FOOTFALL_DIR to one of yours"
        raise FootfallError(msg)
    return Here(settings=settings, decision=decision, places=places)


SWITCHES: Final = ("DO_NOT_TRACK", "FOOTFALL", "OTEL_SDK_DISABLED", "MIGAS_OPTOUT")
"""Variables that can say no to everything."""


def refusals(environ: Mapping[str, str]) -> list[str]:
    """Return every no that *environ* says, a sentence each; `refusal` stops at the first."""
    said = (refusal({variable: environ.get(variable, "")}) for variable in SWITCHES)
    return [no for no in said if no]


def figures(at: Here) -> tuple[Status, str]:
    """Return how things stand, and a phrase that says who delivers.

    Journals are taken in first where nobody delivers; nothing is sent. While footfall is off, files are only read.

    Raises:
        OutboxError: The outbox cannot be used.
    """
    if at.places is None:
        return Status(time_ns=0, pid=0, ledger=Ledger()), "nobody, footfall is off"
    if not at.decision.records:
        return last_status(at.places), "nobody from here, footfall is off"
    from footfall.delivery import current_status  # SQLite and HTTP: not for those who are off

    status = current_status(at.places, at.settings)
    return status, "nobody right now" if status.pid == os.getpid() else deliverer(at.places)


def deliverer(places: Places) -> str:
    """Return which process holds the outbox, as far as its status file tells; for when one does."""
    last = read_status(places)
    return f"process {last.pid}" if last is not None and is_alive(last.pid, "") else "another process"
