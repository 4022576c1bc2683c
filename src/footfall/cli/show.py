"""Print the exact requests that wait to be sent: method, address, headers, body. Nothing is sent.

Packed and binary bodies are printed as the JSON that they hold. Credentials are in no request: they are added at the
moment of sending, and here only their source is named. Where another process delivers, its requests are its own; the
journal lines that it has not taken in yet are printed as they are.
"""

from __future__ import annotations

import argparse
import os
from typing import TYPE_CHECKING, Final

from footfall.cli import tables
from footfall.cli.common import Here, deliverer, here
from footfall.cli.main import DONE
from footfall.errors import OutboxBusyError
from footfall.status import read_status

if TYPE_CHECKING:
    from collections.abc import Mapping

    from footfall.places import Places

EXAMPLE: Final = """\
$ footfall show
$ footfall show --limit 1
"""

LIMIT: Final = 20


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the options of ``footfall show``."""
    parser.add_argument(
        "--limit", type=_count, default=LIMIT, metavar="N", help=f"how many, the oldest first (default: {LIMIT})"
    )


def _count(text: str) -> int:
    if not text.isascii() or not text.isdigit() or not int(text):
        msg = f"{text!r} is not a whole number above zero"
        raise argparse.ArgumentTypeError(msg)
    return int(text)


def run(arguments: argparse.Namespace) -> int:
    """Print what waits; return 0, whatever that is."""
    at = here()
    if not at.decision.sends:
        print(f"nothing is sent: {tables.escaped(at.decision.reason)}")
    if at.places is None:
        return DONE
    try:
        found = _waiting(at, at.places, arguments.limit) if at.decision.records else _lines(at.places, arguments.limit)
    except OutboxBusyError:
        print(f"{deliverer(at.places)} delivers; these journal lines it has not taken in yet:\n")
        found = _lines(at.places, arguments.limit)
    for line in found:
        print(line)
    return DONE


def _waiting(at: Here, places: Places, limit: int) -> list[str]:
    """Return the lines that show the oldest *limit* requests of the outbox.

    Raises:
        OutboxBusyError: Another process holds it.
        OutboxError: It cannot be used.
    """
    from footfall.delivery import Delivery  # SQLite and HTTP
    from footfall.wire import readable

    delivery = Delivery(places, at.settings)
    try:
        delivery.bring_in()
        known = {each.destination.key: each.destination for each in delivery.outbox.destinations()}
        requests = delivery.outbox.peek(limit)
        pending = delivery.outbox.pending()
    finally:
        delivery.close()
    lines: list[str] = []
    for number, (key, request) in enumerate(requests, 1):
        first, *rest = readable.as_lines(key, request, known.get(key))
        lines += [f"{number}. {first}", *rest, ""]
    left = pending - sum(request.records for _, request in requests)
    if left > 0:
        lines.append(f"and {tables.plural(left, 'more record')}; --limit shows further requests")
    return lines or ["nothing waits"]


def _lines(places: Places, limit: int) -> list[str]:
    """Return the journal lines that nobody has taken in, each file under its name."""
    from footfall.journal.reader import JournalReader, journals

    last = read_status(places)
    offsets: Mapping[str, int] = last.offsets if last is not None else {}
    found: list[str] = []
    left = limit
    for path in journals(places.journal):
        try:
            reader = JournalReader(path)
            reader.read()
            sendable = reader.opened is not None and reader.opened.mode == "on"
            with path.open("rb") as file:
                file.seek(offsets.get(path.name, 0), os.SEEK_SET)
                text = file.read().decode("utf-8", "replace")
        except OSError:  # taken in and removed in this moment
            continue
        lines = [tables.escaped(line) for line in text.splitlines()]
        if not sendable or not lines:
            continue
        found += [path.name, *(f"  {line}" for line in lines[:left]), ""]
        left -= len(lines[:left])
        if left <= 0:
            found.append("--limit shows further lines")
            break
    return found or ["no such lines"]
