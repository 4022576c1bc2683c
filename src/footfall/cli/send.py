"""Deliver what is pending, now: from cron, or at the end of a job whose node is about to vanish.

Where another process delivers, wait for it instead. What has to wait longer than the deadline (a server that asked for
it, a back-off) is not waited for: the next run delivers it. The exit status is 1 when something is still pending.
While footfall is off nothing is sent, and that is no failure.
"""

from __future__ import annotations

import argparse
import sys
import time
from typing import TYPE_CHECKING, Final

from footfall.cli import tables
from footfall.cli.arguments import seconds
from footfall.cli.common import Here, deliverer, here
from footfall.cli.main import DONE, UNFINISHED
from footfall.cli.progress import Progress
from footfall.errors import OutboxBusyError

if TYPE_CHECKING:
    from collections.abc import Iterator

    from footfall.delivery import Delivery
    from footfall.ledger import Ledger
    from footfall.places import Places

EXAMPLE: Final = """\
$ footfall send
$ footfall send --deadline 10
"""

DEADLINE_SECONDS: Final = 30.0

POLL_SECONDS: Final = 0.1
"""Between two looks at whether the other process is done, or gone."""

CLOSE_SECONDS: Final = 0.5
"""For exchanges that were cut short at the deadline to be settled."""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the options of ``footfall send``."""
    parser.add_argument(
        "--deadline",
        type=seconds,
        default=DEADLINE_SECONDS,
        metavar="SECONDS",
        help=f"longest time to spend (default: {DEADLINE_SECONDS:g})",
    )


def run(arguments: argparse.Namespace) -> int:
    """Deliver, print the books, and return 1 when something is still pending."""
    deadline = time.monotonic() + arguments.deadline
    at = here()
    if not at.decision.sends or at.places is None:
        print(f"nothing is sent: {tables.escaped(at.decision.reason)}")
        return DONE
    ledger = _deliver(at, at.places, deadline)
    print("\n".join(tables.accounts(ledger)))
    if ledger.unread:
        print(f"{tables.plural(ledger.unread, 'record')} in journals not taken in yet")
    pending, balanced = ledger.pending, ledger.balanced
    for machine, books in _for_others(at, at.places, deadline):
        print(f"left by {tables.escaped(machine)}:")
        print("\n".join(tables.accounts(books)))
        pending, balanced = pending + books.pending, balanced and books.balanced
    print(f"{tables.plural(pending, 'record')} pending" if pending else "nothing is pending")
    return DONE if balanced and not pending else UNFINISHED


def _for_others(at: Here, places: Places, deadline: float) -> Iterator[tuple[str, Ledger]]:
    """Deliver what other machines left on a shared file system; see `footfall.places.adoption`."""
    if not places.network:
        return iter(())
    from footfall.delivery import deliver_for_others

    return deliver_for_others(places, at.settings, deadline=deadline)


def _deliver(at: Here, places: Places, deadline: float) -> Ledger:
    """Deliver here, or wait for whoever does, until nothing is pending or the *deadline* (monotonic) is over."""
    from footfall.delivery import (
        Delivery,
        ask_for_all,
        current_status,
    )  # after the question whether anything may be sent

    told = False
    while True:
        try:
            delivery = Delivery(places, at.settings)
        except OutboxBusyError:
            ask_for_all(places)
            ledger = current_status(places, at.settings).ledger
            if not ledger.pending or time.monotonic() >= deadline:
                return ledger
            if not told:
                print(f"footfall: {deliverer(places)} delivers; waiting for it", file=sys.stderr)
                told = True
            time.sleep(POLL_SECONDS)
            continue
        try:
            return _drain(delivery, deadline)
        finally:
            delivery.close(CLOSE_SECONDS)


def _drain(delivery: Delivery, deadline: float) -> Ledger:
    with Progress(delivery.outbox.ledger):
        return delivery.drain(timeout_seconds=max(0.0, deadline - time.monotonic()))
