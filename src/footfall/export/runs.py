"""When what is held for a wire is joined and sent: a timer, a size, or an end (insights.md section 13).

The rows themselves are the state (`footfall.outbox.runs`), so whoever delivers next goes on where the last one was
killed, and a timer runs on while nobody delivers.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, cast

from footfall.errors import FootfallError, trouble
from footfall.outbox import runs

if TYPE_CHECKING:
    from footfall.destination import Destination
    from footfall.outbox.store import Outbox
    from footfall.wire.base import JoiningWire, Wire


class Runs:
    """Ends the runs of an outbox that this process holds.

    Args:
        outbox: Where requests are held.
        wires: Gives the wire of a destination; may raise, then its requests are sent as they are when their time comes.
    """

    def __init__(self, outbox: Outbox, *, wires: Callable[[Destination], Wire]) -> None:
        self._outbox = outbox
        self._wires = wires

    def end(self, *, all_of_them: bool = False) -> int:
        """End the runs whose oldest request has waited long enough, and those that are large; return their requests.

        Args:
            all_of_them: Also the others: somebody waits for delivery, or the process ends.
        """
        ended = 0
        for held in runs.waiting(self._outbox):
            try:
                wire = cast("JoiningWire", self._wires(held.destination))
                join, run_bytes = wire.join, wire.run_bytes
            except (FootfallError, AttributeError) as error:
                trouble.hidden("join requests", error)
                continue
            if all_of_them or held.is_due or held.size_bytes >= run_bytes:
                while (joined := runs.join(self._outbox, held.id, join, most_bytes=run_bytes)) > 0:
                    ended += joined
        return ended
