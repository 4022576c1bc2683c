"""The interface of infi.ramen_client on footfall: change ``infi.ramen_client`` to this package, and keep the code.

    from footfall.facade.ramen.config import QueueReaderConfig
    from footfall.facade.ramen.utils import create_queue_reader_and_writer

    config = QueueReaderConfig(dict(sender="imx", system_serial=1099, system_version="3.0.0.1",
                                    hostname="ramen.example.com", auth_token="..."))
    reader, writer = create_queue_reader_and_writer(config)
    writer.push("metrics", "san_totals", "v1", my_data)

A queue is one folder, ``<queue_dir>/<sender>_<system_serial>.footfall``: journals that its writers append to, one file
a process, and an outbox that one reading process at a time holds (`spool`, `engine`). What the original left in
``<sender>_<system_serial>.db`` is taken over (`takeover`). ``docs/ramen.md`` has one row for each name: the same,
repaired, or not offered, and why.
"""

from typing import Final

from footfall.facade.ramen.blacklist import Blacklist
from footfall.facade.ramen.config import QueueReaderConfig, QueueWriterConfig
from footfall.facade.ramen.errors import AutheticationError
from footfall.facade.ramen.queue_reader import QueueReader
from footfall.facade.ramen.queue_writer import QueueWriter
from footfall.facade.ramen.utils import create_queue_reader_and_writer
from footfall.version import VERSION

__version__: Final = f"1.40.post3+footfall.{VERSION}"
"""Of the interface, then whose it is."""

__all__ = [
    "AutheticationError",
    "Blacklist",
    "QueueReader",
    "QueueReaderConfig",
    "QueueWriter",
    "QueueWriterConfig",
    "__version__",
    "create_queue_reader_and_writer",
]
