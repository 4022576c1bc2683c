"""OTLP spans and log records to `Usage`. Pure; the reverse of the wire ``otlp``, with nothing lost.

What comes in may come from anybody: types are looked at, texts and numbers have bounds, and of a resource only what our
own table of attributes names is taken. A record of scope ``footfall`` says itself what it is about; any other is one
of those that a `Rule` of the gateway's configuration takes, or none of ours.

Ids are kept, since idempotency keys are made of them: what came here and what was told directly have one key. A log
record's own ids may be those of the span around it, so `attributes.LOG_RECORD_UID` goes first; one that says neither
has ids made of its content, which are the same when it is sent again.
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from functools import lru_cache
from typing import TYPE_CHECKING, Any, Final, cast

import msgspec

from footfall import attributes as names
from footfall.scrub import bounded
from footfall.usage import Kind, Outcome, Usage
from footfall.wire import otlp_messages as messages

if TYPE_CHECKING:
    from opentelemetry.proto.common.v1.common_pb2 import KeyValue
    from opentelemetry.proto.logs.v1.logs_pb2 import LogRecord
    from opentelemetry.proto.resource.v1.resource_pb2 import Resource
    from opentelemetry.proto.trace.v1.trace_pb2 import Span

MAX_TEXT_CHARS: Final = 1024
"""Of names, versions and ids of sessions; arguments, extra fields and messages have the bounds of `footfall.scrub`."""

MAX_KEY_CHARS: Final = 256
"""Of an attribute's key that is remembered."""

MAX_COUNT: Final = 2**53

_RESOURCE_KEYS: Final = frozenset(row.key for row in names.TABLE if row.where == "resource") - {
    names.SERVICE_NAME,
    names.SERVICE_NAMESPACE,
    names.SERVICE_VERSION,
}
"""Without what the wire derives from the project: uses that are told directly do not have it there either."""

_KINDS: Final[Mapping[str, Kind]] = {kind.value: kind for kind in Kind}
_OUTCOMES: Final[Mapping[str, Outcome]] = {outcome.value: outcome for outcome in Outcome}
_INTERRUPTIONS: Final = frozenset({"KeyboardInterrupt", "BdbQuit", "CancelledError"})
_NO_TYPE: Final = "_OTHER"
_UID: Final = re.compile(r"([0-9a-f]{32})-([0-9a-f]{16})")
_STATUS_ERROR: Final = 2


class Refused(str):
    """Why a record is no use: a word for counts and for the answer."""

    __slots__ = ()


NOT_OURS: Final = Refused("not_footfall")
"""Another scope than ``footfall``, and no rule takes it."""
MALFORMED: Final = Refused("malformed")
"""Without project, time, ids or name, or with such that are none."""


TOO_BIG: Final = Refused("too_big")
"""Alone larger than `footfall.wire.otlp_messages.MAX_RECORD_BYTES`."""


class Foreign(msgspec.Struct, frozen=True):
    """What a rule makes of a record that is not footfall's.

    Attributes:
        project: ``owner/name``.
        service: Of the registry, or "".
        name: Of the use; "" keeps the record's own.
        attributes: Attributes of the record that become extra fields under the same names.
    """

    project: str
    service: str = ""
    name: str = ""
    attributes: tuple[str, ...] = ()


Rule = Callable[[str, str], "Foreign | None"]
"""Takes scope and name of a record that is not footfall's; returns what it is to be, or None."""


class _Said:
    """The attributes of one record, sorted by what they are for."""

    __slots__ = ("arguments", "extra", "known")

    def __init__(self, pairs: Iterable[KeyValue]) -> None:
        self.known: dict[str, Any] = {}
        self.arguments: dict[str, Any] = {}
        self.extra: dict[str, Any] = {}
        where = (self.known, self.arguments, self.extra)
        for pair in pairs:
            bucket, name = _place(pair.key)
            # Most values are texts, and asking for the kind first costs more than the text.
            value = pair.value
            where[bucket][name] = value.string_value or messages.plain(value)
        if names.JSON_VALUES in self.known:
            self._decode(self.known[names.JSON_VALUES])

    def _decode(self, listed: Any) -> None:
        """Turn the attributes that are JSON in a text into what they stand for."""
        for key in _items(listed):
            if not isinstance(key, str):
                continue
            bucket, name = _place(key)
            where = (self.known, self.arguments, self.extra)[bucket]
            text = where.get(name)
            if isinstance(text, str):
                try:
                    where[name] = msgspec.json.decode(text)
                except (msgspec.MsgspecError, ValueError, RecursionError):
                    continue  # a name of a type, or no work of ours: it stays a text

    def text(self, key: str) -> str:
        value = self.known.get(key)
        return value[:MAX_TEXT_CHARS] if isinstance(value, str) else ""

    def number(self, key: str, default: int) -> int:
        value = self.known.get(key)
        return value if isinstance(value, int) and not isinstance(value, bool) and 0 <= value <= MAX_COUNT else default

    def words(self, key: str) -> tuple[str, ...]:
        value = self.known.get(key)
        return tuple(each for each in _items(value) if isinstance(each, str))

    def common(self) -> dict[str, Any]:
        """Return the fields that all kinds of use have."""
        return {
            "project": self.text(names.PROJECT),
            "service": self.text(names.SERVICE),
            "arguments": self.arguments,
            "parameters": self.words(names.PARAMETERS),
            "extra": self.extra,
            "drop": self.words(names.DROP),
            **self.where(),
        }

    def where(self) -> dict[str, Any]:
        """Return the fields that say which process and installation it was."""
        return {
            "session_id": self.text(names.SESSION_ID),
            "previous_session_id": self.text(names.SESSION_PREVIOUS_ID),
            "installation_id": self.text(names.APP_INSTALLATION_ID),
            "count": self.number(names.COUNT, 1) or 1,
            "items": self.number(names.ITEMS, -1),
        }

    def error_type(self) -> str:
        said = self.text(names.ERROR_TYPE)
        return "" if said == _NO_TYPE else said


_KNOWN, _ARGUMENT, _EXTRA = range(3)


def _items(value: Any) -> Sequence[Any]:
    return cast("Sequence[Any]", value) if isinstance(value, list) else ()


def _place(key: str) -> tuple[int, str]:
    """Return which of the three an attribute belongs to, and under what name."""
    return _known_place(key) if len(key) <= MAX_KEY_CHARS else _find_place(key)


def _find_place(key: str) -> tuple[int, str]:
    if key.startswith(names.ARGUMENT_PREFIX):
        return _ARGUMENT, key[len(names.ARGUMENT_PREFIX) :]
    for prefix in (names.EXTRA_PREFIX, names.ADDRESSED_PREFIX):
        if key.startswith(prefix):
            return _EXTRA, key[len(prefix) :]
    return _KNOWN, key


# Keys are few, but senders choose them: hence two bounds.
_known_place = lru_cache(maxsize=4096)(_find_place)


def uses(records: Iterable[messages.Record], rule: Rule, *, is_traces: bool) -> Iterator[Usage | Refused]:
    """Yield what each of *records* tells of, or why it tells of no use, in their order.

    Args:
        records: As `footfall.wire.otlp_messages.records` yields them.
        rule: For those that footfall did not make.
        is_traces: Whether they are spans; else log records.
    """
    group: Resource | None = None
    resource: dict[str, Any] = {}
    version = ""
    for each, scope, record in records:
        if each is not group:
            group, (resource, version) = each, _resource(each)
        if record is None:
            yield TOO_BIG
            continue
        foreign = None
        if scope != names.SCOPE_NAME:
            name = record.name if is_traces else record.event_name
            foreign = rule(scope, name) if name else None
            if foreign is None:
                yield NOT_OURS
                continue
        if is_traces:
            yield _from_span(record, resource, version, foreign)
        else:
            yield _from_log(record, resource, version, foreign)


def _resource(resource: Resource) -> tuple[dict[str, Any], str]:
    """Return what is known of *resource*, in one mapping for all its records, and the version of the project."""
    pairs = messages.attributes(resource.attributes)
    version = pairs.get(names.SERVICE_VERSION)
    known = {key: bounded(value) for key, value in pairs.items() if key in _RESOURCE_KEYS and value is not None}
    return known, version[:MAX_TEXT_CHARS] if isinstance(version, str) else ""


def _from_span(span: Span, resource: dict[str, Any], version: str, foreign: Foreign | None) -> Usage | Refused:
    begin, end = span.start_time_unix_nano, span.end_time_unix_nano
    trace_id, span_id, parent = span.trace_id, span.span_id, span.parent_span_id
    if len(trace_id) != 16 or len(span_id) != 8 or not any(trace_id) or not any(span_id) or not begin:
        return MALFORMED
    said = _Said(span.attributes)
    failed = span.status.code == _STATUS_ERROR
    common = said.common() if foreign is None else _common(said, foreign)
    name = span.name[:MAX_TEXT_CHARS] if foreign is None else foreign.name or span.name[:MAX_TEXT_CHARS]
    if not common["project"] or not name:
        return MALFORMED
    error_type = said.error_type()
    outcome = _OUTCOMES.get(said.text(names.OUTCOME)) if foreign is None else None
    if outcome is None:
        interrupted = error_type in _INTERRUPTIONS
        outcome = Outcome.OK if not failed else Outcome.INTERRUPTED if interrupted else Outcome.ERROR
    return Usage(
        project_version=version,
        name=name,
        kind=Kind.END,
        trace_id=trace_id.hex(),
        span_id=span_id.hex(),
        parent_span_id=parent.hex() if any(parent) else "",
        time_ns=begin,
        duration_ns=max(0, end - begin),
        outcome=outcome,
        error_type=error_type,
        # The status of a span that is not ours may hold an exception's text (reliability.md S5).
        message="" if foreign is not None else span.status.message or _message(said),
        resource=resource,
        **common,
    )


def _from_log(record: LogRecord, resource: dict[str, Any], version: str, foreign: Foreign | None) -> Usage | Refused:
    said = _Said(record.attributes)
    kind = Kind.EVENT if foreign is not None else _KINDS.get(said.text(names.KIND))
    time_ns = record.time_unix_nano or record.observed_time_unix_nano
    if kind in {None, Kind.END} or not time_ns or not record.event_name:
        return MALFORMED
    is_event = kind is Kind.EVENT
    body = record.body.string_value
    common = said.common() if foreign is None else _common(said, foreign)
    name = (foreign.name if foreign is not None else "") or (record.event_name if is_event else body)
    if not common["project"] or not name:
        return MALFORMED
    trace_id, span_id, parent = _ids(record, said, kind)
    return Usage(
        project_version=version,
        name=name[:MAX_TEXT_CHARS],
        kind=kind or Kind.EVENT,
        trace_id=trace_id,
        span_id=span_id,
        parent_span_id=said.text(names.PARENT_SPAN_ID) or parent,
        time_ns=time_ns,
        outcome=_OUTCOMES.get(said.text(names.OUTCOME)),
        error_type=said.error_type(),
        message="" if foreign is not None else body if is_event else _message(said),
        resource=resource,
        **common,
    )


def _common(said: _Said, foreign: Foreign) -> dict[str, Any]:
    """Return the fields of a record that is not footfall's: nothing of it but what the rule names."""
    extra = {key: value for key in foreign.attributes if (value := said.known.get(key)) is not None}
    return {"project": foreign.project, "service": foreign.service, "extra": extra, **said.where()}


def _message(said: _Said) -> str:
    value = said.known.get(names.MESSAGE)
    return value if isinstance(value, str) else ""


def _ids(record: LogRecord, said: _Said, kind: Kind | None) -> tuple[str, str, str]:
    """Return trace id, span id and parent of what *record* tells of."""
    trace_id = record.trace_id.hex() if len(record.trace_id) == 16 and any(record.trace_id) else ""
    span_id = record.span_id.hex() if len(record.span_id) == 8 and any(record.span_id) else ""
    uid = said.text(names.LOG_RECORD_UID)
    own = _UID.fullmatch(uid)
    if own is not None:
        return own[1], own[2], span_id if span_id != own[2] else ""
    if kind is Kind.START and trace_id and span_id and not uid:
        return trace_id, span_id, ""  # of a footfall before there were uids; its end has the same
    content = uid.encode() if uid else record.SerializeToString(deterministic=True)
    digest = hashlib.sha256(content).hexdigest()
    return trace_id or digest[:32], digest[32:48], span_id
