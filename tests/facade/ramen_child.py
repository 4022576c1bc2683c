"""A reader or a writer in a process of its own; one JSON object on the command line says which and where."""

from __future__ import annotations

import json
import sys

from footfall.facade.ramen.config import QueueReaderConfig
from footfall.facade.ramen.queue_reader import QueueReader
from footfall.facade.ramen.queue_writer import QueueWriter


def main() -> None:
    task, fields = json.loads(sys.argv[1])
    config = QueueReaderConfig(fields)
    if task == "drain":
        writer, reader, handled = QueueWriter(config), QueueReader(config), 0
        print("ready", flush=True)
        while writer.queue_size():
            handled += reader.run(blocking=False)
        print(handled, flush=True)
    elif task == "serve":
        reader = QueueReader(config)
        print("ready", flush=True)
        reader.run_for_ever()
    elif task == "push":
        writer = QueueWriter(config)
        for number in range(10**9):
            writer.push("events", f"t{number % 4}", "v1", {"n": number})
            print(number, flush=True)
    elif task == "push one":
        QueueWriter(config).push("events", "t", "v1", {"from": sys.argv[2]})


if __name__ == "__main__":
    main()
