"""See what footfall observes: `capture` records a block's uses into a directory of the test and hands them out.

The real line up to the journal, nothing replaced: wrapper, meter, scrubbing, one write a record. Nothing is sent, no
thread delivers, the user's own choices and state are not looked at.

    with capture(tmp_path) as captured:
        footfall.instrument("me/mine", registry={"registry": ["mine:work"]})
        mine.work()
    assert [usage.name for usage in captured.usages] == ["mine:work"]
"""

from __future__ import annotations

import os
from collections.abc import Generator
from contextlib import contextmanager
from pathlib import Path

from footfall import runtime
from footfall.journal.reader import JournalReader, journals
from footfall.registry import decorator
from footfall.testing.ids import SequentialIds
from footfall.usage import Usage

_CHOICES = ("DO_NOT_TRACK", "OTEL_SDK_DISABLED", "MIGAS_OPTOUT", "OTEL_EXPERIMENTAL_CONFIG_FILE")


class Captured:
    """What was observed so far.

    Attributes:
        runtime: The one that observes, for looking closer.
    """

    def __init__(self, here: runtime.Runtime, directory: Path) -> None:
        self.runtime = here
        self._journals = directory / "journal"

    @property
    def usages(self) -> list[Usage]:
        """Return the records written so far, in order; what was only counted is written first."""
        self.runtime.flush_counts()
        found: list[Usage] = []
        for path in journals(self._journals):
            reader, offset = JournalReader(path), 0
            while True:
                chunk = reader.read(offset)
                found.extend(observed.usage for observed in chunk.observed)
                if chunk.at_end:
                    break
                offset = chunk.offset
        return found


@contextmanager
def capture(directory: Path, *, ids: SequentialIds | None = None) -> Generator[Captured]:
    """Observe what is instrumented within the block, and undo it at its end.

    Args:
        directory: Empty, for journals and identity.
        ids: Where trace and span ids come from; default: random.
    """
    environ = {key: value for key, value in os.environ.items() if key not in _CHOICES}
    state = directory / "state"
    environ |= {"FOOTFALL": "local", "FOOTFALL_DIR": str(state), "XDG_CONFIG_HOME": str(directory / "config")}
    here = runtime.Runtime(environ=environ)
    if ids is not None:
        here.recorder.bits = ids.bits
    previous, wrap = runtime.replace(here), decorator.hook.wrap
    try:
        yield Captured(here, state)
    finally:
        runtime.replace(previous)
        decorator.hook.wrap = wrap
        here.stop()
