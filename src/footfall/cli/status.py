"""Print what footfall saw on this machine, and what became of it.

One line for each destination: accepted = delivered + pending + dropped, or "balanced" says NO. Records are taken from
journals into the outbox first where nobody else delivers; nothing is sent. Where a server has ordered records dropped
("a server does not want"), its rules are listed. The exit status is 1 when an account does not balance; something
pending is nothing wrong.
"""

from __future__ import annotations

import json
import time
from typing import TYPE_CHECKING, Final

from footfall.cli import tables
from footfall.cli.common import Here, figures, here
from footfall.cli.main import DONE, UNFINISHED
from footfall.status import Status, to_json

if TYPE_CHECKING:
    import argparse

    from footfall.outbox.rows import KnownRule

EXAMPLE: Final = """\
$ footfall status
$ footfall status --json
"""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the options of ``footfall status``."""
    parser.add_argument("--json", action="store_true", help="for programs: the same figures as one JSON object")


def run(arguments: argparse.Namespace) -> int:
    """Print the figures; return 1 when they do not balance."""
    at = here()
    status, delivers = figures(at)
    if arguments.json:
        print(json.dumps(to_json(status), indent=2))
    else:
        print("\n".join(lines(at, status, delivers)))
    return DONE if status.ledger.balanced else UNFINISHED


def lines(at: Here, status: Status, delivers: str) -> list[str]:
    """Return *status* for people."""
    ledger = status.ledger
    files = at.places.state if at.places is not None else "none"
    facts = {
        "footfall is": f"{at.decision.mode}: {tables.escaped(at.decision.reason)}",
        "files": tables.escaped(str(files)),
        "who delivers": delivers,
        "figures of": tables.moment(status.time_ns) if status.time_ns else "nobody delivered so far",
        "pending": tables.plural(ledger.pending, "record"),
        "not read yet": f"{tables.plural(ledger.unread, 'record')} in journals",
    }
    if status.file_bytes:
        facts["files waiting"] = f"{status.file_bytes / 2**20:.1f} MiB"
    if ledger.corrupt:
        facts["damaged"] = tables.plural(ledger.corrupt, "journal line")
    found = [*tables.pairs(facts), "", *tables.accounts(ledger)]
    if status.observed:
        uses = [(tables.escaped(project), count) for project, count in sorted(status.observed.items())]
        found += ["", *tables.table(("project", "uses seen"), uses)]
    rules = [each for each in status.rules if each.until_ns > time.time_ns()]
    if rules:
        head = ("a server does not want", "said by", "until", "dropped")
        found += ["", *tables.table(head, [_rule(each) for each in rules])]
    if status.trouble:
        kinds = [(tables.escaped(kind), count) for kind, count in sorted(status.trouble.items())]
        found += ["", *tables.table(("hidden trouble of the delivering process", "times"), kinds)]
    return found


def _rule(rule: KnownRule) -> tuple[object, ...]:
    """Return a row for *rule*; every word of it came from a server."""
    labels = ", ".join(f"{name}={value}" for name, value in sorted(rule.labels.items()))
    return tables.escaped(labels), tables.escaped(rule.destination), tables.moment(rule.until_ns), rule.dropped
