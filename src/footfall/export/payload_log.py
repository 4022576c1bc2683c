"""``FOOTFALL=log``: each request that would be sent is printed on stderr, and none is sent.

The one place outside the command line that prints, because the user asked for it by name. It reads this process's own
journal, as the courier would, so what is printed is what would be sent; by the background thread, and at the end.
"""

from __future__ import annotations

import contextlib
import sys
import threading
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager
from pathlib import Path
from typing import Any

from footfall.destination import Destination, takers
from footfall.errors import FootfallError, guard, trouble
from footfall.journal.reader import JournalReader, Observed, journals
from footfall.usage import Usage
from footfall.wire.load import load
from footfall.wire.readable import as_lines


class PayloadLog:
    """Prints what one process recorded since the last look.

    Args:
        directory: Of the journals.
        process: Random name of the process in the first line of its files.
        loading: Held while modules may be imported, which wires are when they are first asked for, so that no fork
            copies a half imported one.
        printing: Held while something is printed, so that no fork copies the locked buffer of a stream. Another lock:
            nobody knows how long a stream takes, and for modules others wait as well.
        stream: Where to; looked up each time, since hosts replace it.
    """

    def __init__(
        self,
        directory: Path,
        process: str,
        *,
        loading: AbstractContextManager[Any] = contextlib.nullcontext(),  # noqa: B008  has no state
        printing: AbstractContextManager[Any] = contextlib.nullcontext(),  # noqa: B008  has no state
        stream: Callable[[], Any] = lambda: sys.stderr,
    ) -> None:
        self._directory = directory
        self._process = process
        self._loading = loading
        self._printing = printing
        self._stream = stream
        self._readers: dict[str, JournalReader] = {}
        self._offsets: dict[str, int] = {}
        self._lock = threading.Lock()  # the thread and the exit must not print the same twice

    def flush(self) -> int:
        """Print what is new; return how many requests that were. Never raises."""
        printed = 0
        with guard("log payloads"), self._lock:
            for destination, usages in self._new():
                with self._loading:
                    requests = list(_requests(destination, usages))
                for lines in requests:
                    self._print(lines)
                    printed += 1
        return printed

    def _new(self) -> Iterator[tuple[Destination, list[Usage]]]:
        """Yield new records by destination, in the order of writing."""
        grouped: dict[str, tuple[Destination, list[Usage]]] = {}
        for path in journals(self._directory):
            for observed in self._read(path):
                for destination in takers(observed.send_to, observed.usage.service):
                    grouped.setdefault(destination.key, (destination, []))[1].append(observed.usage)
        yield from grouped.values()

    def _read(self, path: Path) -> Iterator[Observed]:
        reader = self._readers.setdefault(path.name, JournalReader(path))
        while True:
            try:
                chunk = reader.read(self._offsets.get(path.name, 0))
            except OSError:  # removed meanwhile
                return
            if reader.opened is None or reader.opened.process != self._process:
                return
            self._offsets[path.name] = chunk.offset
            yield from chunk.observed
            if chunk.at_end:
                return

    def _print(self, lines: list[str]) -> None:
        stream = self._stream()
        if stream is not None:
            with self._printing:
                stream.write("\n".join(["footfall would send " + lines[0], *lines[1:], ""]) + "\n")
                stream.flush()


def _requests(destination: Destination, usages: list[Usage]) -> Iterator[list[str]]:
    try:
        wire = load(destination.wire, destination.options)
    except FootfallError as error:
        trouble.hidden("load wire", error)
        return
    for start in range(0, len(usages), wire.batch_records):
        for request in wire.translate(usages[start : start + wire.batch_records]):
            yield list(as_lines(destination.key, request, destination))
