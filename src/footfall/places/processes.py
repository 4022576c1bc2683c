"""Who wrote a file, and whether that process still lives: names for machines, boots and processes.

Used where a file lies that several machines or several lives of one machine may see. None of it is ever sent.
"""

from __future__ import annotations

import os
import re
import sys
from pathlib import Path
from typing import Final

PROC: Final = Path("/proc")

_START_FIELD: Final = 22
"""Start time in clock ticks since boot, counted from one as in proc_pid_stat(5)."""


def boot_id(proc: Path = PROC) -> str:
    """Return the random UUID the kernel made when this machine started, or "" where there is none."""
    try:
        return (proc / "sys/kernel/random/boot_id").read_text(encoding="utf-8").strip()
    except (OSError, ValueError):
        return ""


def host_name() -> str:
    """Return this machine's name, fit for a directory name: letters, digits, ``._-``, at most 64. Never sent."""
    name = os.environ.get("COMPUTERNAME", "") if sys.platform == "win32" else os.uname().nodename
    return re.sub(r"[^A-Za-z0-9._-]", "_", name).strip(".")[:64] or "localhost"


def host_name_digest() -> str:
    """Return 16 hexadecimal digits that tell machines apart without naming them.

    For local files only: a digest of a host name is still an identifier, so it is never sent (reliability.md S18).
    """
    import hashlib  # noqa: PLC0415  3.7 ms, and few processes ask

    return hashlib.sha256(host_name().encode()).hexdigest()[:16]


def process_start(pid: int, proc: Path = PROC) -> str:
    """Return when process *pid* began, in clock ticks since boot; "" where that cannot be known.

    Together with the pid and `boot_id` this names a process: pids come round again, pairs do not.
    """
    return _look(pid, proc)[1]


def is_alive(pid: int, start: str, proc: Path = PROC) -> bool:
    """Whether the process *pid* that began at *start* may still write.

    A zombie has closed its files, so it counts as dead. When in doubt (no start time known, Windows), a process counts
    as alive: locks and ages then decide (reliability.md section 3.8).
    """
    if pid <= 0:
        return False
    state, seen = _look(pid, proc)
    if seen:
        return state not in {"Z", "X"} and start in {"", seen}
    return _answers(pid)


def _answers(pid: int) -> bool:
    """Whether *pid* exists, asked with signal 0."""
    if sys.platform == "win32":
        return True  # os.kill would end the process there, whatever the number
    try:
        os.kill(pid, 0)
    except (ProcessLookupError, OverflowError):
        return False
    except OSError:  # it exists and belongs to somebody else
        return True
    return True


def _look(pid: int, proc: Path) -> tuple[str, str]:
    """Return state letter and start time of *pid*, or two empty texts."""
    try:
        text = (proc / str(pid) / "stat").read_text(encoding="utf-8", errors="replace")
    except OSError:
        return "", ""
    # The second field is the program's name in parentheses, which may itself hold blanks and parentheses.
    fields = text.rpartition(")")[2].split()
    if len(fields) <= _START_FIELD - 3:
        return "", ""
    return fields[0], fields[_START_FIELD - 3]
