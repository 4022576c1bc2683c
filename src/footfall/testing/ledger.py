"""`assert_ledger`: nothing vanished (reliability.md P1)."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from footfall.ledger import Ledger

_HEAD = ("destination", "accepted", "delivered", "pending", "dropped", "unexplained")


def assert_ledger(ledger: Ledger) -> None:
    """Hold *ledger* to accepted = delivered + pending + dropped, for each account, with no negative figure.

    Raises:
        AssertionError: It does not balance; the message is a table of all accounts, and of the reasons for drops.
    """
    negative = any(
        figure < 0
        for account in ledger.accounts
        for figure in (account.accepted, account.delivered, account.pending, *account.dropped.values())
    )
    if not ledger.balanced or negative or ledger.unread < 0 or ledger.corrupt < 0:
        raise AssertionError("the ledger does not balance:\n" + table(ledger))


def table(ledger: Ledger) -> str:
    """Return *ledger* as lines of text: one for each account, then unread and corrupt records."""
    rows: list[tuple[str, ...]] = [_HEAD]
    notes: list[str] = []
    for each in ledger.accounts:
        unexplained = each.accepted - each.delivered - each.pending - each.lost
        figures = (each.accepted, each.delivered, each.pending, each.lost, unexplained)
        rows.append((each.destination, *map(str, figures)))
        if each.dropped:
            reasons = ", ".join(f"{reason.value} {count}" for reason, count in each.dropped.items())
            notes.append(f"{each.destination} dropped: {reasons}")
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    lines = ["  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip() for row in rows]
    return "\n".join([*lines, *notes, f"unread {ledger.unread}, corrupt {ledger.corrupt}"])
