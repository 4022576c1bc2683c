"""Running a program with a terminal on stderr, and reading what it was sent."""

from __future__ import annotations

import os
import subprocess
import sys
import threading
from collections.abc import Mapping, Sequence


def run_python(
    arguments: Sequence[str], environ: Mapping[str, str], *, timeout_seconds: float, terminal: bool = True
) -> tuple[int, str, str]:
    """Run this interpreter with *arguments*; return status, stdout, and what stderr got.

    Args:
        arguments: Of the interpreter.
        environ: All variables.
        timeout_seconds: After which it is killed, and an error raised.
        terminal: Whether stderr is a terminal; else it is a pipe.
    """
    main, side = os.openpty() if terminal else os.pipe()
    seen = bytearray()

    def read() -> None:
        try:
            while data := os.read(main, 4096):
                seen.extend(data)
        except OSError:  # how Linux says that the other side of a terminal is closed
            return

    # While it runs: a terminal that nobody reads holds up who writes to it.
    reader = threading.Thread(target=read, daemon=True)
    reader.start()
    try:
        said = subprocess.run(
            [sys.executable, *arguments],
            env=dict(environ),
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=side,
            text=True,
            timeout=timeout_seconds,
            check=False,
        )
    finally:
        os.close(side)
        reader.join(timeout_seconds)
        os.close(main)
    return said.returncode, said.stdout, seen.decode()
