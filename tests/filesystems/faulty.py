"""A host program that meets trouble: ``python -m tests.filesystems.faulty FAULT SINK_URL REPORT_FILE``.

It makes calls before, during and after a fault that it brings about in its own process or file system, waits after its
end until all is served again, and leaves a report. Whatever happens, it prints nothing and its results are right.
"""

from __future__ import annotations

import json
import logging
import os
import resource
import shutil
import subprocess
import sys
import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import footfall
from footfall import runtime
from tests.process import driver, observed

BEFORE, DURING, AFTER = 40, 1500, 40
"""During: more than the records that are kept in memory, so that some can only be counted."""

WAIT_SECONDS = 30.0

# A file of bytecode that is cut off is not noticed by Python 3.11, and fails whoever imports that module next.
sys.dont_write_bytecode = True

STATE = Path(os.environ["FOOTFALL_DIR"])
INFINITY = resource.RLIM_INFINITY


def nothing() -> None:
    """Make the beginning or end of a fault that needs none."""


# -- no space ----------------------------------------------------------------------------------------------------------


def fill() -> None:
    with open(STATE / "filler", "ab", buffering=0) as filler:
        for size in (2**16, 4096, 1):
            try:
                while True:
                    filler.write(bytes(size))
            except OSError:
                pass
    assert os.statvfs(STATE).f_bavail == 0


def make_room() -> None:
    (STATE / "filler").unlink()


def forbid_growth() -> None:
    resource.setrlimit(resource.RLIMIT_FSIZE, (64, INFINITY))


def allow_growth() -> None:
    resource.setrlimit(resource.RLIMIT_FSIZE, (INFINITY, INFINITY))


def remount(how: str) -> Callable[[], None]:
    return lambda: subprocess.run(["mount", "-o", f"remount,{how}", str(STATE)], check=True) and None


# -- files that go away ------------------------------------------------------------------------------------------------


def remove_everything() -> None:
    shutil.rmtree(STATE)


def cut_journals() -> None:
    for path in (STATE / "journal").glob("*.jsonl"):
        os.truncate(path, 0)


def another_journal(before: set[Path]) -> bool:
    # Not the folder: a file has its name there a moment before it is the one that is written to.
    return runtime.current().journal.path not in before


# -- limits ------------------------------------------------------------------------------------------------------------


def take_descriptors() -> None:
    resource.setrlimit(resource.RLIMIT_NOFILE, (256, resource.getrlimit(resource.RLIMIT_NOFILE)[1]))
    try:
        while True:
            held.append(os.dup(0))
    except OSError:
        pass


def give_descriptors_back() -> None:
    while held:
        os.close(held.pop())


held: list[int] = []


def forbid_threads() -> None:
    resource.setrlimit(resource.RLIMIT_NPROC, (1, resource.getrlimit(resource.RLIMIT_NPROC)[1]))
    try:
        threading.Thread(target=nothing).start()
    except RuntimeError:
        return
    raise SystemExit("the limit does not hold here")


def allow_threads() -> None:
    most = resource.getrlimit(resource.RLIMIT_NPROC)[1]
    resource.setrlimit(resource.RLIMIT_NPROC, (most, most))


FAULTS: dict[str, tuple[Callable[[], None], Callable[[], None]]] = {
    "full": (fill, make_room),
    "file size": (forbid_growth, allow_growth),
    "read-only": (remount("ro"), remount("rw")),
    "removed": (remove_everything, nothing),
    "cut": (cut_journals, nothing),
    "descriptors": (take_descriptors, give_descriptors_back),
    "threads": (forbid_threads, allow_threads),
}
LATE = frozenset({"removed", "cut"})
"""What was written between the loss and the look that finds it is gone with the file; the calls come after the look."""


def served() -> Any:
    """Deliver until nothing is pending, for as long as that may take; the books."""
    limit = time.monotonic() + WAIT_SECONDS
    while True:
        ledger = footfall.drain(WAIT_SECONDS)
        if (not ledger.pending and ledger.accounts) or time.monotonic() > limit:
            return ledger


class Ears(logging.Handler):
    """A host that listens: what footfall says there, it says rarely."""

    def __init__(self) -> None:
        super().__init__()
        self.said: list[str] = []

    def emit(self, record: logging.LogRecord) -> None:
        self.said.append(record.getMessage())


def main() -> None:
    fault, url, report = sys.argv[1:]
    ears = Ears()
    logging.getLogger().addHandler(ears)
    name, _, early = fault.partition(":")
    begin, end = FAULTS[name]
    driver.show_hangs()
    driver.instrument(url)
    work = observed.work
    if not early:  # the fault comes in the middle of a healthy program
        assert [work(number) for number in range(BEFORE)] == list(range(BEFORE))
        served()
    journals = set((STATE / "journal").glob("*.jsonl"))
    begin()
    limit = time.monotonic() + WAIT_SECONDS
    while name in LATE and not another_journal(journals):
        assert time.monotonic() < limit, "no new journal"
        time.sleep(0.01)
    first = BEFORE
    assert [work(number) for number in range(first, first + DURING)] == list(range(first, first + DURING))
    end()
    ended = time.monotonic()
    first += DURING
    assert [work(number) for number in range(first, first + AFTER)] == list(range(first, first + AFTER))
    ledger = served()
    told = {
        "said": ears.said,
        "calls": (0 if early else BEFORE) + DURING + AFTER,
        "seconds": time.monotonic() - ended,
        "pending": ledger.pending,
        "balanced": ledger.balanced,
        "corrupt": ledger.corrupt,
        "dropped": {reason.value: count for account in ledger.accounts for reason, count in account.dropped.items()},
    }
    Path(report).write_text(json.dumps(told), encoding="utf-8")


if __name__ == "__main__":
    main()
