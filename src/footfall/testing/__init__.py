"""For users and for us: what one needs to test code that footfall observes, without a network and without waiting.

`Sink` is a server in a process of its own, `ScriptedTransport` stands in for the network inside one process,
`capture` hands out what a block's calls recorded, `FakeClock` and `SequentialIds` make runs repeatable, `assert_ledger`
checks that nothing vanished. pytest finds the fixtures ``footfall_capture``, ``footfall_sink``, ``footfall_clock`` and
``footfall_ids`` by itself.

Names are loaded at first use: pytest imports this package in every session of everybody who has footfall installed.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any, Final

if TYPE_CHECKING:
    from footfall.testing.captured import Captured, capture
    from footfall.testing.clock import FakeClock
    from footfall.testing.ids import SequentialIds
    from footfall.testing.ledger import assert_ledger
    from footfall.testing.sink.client import Received, Sink, read_requests
    from footfall.testing.transport import ScriptedTransport, Sent

__all__ = [
    "capture",
    "Captured",
    "FakeClock",
    "SequentialIds",
    "ScriptedTransport",
    "Sent",
    "Sink",
    "Received",
    "read_requests",
    "assert_ledger",
]

_HOME: Final = {
    "capture": "captured",
    "Captured": "captured",
    "FakeClock": "clock",
    "SequentialIds": "ids",
    "ScriptedTransport": "transport",
    "Sent": "transport",
    "Sink": "sink.client",
    "Received": "sink.client",
    "read_requests": "sink.client",
    "assert_ledger": "ledger",
}


def __getattr__(name: str) -> Any:
    """Load *name* from its module, once (PEP 562)."""
    if name not in _HOME:
        msg = f"module {__name__!r} has no attribute {name!r}; it has {', '.join(__all__)}"
        raise AttributeError(msg)
    value = getattr(import_module(f"{__name__}.{_HOME[name]}"), name)
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    """Return the public names too, loaded or not."""
    return sorted({*globals(), *__all__})
