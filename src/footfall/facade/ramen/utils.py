"""What the original's ``utils`` offers: both ends of a queue in one call, and the checks of names."""

from __future__ import annotations

import logging
import threading
import zlib
from typing import TYPE_CHECKING, Final

from footfall.facade.ramen.config import validate_name, validate_version
from footfall.facade.ramen.payload import dump_json
from footfall.facade.ramen.queue_reader import QueueReader
from footfall.facade.ramen.queue_writer import QueueWriter

if TYPE_CHECKING:
    from footfall.facade.ramen.config import QueueReaderConfig

__all__ = ["compress", "create_queue_reader_and_writer", "dump_json", "logger", "validate_name", "validate_version"]

logger: Final = logging.getLogger("ramen_client")
"""The original's logger. Ours is ``footfall``; what a reader meets is logged there."""


def create_queue_reader_and_writer(config: QueueReaderConfig) -> tuple[QueueReader, QueueWriter]:
    """Return a reader that runs in a thread of its own, and a writer to the same queue.

    The thread outlives refusals of the token and whatever a server answers: it tries again, and messages stay.
    """
    reader = QueueReader(config)
    threading.Thread(target=reader.run_for_ever, name="footfall-ramen", daemon=True).start()
    return reader, QueueWriter(config)


def compress(data: bytes) -> bytes:
    """Return *data* as it is sent."""
    return zlib.compress(data)
