"""Runs the inspecting process, within a time limit for each module, and goes on without those that end it."""

from __future__ import annotations

import contextlib
import os
import queue
import signal
import subprocess
import sys
import threading
import time
from tempfile import TemporaryDirectory, TemporaryFile
from typing import IO, TYPE_CHECKING, Final, cast

import msgspec

from footfall.cli.doctor.findings import Function, Importing, Inspected, Task
from footfall.cli.doctor.modules import missing
from footfall.instrumentation.instrumentor import BARE

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from footfall.registry.model import Registry

# The parent's import path, and not the working directory's: what is found there is found here.
_PROGRAM: Final = (
    "import sys, os; sys.path[:] = sys.argv.pop().split(os.pathsep);"
    "from footfall.cli.doctor.inspection import main; main()"
)

POLL_SECONDS: Final = 0.01


class _Ended(msgspec.Struct, frozen=True):
    """The process ended, or was ended, before it was through: while importing *module*, and how."""

    module: str
    how: str


def inspected(
    registries: Sequence[Registry], *, seconds: float, progress: Callable[[int, int], None]
) -> tuple[Function, ...]:
    """Return what becomes of the functions of *registries* when their modules are imported.

    Args:
        registries: What to instrument.
        seconds: Longest time for one module to be imported, and for the look at all of them in the end.
        progress: Told how many modules are done, and of how many.
    """
    skip: dict[str, str] = {}
    while True:
        with TemporaryDirectory(prefix="footfall-doctor-", ignore_cleanup_errors=True) as directory:
            task = Task(registries=tuple(registries), directory=os.path.realpath(directory), skip=skip)
            found = _run(task, seconds, progress)
        if isinstance(found, Inspected):
            return found.functions
        if not found.module or found.module in skip:
            return tuple(_unknown(registries, f"the inspection {found.how}"))
        skip[found.module] = f"importing {found.module!r} {found.how}"


def looked_for(registries: Sequence[Registry]) -> tuple[Function, ...]:
    """Return for each function of *registries* whether its module is installed, importing nothing."""
    reasons = {name: missing(name) for registry in registries for entry in registry.entries for name in entry.modules}
    found: list[Function] = []
    for each in _unknown(registries, ""):
        why = [reasons[name] for name in each.modules]
        if not why:
            found.append(msgspec.structs.replace(each, reason=BARE))
            continue
        missed = msgspec.structs.replace(each, state="missed", reason="; ".join(why))
        found.append(missed if all(why) else each)
    return tuple(found)


def _unknown(registries: Sequence[Registry], reason: str) -> list[Function]:
    return [
        Function(
            project=registry.project,
            name=entry.name,
            service=entry.service,
            state="cannot" if reason else "unseen",
            reason=reason,
            source=entry.source,
            line=entry.line,
            modules=entry.modules,
        )
        for registry in registries
        for entry in registry.entries
    ]


def _run(task: Task, seconds: float, progress: Callable[[int, int], None]) -> Inspected | _Ended:
    with TemporaryFile() as stdin:
        stdin.write(msgspec.json.encode(task))
        stdin.seek(0)
        process = subprocess.Popen(
            [sys.executable, "-c", _PROGRAM, os.pathsep.join(sys.path)],
            # Not for the inspection, which asks no variable, but for what the imported packages may start.
            env={**os.environ, "FOOTFALL": "off", "FOOTFALL_DIR": task.directory},
            stdin=stdin,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            start_new_session=True,  # so that what a package starts can be ended with it
        )
    stdout = cast("IO[bytes]", process.stdout)
    try:
        lines: queue.SimpleQueue[bytes] = queue.SimpleQueue()
        threading.Thread(target=_read, args=(stdout, lines), daemon=True, name="footfall-doctor").start()
        module = ""
        while True:
            try:
                line = lines.get(timeout=seconds)
            except queue.Empty:
                return _Ended(module, f"took longer than {seconds:g} s")
            if not line:
                return _Ended(module, _how_it_ended(process, seconds))
            event = msgspec.json.decode(line, type=Importing | Inspected)
            if isinstance(event, Inspected):
                return event
            module = event.module
            progress(event.done, event.total)
    finally:
        _end(process)


def _read(stream: IO[bytes], lines: queue.SimpleQueue[bytes]) -> None:
    with contextlib.suppress(ValueError):  # closed in the meantime
        for line in stream:
            lines.put(line)
    lines.put(b"")


def _how_it_ended(process: subprocess.Popen[bytes], seconds: float) -> str:
    deadline = time.monotonic() + seconds
    while not _is_over(process) and time.monotonic() < deadline:
        time.sleep(POLL_SECONDS)
    _end(process)
    status = process.returncode
    if status < 0:
        with contextlib.suppress(ValueError):
            return f"ended the process with {signal.Signals(-status).name}"
    return f"ended the process with status {status}"


def _is_over(process: subprocess.Popen[bytes]) -> bool:
    """Whether the process is over; its number stays taken, so that its session can still be ended by it."""
    if sys.platform == "win32":
        return process.poll() is not None
    return os.waitid(os.P_PID, process.pid, os.WEXITED | os.WNOHANG | os.WNOWAIT) is not None


def _end(process: subprocess.Popen[bytes]) -> None:
    """End the process and what it started, as far as that is still in its session."""
    if process.returncode is None:
        if sys.platform == "win32":
            process.kill()
        else:
            with contextlib.suppress(ProcessLookupError, PermissionError):  # macOS says the latter of zombies
                os.killpg(process.pid, signal.SIGKILL)
        process.wait()
