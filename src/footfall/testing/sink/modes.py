"""What a sink may be told to do, as data: parsing the words, and choosing the rule for a request.

| mode | what the client meets | taken |
| --- | --- | --- |
| `ok` | the real server's own answer | as it says |
| `refuse` | connection refused, open connections cut; the port stays reserved | no |
| `flap[:UP[:DOWN]]` | `ok` for UP seconds, `refuse` for DOWN (0.5 each), over and over | as it says |
| `half500` | every second answer is 500 with a page that is not the application's | every other |
| `status:N[:retry-after=V]` | status N with a page that is not the application's | no |
| `ratelimit:N[:SECONDS[:retry-after=V]]` | 429 beyond N requests in a window of 60 s; refused ones count | the rest |
| `partial:N` | OTLP: partial success, N records rejected; other wires: `ok` | yes |
| `lostack` | the request is taken, then the connection is cut without an answer | yes |
| `noanswer` | the connection is cut without an answer, nothing is taken | no |
| `closemid` | taken; the connection is cut in the middle of the answer's body | yes |
| `hang` | the request is read and never answered | no |
| `drip[:SECONDS[:body]]` | taken; the answer comes one byte each second (with `body`: only its body) | yes |
| `huge` | 200 and a body without end | no |
| `gzipbomb[:MIB]` | 200 and a small gzip body that unpacks to MIB mebibytes (512) | no |
| `redirect:[N:]URL` | a redirection, 307 or N, to URL | no |
| `badjson` | 200 (insights, ramen: 202) of the application, with half of a JSON body | no |
| `droprule[:JSON]` | ramen: DROPPED with that drop rule (or one for its category and data type); others: `ok` | no |
| `toobig:N` | insights: 413 for files of more than N bytes; other wires: `ok` | the rest |
| `portal` | 200 with the HTML page of a captive portal | no |
| `headers[:N]` | taken; the answer has N further header lines (10 000) | yes |
| `interim` | 103 answers without end, never a final one | no |
| `cookie` | taken; the answer sets cookies | yes |
| `garbage` | bytes that are not HTTP | no |

"Taken" is `Received.accepted`: whether a real server behind the fault would have the records. (reliability.md
section 4, N1 to N11, and S14.) Clients of `access` go by the status alone, so there any 200, 201, 202 or 204 that is no
page of HTML is a yes: `badjson`, `gzipbomb`, `huge` and `status:204` are taken.
"""

from __future__ import annotations

import json
import re
import threading
import time
from collections import deque
from dataclasses import dataclass, field
from typing import Final

_SECONDS: Final = r"(\d+(?:\.\d+)?)"
_PATTERNS: Final = {
    "ok": r"",
    "refuse": r"",
    "flap": rf"(?::{_SECONDS}(?::{_SECONDS})?)?",
    "half500": r"",
    "status": r":([2-5]\d\d)",
    "ratelimit": rf":(\d+)(?::{_SECONDS})?",
    "partial": r":(\d+)",
    "lostack": r"",
    "noanswer": r"",
    "closemid": r"",
    "hang": r"",
    "drip": rf"(?::{_SECONDS})?",
    "huge": r"",
    "gzipbomb": r"(?::(\d+))?",
    "redirect": r"(?::(30[12378]))?",
    "badjson": r"",
    "droprule": r"",
    "toobig": r":(\d+)",
    "portal": r"",
    "headers": r"(?::(\d+))?",
    "interim": r"",
    "cookie": r"",
    "garbage": r"",
}
_TAILS: Final = {
    "status": r"(?::retry-after=(?P<text>.+))?",
    "ratelimit": r"(?::retry-after=(?P<text>.+))?",
    "drip": r"(?::(?P<text>body))?",
    "droprule": r"(?::(?P<text>.+))?",
    "redirect": r":(?P<text>[a-z]+://.+|/.*)",
}
_DEFAULTS: Final = {"flap": (0.5, 0.5), "ratelimit": (0.0, 60.0), "drip": (1.0,), "gzipbomb": (512.0,)} | {
    "headers": (10_000.0,),
    "redirect": (307.0,),
}
SOCKET_MODES: Final = frozenset({"refuse", "flap"})
"""Modes of the listening socket; they cannot be limited to some requests."""


@dataclass(frozen=True)
class Mode:
    """A parsed mode.

    Attributes:
        text: As it was written.
        numbers: Its parameters, defaults filled in; the meaning is in the table above.
        tail: ``Retry-After`` value, redirection target, drop rule, or "body".
    """

    name: str
    text: str
    numbers: tuple[float, ...] = ()
    tail: str = ""


def parse_mode(text: str) -> Mode:
    """Return the mode that *text* names.

    Raises:
        ValueError: No such mode, or its parameters are wrong; the message shows the right form.
    """
    name = text.partition(":")[0]
    if name not in _PATTERNS:
        msg = f"{text!r} is not a mode of the sink; there are {', '.join(_PATTERNS)}"
        raise ValueError(msg)
    match = re.fullmatch(name + _PATTERNS[name] + _TAILS.get(name, ""), text)
    if match is None:
        msg = f"{text!r} has wrong parameters; the forms are listed in footfall.testing.sink.modes"
        raise ValueError(msg)
    tail = match.groupdict().get("text") or ""
    if name == "droprule" and tail:
        json.loads(tail)  # raises a ValueError with the place
    given = match.groups()[: len(match.groups()) - ("text" in match.groupdict())]
    defaults = _DEFAULTS.get(name, (0.0,) * len(given))
    numbers = tuple(
        float(value) if value is not None else default for value, default in zip(given, defaults, strict=True)
    )
    return Mode(name, text, numbers, tail)


@dataclass
class Rule:
    """A mode in force, with what it has counted so far.

    Attributes:
        where: "" for every request, a wire's name, or the beginning of a path.
    """

    mode: Mode
    where: str = ""
    _count: int = 0
    _times: deque[float] = field(default_factory=deque[float])
    _lock: threading.Lock = field(default_factory=threading.Lock)

    def matches(self, *, wire: str, path: str) -> bool:
        """Whether this rule speaks of such a request."""
        return not self.where or self.where == wire or (self.where.startswith("/") and path.startswith(self.where))

    def strikes(self, *, monotonic: float | None = None) -> bool:
        """Count one request, and say whether the fault applies to it: half of them, or those beyond the rate."""
        with self._lock:
            self._count += 1
            if self.mode.name == "half500":
                return self._count % 2 == 0
            if self.mode.name == "ratelimit":
                now = time.monotonic() if monotonic is None else monotonic
                limit, window_seconds = self.mode.numbers
                while self._times and now - self._times[0] >= window_seconds:
                    self._times.popleft()
                self._times.append(now)
                return len(self._times) > limit
            return True


class Rules:
    """The rules in force; the one with the longest `Rule.where` that matches wins."""

    def __init__(self, mode: Mode) -> None:
        self._rules = [Rule(mode)]
        self._lock = threading.Lock()

    def put(self, mode: Mode, where: str = "") -> None:
        """Set *mode* for *where*, with fresh counts. A mode for every request removes all narrower ones.

        Raises:
            ValueError: The mode is one of the listening socket and *where* is not "".
        """
        if where and mode.name in SOCKET_MODES:
            msg = f"mode {mode.text!r} is about the listening socket; it cannot be limited to {where!r}"
            raise ValueError(msg)
        with self._lock:
            kept = [rule for rule in self._rules if rule.where != where] if where else []
            self._rules = sorted([*kept, Rule(mode, where)], key=lambda rule: len(rule.where), reverse=True)

    def choose(self, *, wire: str, path: str) -> Rule:
        """Return the rule for such a request."""
        with self._lock:
            return next(rule for rule in self._rules if rule.matches(wire=wire, path=path))
