"""Plain text for terminals and files: tables, figures, and text of strangers made harmless. Pure.

Plain on purpose: what is printed here ends up in job logs and mails of cron as often as on a terminal.
"""

from __future__ import annotations

import time
from collections.abc import Iterable, Mapping, Sequence
from typing import TYPE_CHECKING, Final

from footfall.wire.text import escaped as escaped  # noqa: PLC0414  of the same family, for all commands

if TYPE_CHECKING:
    from footfall.ledger import Account, Ledger

GAP: Final = "  "


def table(head: Sequence[str], rows: Iterable[Sequence[object]], *, indent: str = "") -> list[str]:
    """Return the lines of a table: the first column to the left, numbers to the right, no line longer than needed.

    Args:
        head: Titles.
        rows: As many cells each. Numbers are aligned right, with their column's title.
        indent: In front of each line.
    """
    content = [list(row) for row in rows]
    text = [[str(cell) for cell in row] for row in content]
    columns = list(zip(head, *text, strict=True))
    widths = [max(map(len, column)) for column in columns]
    numeric = [bool(content) and all(isinstance(row[index], int) for row in content) for index in range(len(head))]
    return [
        indent
        + GAP.join(
            cell.rjust(width) if right else cell.ljust(width)
            for cell, width, right in zip(line, widths, numeric, strict=True)
        ).rstrip()
        for line in ([*head], *text)
    ]


def markdown(head: Sequence[str], rows: Iterable[Sequence[object]]) -> list[str]:
    """Return the lines of a Markdown table; cells keep their backticks, and cannot end their column."""
    lines = [head, ["---"] * len(head), *rows]
    return [f"| {' | '.join(str(cell).replace('|', chr(92) + '|') for cell in line)} |" for line in lines]


def pairs(values: Mapping[str, object], *, indent: str = "") -> list[str]:
    """Return a line for each of *values*, names to the left."""
    width = max(map(len, values), default=0)
    return [f"{indent}{name.ljust(width)}{GAP}{value}".rstrip() for name, value in values.items()]


def accounts(ledger: Ledger) -> list[str]:
    """Return the table of all destinations: where each record is, and whether the sum is right."""
    if not ledger.accounts:
        return ["no destination was ever used"]
    head = ("destination", "accepted", "delivered", "pending", "dropped", "balanced", "why dropped")
    return table(head, [_row(account) for account in ledger.accounts])


def _row(account: Account) -> tuple[object, ...]:
    return (
        escaped(account.destination),
        account.accepted,
        account.delivered,
        account.pending,
        account.lost,
        "yes" if account.balanced else "NO",
        reasons(account),
    )


def reasons(account: Account) -> str:
    """Return why records of *account* were dropped, such as ``expired 3, refused 1``."""
    return ", ".join(f"{reason.value} {count}" for reason, count in sorted(account.dropped.items()) if count)


def moment(time_ns: int) -> str:
    """Return UTC nanoseconds as text, to the second."""
    return time.strftime("%Y-%m-%d %H:%M:%S UTC", time.gmtime(time_ns // 10**9))


def plural(count: int, word: str) -> str:
    """Return *count* and *word*, which gets an "s" unless there is one."""
    return f"{count} {word}" if count == 1 else f"{count} {word}s"
