"""Say no: from now on nothing is observed, kept or sent, and what was not sent yet is deleted.

Without a project it is a no to everything, in all programs of this user that read the same config directory; with one,
to that project alone. It is recorded at once; running processes obey within a second or so. Saying it again does no
harm. Where nothing can be recorded, FOOTFALL=off or DO_NOT_TRACK=1 in the environment say the same.
"""

from __future__ import annotations

import argparse
import contextlib
import os
from typing import TYPE_CHECKING, Final

from footfall import settings as settings_module
from footfall.cli import choices, tables
from footfall.cli.common import deliverer
from footfall.cli.main import DONE
from footfall.consent import choice
from footfall.jobs import registered
from footfall.ledger import Reason
from footfall.places import find, private_directory
from footfall.resource import kernels
from footfall.status import read_status

if TYPE_CHECKING:
    from collections.abc import Iterator

    from footfall.ledger import Ledger
    from footfall.places import Places
    from footfall.settings import Settings

EXAMPLE: Final = """\
$ footfall off
$ footfall off nipreps/fmriprep
"""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the arguments of ``footfall off``."""
    parser.add_argument("project", nargs="?", default="", metavar="PROJECT", help="owner/name; default: everything")


def run(arguments: argparse.Namespace) -> int:
    """Record the no, delete what was not sent, and print both."""
    said = choices.record(choice.turn_off, arguments.project, instead="FOOTFALL=off or DO_NOT_TRACK=1")
    named = tables.escaped(arguments.project) or "everything"
    command = f"footfall on {tables.escaped(arguments.project)}".rstrip()
    print(f"footfall is off for {named}, as {tables.escaped(said.path)} says; `{command}` takes it back")
    # Not strictly read: a wrong value elsewhere must not stand in the way of a no.
    settings = settings_module.read_or_default(os.environ)
    places = find(settings.directory, os.environ, make=False)
    for line in ["nothing waited to be sent"] if places is None else _delete(places, settings):
        print(line)
    if places is not None and not arguments.project:
        with contextlib.suppress(OSError):  # two random ids, and nothing reads them from now on
            kernels.forget(places.state)
        with contextlib.suppress(OSError):  # what developers declared; it says which jobs ran here
            registered.forget(places.state)
    # Now that what waited was looked through, so that a project is known which nobody had looked at before.
    if arguments.project and (hint := choices.unknown(arguments.project, settings)):
        print(hint)
    return DONE


def _delete(places: Places, settings: Settings) -> Iterator[str]:
    """Delete what may not be sent any more, and yield lines that say what was deleted and what remains."""
    if places.journal.is_dir():
        private_directory(places.outbox)  # which somebody may have removed by hand
        before = read_status(places)
        from footfall.delivery import forget  # SQLite and HTTP: not where there is nothing to delete

        after = forget(places, settings)
        if after is None:
            yield f"{deliverer(places)} delivers right now; it deletes what waits within its next turn, about a second"
        else:
            yield from deleted(before.ledger if before is not None else None, after)
    else:
        yield "nothing waited to be sent"
    yield from left_behind(places)


def deleted(before: Ledger | None, after: Ledger) -> Iterator[str]:
    """Yield what `forget` made of the books, for each destination, and what is still pending."""
    earlier = _opted_out(before) if before is not None else {}
    rows = [
        (tables.escaped(destination), count - earlier.get(destination, 0))
        for destination, count in _opted_out(after).items()
        if count > earlier.get(destination, 0)
    ]
    if rows:
        yield from tables.table(("deleted before it was sent", "records"), rows)
    else:
        yield "nothing waited to be sent"
    if after.pending:
        yield f"{tables.plural(after.pending, 'record')} of other projects still wait to be sent"


def _opted_out(ledger: Ledger) -> dict[str, int]:
    return {account.destination: account.dropped.get(Reason.OPTED_OUT, 0) for account in ledger.accounts}


def left_behind(places: Places) -> Iterator[str]:
    """Yield what this machine does not delete: directories of other machines on a shared file system."""
    others = sorted(path.name for path in (places.state / "hosts").glob("*") if path.name != places.host)
    if others:
        yield f"not deleted, since other machines may still write there: {tables.escaped(str(places.state / 'hosts'))}"
        yield from (f"  {tables.escaped(name)}" for name in others)
        yield "their programs obey this no where they read the same config directory, and so does who takes them over"
