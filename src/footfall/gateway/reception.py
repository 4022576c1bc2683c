"""From a message to what will be kept of it: who may say it, where it goes, scrubbed, in each wire's words. No files.

What cannot be kept is counted by reason and told in the answer's partial success, without a word of what it said.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable
from functools import lru_cache
from typing import TYPE_CHECKING, Any, Final

import msgspec

from footfall import scrub
from footfall.destination import Destination, takers
from footfall.export.translation import Translation
from footfall.gateway.configuration import Configuration, allows, rule_of
from footfall.gateway.from_otlp import MALFORMED, MAX_KEY_CHARS, NOT_OURS, TOO_BIG, Refused, uses
from footfall.outbox.rows import OVERHEAD_BYTES
from footfall.usage import ADDRESSED, Kind, Usage
from footfall.wire import otlp_messages as messages
from footfall.wire.base import Request, Wire

if TYPE_CHECKING:
    from collections.abc import Mapping

UNKNOWN_PROJECT: Final = Refused("unknown_project")
"""The configuration names neither the project nor its owner."""
NOT_ALLOWED: Final = Refused("not_allowed")
"""The token may not speak for the project."""
NO_DESTINATION: Final = Refused("no_destination")
"""None of the project's destinations takes this service."""
UNTRANSLATABLE: Final = Refused("untranslatable")
"""No wire of the project has a word for it."""

REASONS: Final[Mapping[str, str]] = {
    NOT_OURS: "not made by footfall, and no rule takes it",
    MALFORMED: "without project, name, time or ids",
    TOO_BIG: f"larger than {messages.MAX_RECORD_BYTES} bytes",
    UNKNOWN_PROJECT: "of a project that this gateway does not know",
    NOT_ALLOWED: "of a project that this token may not speak for",
    NO_DESTINATION: "of a service that has no destination here",
    UNTRANSLATABLE: "not sayable in the formats of its destinations",
}
"""In the words of the answer."""

_ENVELOPE_BYTES: Final = 120
"""What a request takes in the outbox beside its body and path, roughly."""


class Received(msgspec.Struct):
    """What will be kept of one message.

    Attributes:
        translation: The requests.
        records: Spans or log records that are taken.
        rejected: Others, by reason.
        uses: By project, for the outbox.
        sizes: By number of a destination, bytes that the outbox will hold more.
    """

    translation: Translation
    records: int = 0
    rejected: dict[str, int] = {}
    uses: dict[str, int] = {}

    @property
    def lost(self) -> int:
        """Records that are not taken."""
        return sum(self.rejected.values())

    @property
    def sizes(self) -> dict[int, int]:
        """By number of a destination, the bytes that the outbox would hold more."""
        found: dict[int, int] = {}
        for number, request in self.translation.requests:
            found[number] = found.get(number, 0) + _size(request)
        return found

    def words(self) -> str:
        """Return what the answer says of the rejected records, "" without any."""
        return "; ".join(f"{count} {REASONS[reason]}" for reason, count in sorted(self.rejected.items()))

    def reject(self, reason: str, count: int = 1) -> None:
        """Count *count* records as rejected for *reason*."""
        if count:
            self.rejected[reason] = self.rejected.get(reason, 0) + count


class Reception:
    """Turns messages into requests, by one configuration. Any thread may ask.

    Args:
        configuration: Projects and rules.
        number: Gives the outbox's number of a destination.
        wires: Gives the wire of a destination.
    """

    def __init__(
        self,
        configuration: Configuration,
        number: Callable[[Destination], int],
        wires: Callable[[Destination], Wire],
    ) -> None:
        self._configuration = configuration
        self._rule = rule_of(configuration.accept)
        self._number = number
        self._wires = wires

    def take(
        self, body: bytes, content_type: str, *, is_traces: bool, projects: Collection[str] | None = None
    ) -> Received:
        """Return what will be kept of *body*.

        Args:
            body: Unpacked.
            content_type: One of `footfall.wire.otlp_messages`.
            is_traces: Whether it holds spans; else log records.
            projects: Patterns of those that the sender may speak for; empty for all.

        Raises:
            TooManyError: It holds more than is read at once.
            ValueError: It cannot be read.
            OutboxError: A wire could not be loaded now.
        """
        records = messages.records(body, content_type, is_traces=is_traces)
        return self.sort(uses(records, self._rule, is_traces=is_traces), projects or ())

    def sort(self, found: Iterable[Usage | Refused], projects: Collection[str]) -> Received:
        """Return what will be kept of the uses *found*; arguments and errors as `take`."""
        received = Received(translation=Translation(self._number, self._wires))
        groups: dict[tuple[str, str], list[Usage]] = {}
        extras: dict[str, Mapping[str, Any]] = {}
        for each in found:
            if isinstance(each, Refused):
                received.reject(each)
                continue
            usage = scrubbed(each)
            if usage.extra:
                # Wires that remember what they made of equal uses tell mappings apart by identity: 26 us a span to 3.
                equal = extras.setdefault(repr(usage.extra), usage.extra)
                usage = msgspec.structs.replace(usage, extra=equal) if equal is not usage.extra else usage
            groups.setdefault((each.project, each.service), []).append(usage)
        for (project, service), usages in groups.items():
            send_to = self._configuration.send_to(project)
            if send_to is None:
                received.reject(UNKNOWN_PROJECT, len(usages))
            elif not allows(projects, project):
                received.reject(NOT_ALLOWED, len(usages))
            else:
                self._keep(received, project, takers(send_to, service), usages)
        return received

    def _keep(self, received: Received, project: str, send_to: tuple[Destination, ...], usages: list[Usage]) -> None:
        untold = received.translation.add(send_to, usages)
        if untold and send_to:
            # Each destination left something out, and not necessarily the same: one by one, which is rarely needed.
            untold = sum(not self._is_told(send_to, usage) for usage in usages)
        received.reject(UNTRANSLATABLE if send_to else NO_DESTINATION, untold)
        received.records += len(usages) - untold
        counted = sum(usage.count for usage in usages if usage.kind is not Kind.START)
        received.uses[project] = received.uses.get(project, 0) + counted

    def _is_told(self, send_to: tuple[Destination, ...], usage: Usage) -> bool:
        trial = Translation(self._number, self._wires)
        return trial.add(send_to, [usage]) == 0


def scrubbed(usage: Usage) -> Usage:
    """Return *usage* as it may be kept: who sent it may have scrubbed nothing (reliability.md S4).

    Names of extra fields count, unless they are fields of one server (``access.session_id``); names of arguments do
    not, for a registry named them.
    """
    if not (usage.arguments or usage.extra or usage.message):
        return msgspec.structs.replace(usage, arguments=_NOTHING, extra=_NOTHING)
    return msgspec.structs.replace(
        usage,
        arguments={name: _value(value) for name, value in usage.arguments.items()} or _NOTHING,
        extra={
            name: scrub.REDACTED_KEY if not name.startswith(ADDRESSED) and _is_sensitive(name) else _value(value)
            for name, value in usage.extra.items()
        }
        or _NOTHING,
        message=_value(usage.message) if usage.message else "",
    )


_NOTHING: Final[dict[str, Any]] = {}

# What is remembered is short: senders choose it.
_known_sensitive = lru_cache(maxsize=2048)(scrub.is_sensitive_key)
_known_text = lru_cache(maxsize=8192)(scrub.scrub)


def _is_sensitive(name: str) -> bool:
    return _known_sensitive(name) if len(name) <= MAX_KEY_CHARS else scrub.is_sensitive_key(name[: scrub.MAX_CHARS])


def _value(value: Any) -> Any:
    if isinstance(value, str):
        return _known_text(value) if len(value) <= MAX_KEY_CHARS else scrub.scrub(value)
    return value if value is None or isinstance(value, bool) else scrub.scrub(value)


def _size(request: Request) -> int:
    return len(request.body) + len(request.path) + OVERHEAD_BYTES + _ENVELOPE_BYTES
