"""A program that holds its credentials: ``credentials_child.py <url> <name> [held]``. It records one event and ends."""

from __future__ import annotations

import logging
import sys

import footfall
from footfall.courier.credentials import hold
from footfall.destination import Destination


def main(url, name, *words):
    """Record an event *name* for two servers: one open, one that wants what a holder says."""
    label = f"otlp {url} test"
    reference = hold("Authorization: Bearer canary-5e1d", label) if "held" in words else sys.argv[-1]
    guarded = Destination(wire="otlp", endpoint=url, credentials=reference)
    logging.basicConfig(level=logging.WARNING)
    footfall.instrument("demo/lib", version="1", send_to=[guarded, footfall.Migas(url)])
    footfall.event(name)
    ledger = footfall.drain(5)
    assert ledger.balanced
    print(sum(account.pending for account in ledger.accounts), reference)


if __name__ == "__main__":
    main(*sys.argv[1:])
