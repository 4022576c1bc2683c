"""What a journal holds: JSON lines, definitions first, then records that refer to them by number.

A journal is meant to be read with ``cat`` by the person whose machine it is on, so the keys are words. One file holds,
in this order: one `Opened`, then any mixture of `ResourceLine`, `ProjectLine` and `FunctionLine` (definitions, each
before its first use), and records (`Start`, `End`, `Event`, `Count`), then perhaps `Sealed` or `Closed`.

A line that ends in `TORN` is what a write left when the disk took only part of it. It was never accepted (the call that
wrote it tried again or counted it), so it is skipped without being counted as `corrupt`.
"""

from __future__ import annotations

from typing import Any, Final, TypeAlias

import msgspec

from footfall.destination import Destination
from footfall.usage import Outcome

VERSION: Final = 1
"""Of this format; a reader skips whole files of a newer one."""

MAX_LINE_BYTES: Final = 64 * 1024
"""One record, one write. Larger records lose their arguments and fields (reliability.md section 3.1)."""

TORN: Final = b"\x18"
"""ASCII CAN: "disregard what came before"; cannot occur in JSON text."""


class Line(
    msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True, tag_field="kind", tag=lambda name: name.lower()
):
    """One line; ``kind`` says which."""


class Opened(Line, frozen=True, kw_only=True):
    """Line one: whose file this is.

    Attributes:
        version: Of the format.
        process: Random hexadecimal name of the process; all files of one process share it.
        sequence: 0 for its first file, then 1, ...
        pid: Process id, and with *started* a unique name on one boot of one machine.
        started: When the process began, as the operating system counts; "" where that is unknown.
        mode: ``on``, or ``local`` and ``log``, whose files are never sent.
        time_ns: UTC.
        session_id: See `footfall.usage.Usage`; likewise the other two.
    """

    version: int = VERSION
    process: str
    sequence: int = 0
    pid: int
    started: str = ""
    mode: str = "on"
    time_ns: int
    session_id: str = ""
    previous_session_id: str = ""
    installation_id: str = ""


class ResourceLine(Line, frozen=True, kw_only=True, tag="resource"):
    """Where the process runs."""

    attributes: dict[str, Any]


class ProjectLine(Line, frozen=True, kw_only=True, tag="project"):
    """An instrumented project, number *n* in this file, and where its records go."""

    n: int
    project: str
    version: str = ""
    send_to: tuple[Destination, ...] = ()
    extra: dict[str, Any] = {}


class FunctionLine(Line, frozen=True, kw_only=True, tag="function"):
    """A named thing that records refer to as *n*: a function, a run, or an event of project number *project*.

    With *starts*, each of its uses has a `Start` line, and one without an `End` was killed. For *parameters* see
    `footfall.usage.Usage`.
    """

    n: int
    project: int
    name: str
    service: str = ""
    extra: dict[str, Any] = {}
    drop: tuple[str, ...] = ()
    parameters: tuple[str, ...] = ()
    starts: bool = False


class Record(Line, frozen=True, kw_only=True):
    """What all records share.

    Attributes:
        function: Number of a `FunctionLine` in this file.
        time_ns: UTC: begin of a use, moment of an event.
        ids: Trace id and span id: 48 hexadecimal digits.
        parent: Span id of the enclosing span, or "".
    """

    function: int
    time_ns: int
    ids: str
    parent: str = ""
    arguments: dict[str, Any] = {}
    extra: dict[str, Any] = {}


class Start(Record, frozen=True, kw_only=True):
    """A use began; only written where an entry or a run asks for it."""


class End(Record, frozen=True, kw_only=True):
    """A use is over. `count` includes the uses that were only counted since the one before."""

    duration_ns: int = 0
    outcome: Outcome = Outcome.OK
    error_type: str = ""
    message: str = ""
    count: int = 1
    items: int = -1


class Event(Record, frozen=True, kw_only=True):
    """Something happened at one moment."""

    outcome: Outcome | None = None
    error_type: str = ""
    message: str = ""
    count: int = 1


class Count(Record, frozen=True, kw_only=True):
    """*count* uses that no other line carries."""

    count: int


class Sealed(Line, frozen=True, kw_only=True):
    """Last line of a file that its process left for the next one."""


class Closed(Line, frozen=True, kw_only=True):
    """Last line of a process that ended in good order. A file without it ends in a death."""


AnyRecord: TypeAlias = Start | End | Event | Count
AnyLine: TypeAlias = Opened | ResourceLine | ProjectLine | FunctionLine | Start | End | Event | Count | Sealed | Closed

encoder: Final = msgspec.json.Encoder(enc_hook=lambda value: type(value).__name__)
decoder: Final = msgspec.json.Decoder(AnyLine)


def encode(line: AnyLine) -> bytes:
    """Return *line* as it is written, with its line end.

    Raises:
        ValueError, TypeError, RecursionError: A field holds what JSON cannot say, such as a lone surrogate, a key that
            is no text, or a list that holds itself. Values of unknown types become their type's name.
    """
    return encoder.encode(line) + b"\n"
