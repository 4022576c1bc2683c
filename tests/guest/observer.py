"""A host program that tells what footfall does in it: run by the tests of this folder, never imported by them.

    python -m tests.guest.observer LINE SINK REPORT

An audit hook (`sys.addaudithook`) is there before footfall is imported, and sees every file opened, socket made,
process and thread started, in this process. What happened is written to the file REPORT as JSON, by plain system calls,
at the very end.
"""

from __future__ import annotations

import atexit
import json
import os
import sys
import threading
from typing import Any

WATCHED = frozenset(
    {
        *("open", "os.mkdir", "os.rename", "os.remove", "os.link", "os.symlink", "os.chmod", "os.truncate"),
        *("socket.__new__", "socket.connect", "socket.bind", "socket.getaddrinfo", "socket.gethostbyname"),
        *("subprocess.Popen", "os.posix_spawn", "os.exec", "os.system", "os.fork", "os.putenv", "os.unsetenv"),
        *("_thread.start_new_thread", "sqlite3.connect", "signal.pthread_kill", "sys.settrace", "sys.setprofile"),
    }
)

events: list[list[str]] = []
phase = ["import"]


def hook(event: str, arguments: tuple[Any, ...]) -> None:
    if event not in WATCHED:
        return
    if event == "open":
        path, _, flags = arguments
        writing = isinstance(flags, int) and flags & (os.O_WRONLY | os.O_RDWR | os.O_CREAT)
        detail = f"{'write' if writing else 'read'} {path}"
        if not writing and str(path).endswith((".py", ".pyc", ".so")):
            return
    elif event.startswith(("os.", "socket.c", "socket.b")):
        detail = repr(arguments[:2])
    else:
        detail = ""
    events.append([phase[0], event, detail])


def report(path: str, kept: dict[str, Any]) -> None:
    data = json.dumps({**kept, "events": events, "modules": sorted(sys.modules)}).encode()
    fd = os.open(path, os.O_WRONLY | os.O_CREAT, 0o600)
    os.write(fd, data)
    os.close(fd)


def main(line: str, sink: str, path: str) -> None:
    modules_before = sorted(sys.modules)
    threads_before = threading.active_count()
    finders_before = list(sys.meta_path)
    sys.addaudithook(hook)

    import footfall

    phase[0] = "instrument"
    from tests.process import observed

    original, method = observed.work, vars(observed.Thing)["method"]
    kept: dict[str, Any] = {"before": modules_before}

    def at_the_end() -> None:  # runs after footfall's own exit handler, which is registered later
        kept["threads_at_exit"] = threading.active_count() - threads_before
        phase[0] = "end"
        report(path, kept)

    atexit.register(at_the_end)
    kept["reason"] = footfall.instrument(
        "tests/observed",
        version="1",
        registry={"registry": {"calls": ["tests.process.observed:work", "tests.process.observed:Thing.method"]}},
        send_to=[footfall.Migas(sink), footfall.Otlp(sink)],
    )
    decorated = footfall.register("calls")(len_of)
    phase[0] = "use"
    observed.work(1)
    observed.Thing().method(2)
    decorated([])
    with footfall.track("tests/observed"):
        footfall.event("step", number=1)
    kept["untouched"] = {
        "function": observed.work is original,
        "method": vars(observed.Thing)["method"] is method,
        "decorated": decorated is len_of,
        "meta_path": sys.meta_path == finders_before,
        "exit": sys.exit.__module__ == "sys",
    }
    kept["threads"] = threading.active_count() - threads_before
    if line == "drain":
        phase[0] = "drain"
        footfall.drain(20)
    phase[0] = "exit"


def len_of(items: list[int]) -> int:
    return len(items)


if __name__ == "__main__":
    main(*sys.argv[1:])
