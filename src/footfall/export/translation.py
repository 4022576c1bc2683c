"""Uses into requests, destination by destination: what journals and the gateway have in common. No files, no network.

A wire that fails on a record costs that record and no other; whatever no request was made of is counted
(reliability.md B3).
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Final

from footfall.destination import Destination
from footfall.errors import FootfallError, OutboxError, trouble
from footfall.usage import Kind, Usage
from footfall.wire.base import Request, Wire

NOWHERE: Final = Destination(wire="none", endpoint="http://localhost")
"""Account of records whose project names no destination, or none for their service: they are counted, not kept."""


class Translation:
    """What became of a number of uses.

    Args:
        number: Gives the outbox's number of a destination.
        wires: Gives the wire of a destination; may raise for one that is not installed.

    Attributes:
        requests: Number of the destination, and what to send it.
        projects: For each request, the project it speaks for.
        untranslatable: Number of a destination to records for which its wire has no word.
        homeless: Number of the account `NOWHERE` to records without a destination.
    """

    def __init__(self, number: Callable[[Destination], int], wires: Callable[[Destination], Wire]) -> None:
        self._number = number
        self._wires = wires
        self.requests: list[tuple[int, Request]] = []
        self.projects: list[str] = []
        self.untranslatable: dict[int, int] = {}
        self.homeless: dict[int, int] = {}

    def add(self, send_to: Sequence[Destination], usages: list[Usage]) -> int:
        """Translate *usages*, all of one project, for each of *send_to*.

        Returns:
            Of how many at most no request was made at all.

        Raises:
            OutboxError: A wire could not be loaded now, which says nothing about the records.
        """
        if not send_to:
            number = self._number(NOWHERE)
            self.homeless[number] = self.homeless.get(number, 0) + len(usages)
            return len(usages)
        return min(self._for_one(destination, usages) for destination in send_to)

    def _for_one(self, destination: Destination, usages: list[Usage]) -> int:
        number = self._number(destination)
        try:
            wire = self._wires(destination)
        except FootfallError as error:  # not installed here, or it refuses its options: that will not change
            trouble.hidden("load wire", error)
            return self._drop(number, len(usages))
        except Exception as error:
            # A module that fails to import says nothing about the record: on its way out a process cannot start
            # the threads that some imports want. The journal keeps it for whoever delivers next.
            msg = f"wire {destination.wire!r} cannot be loaded ({type(error).__name__}); journals are kept"
            raise OutboxError(msg) from error
        told = usages
        if not getattr(wire, "tells_starts", True):
            told = [usage for usage in usages if usage.kind is not Kind.START]
        size = wire.batch_records
        return sum(self._translate(number, wire, told[start : start + size]) for start in range(0, len(told), size))

    def _translate(self, number: int, wire: Wire, usages: list[Usage]) -> int:
        try:
            requests = wire.translate(usages)
        except Exception as error:  # noqa: BLE001  a bug in a wire costs the record that meets it (reliability.md B3)
            if len(usages) > 1:
                return sum(self._translate(number, wire, [usage]) for usage in usages)
            trouble.hidden(f"translate to {wire.name}", error)
            requests = []
        self.requests.extend((number, request) for request in requests)
        self.projects.extend(usages[0].project for _ in requests)
        return self._drop(number, len(usages) - sum(request.records for request in requests))

    def _drop(self, number: int, records: int) -> int:
        if records > 0:
            self.untranslatable[number] = self.untranslatable.get(number, 0) + records
        return max(records, 0)
