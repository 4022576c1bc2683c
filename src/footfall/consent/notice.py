"""The notice: what is reported, to whom, and how to stop it, said before anything is sent (design.md section 5).

On a terminal it is printed on stderr, once for each project and server; ``notices.json`` in the config directory
remembers which were shown, so that a project which begins to tell another server says so again. Where there is no
terminal (batch jobs, services) it is one log record a process, level INFO, and counts as not shown: the next process
on a terminal still prints it. In CI there is none.
"""

from __future__ import annotations

import contextlib
import logging
import sys
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any, Final
from urllib.parse import urlsplit

import msgspec

from footfall.destination import Destination
from footfall.errors import UnsafeFileError
from footfall.places import private_directory, read_private, write_private

FILE_NAME: Final = "notices.json"
MAX_BYTES: Final = 256 * 1024

_NAMED: Final = 3
"""Projects that are named in full; `footfall doctor` lists the others."""

LOGIN_NAME: Final = "login name"

logger = logging.getLogger("footfall")


class Announced(msgspec.Struct, frozen=True):
    """A project whose uses are about to be sent, where they go, and whether the login name goes along."""

    project: str
    send_to: tuple[Destination, ...]
    login_name: bool = False

    @property
    def servers(self) -> tuple[str, ...]:
        """Hosts, each once."""
        return tuple(dict.fromkeys(urlsplit(destination.endpoint).netloc for destination in self.send_to))

    @property
    def told(self) -> tuple[str, ...]:
        """What a notice has said once it was shown: a project that then begins to say who it was says so anew."""
        return (*self.servers, LOGIN_NAME) if self.login_name else self.servers


class _Stored(msgspec.Struct, frozen=True):
    shown: dict[str, list[str]] = {}
    """Project to what its notice named: hosts, and `LOGIN_NAME`."""


def give(
    announced: Sequence[Announced],
    directories: Sequence[Path],
    *,
    terminal: Callable[[], Any] = lambda: sys.stderr,
) -> None:
    """Say what *announced* will send, unless it was said before. Never raises for anything disk or terminal do.

    Args:
        announced: Projects that go to some server.
        directories: Where to remember it: the first that takes it. Where none does, it is said again next time.
        terminal: Returns the stream of a person; looked up when it is needed, since hosts replace it.
    """
    stream = terminal()
    if not _is_terminal(stream):
        logger.info("%s", text(announced))
        return
    shown = _shown(directories)
    new = [each for each in announced if not {*each.told} <= {*shown.get(each.project, ())}]
    if not new:
        return
    try:
        stream.write(text(new) + " This is said once.\n")
        stream.flush()
    except (OSError, ValueError):  # hung up, or closed by the host
        logger.info("%s", text(new))
        return
    for each in new:
        shown[each.project] = sorted({*shown.get(each.project, ()), *each.told})
    _remember(directories, shown)


def text(announced: Sequence[Announced]) -> str:
    """Return the notice, without a line end."""
    named = "; ".join(f"{each.project} to {', '.join(each.servers)}" for each in announced[:_NAMED])
    more = f"; and {len(announced) - _NAMED} more projects" if len(announced) > _NAMED else ""
    stop = f"footfall off {announced[0].project}, footfall off" if len(announced) == 1 else "footfall off"
    told = [each.project for each in announced if each.login_name]
    others = f" and {len(told) - _NAMED} more" if len(told) > _NAMED else ""
    login = f"\nYour login name goes along for {', '.join(told[:_NAMED])}{others}." if told else ""
    return (
        f"footfall: use is reported: {named}{more}.\n"
        "Sent are names of registered functions, how runs end, versions, platform, a random id (all: footfall fields)."
        f"{login}\nSee it: footfall show. Stop it: {stop}, or FOOTFALL=off in the environment."
    )


def _is_terminal(stream: Any) -> bool:
    try:
        return bool(stream is not None and stream.isatty())
    except Exception:  # noqa: BLE001  a host's stand-in for stderr: whatever it does, it is no terminal
        return False


def _shown(directories: Sequence[Path]) -> dict[str, list[str]]:
    for directory in directories:
        try:
            stored = msgspec.json.decode(read_private(directory / FILE_NAME, max_bytes=MAX_BYTES), type=_Stored)
        except (OSError, ValueError):
            continue
        return dict(stored.shown)
    return {}


def _remember(directories: Sequence[Path], shown: Mapping[str, list[str]]) -> None:
    data = msgspec.json.encode(_Stored(dict(sorted(shown.items())))) + b"\n"
    for directory in directories:
        with contextlib.suppress(OSError, UnsafeFileError):
            private_directory(directory, below_own=True, listable=True)
            write_private(directory / FILE_NAME, data)
            return
