"""`QueueWriter`: messages into the queue, a `write` each."""

from __future__ import annotations

import time
from typing import Any

from footfall import runtime
from footfall.facade.ramen.config import QueueWriterConfig
from footfall.facade.ramen.payload import body, dump_json
from footfall.facade.ramen.queue import Queue
from footfall.facade.ramen.spool import MAX_KINDS, PLAIN, escaped
from footfall.wire import ramen_names as names


class QueueWriter:
    """Puts messages into a queue on disk.

    A message is serialised in the caller's thread and appended to this process's journal. When `push` returns, it
    survives the death of the process; with *sync*, loss of power as well. No network, no lock shared with another
    process, no compression: that comes when a reader takes the message in.

    Args:
        config: Which queue.
        sync: What `push` does where it is not told.

    Raises:
        AssertionError: *config* is no `QueueWriterConfig`.
        DataError: *config* is not valid.
        OSError: The folder cannot be made, or is not ours alone.
    """

    def __init__(self, config: QueueWriterConfig, *, sync: bool = False) -> None:
        self._queue = Queue(config)
        self._spool = self._queue.spool
        self._sync = sync
        self._known: dict[tuple[Any, Any, Any], tuple[str, str, str | int]] = {}

    def push(
        self,
        category: str,
        data_type: str,
        data_version: str | int,
        data: Any,
        reqid: Any = None,
        *,
        sync: bool | None = None,
    ) -> None:
        """Put one message into the queue.

        Args:
            category: Letters, digits, ``_``, ``-``; likewise the next two.
            data_type: What kind of message this is. Messages of one category and data type are sent in order.
            data_version: Of the kind; a number or a text.
            data: Text or bytes, sent as they are; anything else as JSON (`payload`).
            reqid: By which the server knows a message that it has already; default: a random one.
            sync: Whether to return only when the message survives loss of power; threads share the wait for the disk.

        Raises:
            AssertionError: A name is missing or holds other characters; nothing was stored.
            TypeError, ValueError: JSON cannot say *data*; nothing was stored.
            NotSyncedError: *sync* was asked for and the disk refused.
        """
        # All in one frame, with the state of the spool at hand: each call on the way takes 2 % of a push.
        spool, key = self._spool, (category, data_type, data_version)
        now_ns = time.time_ns()
        if not spool.looked_ns <= now_ns < spool.look_ns:  # or the clock was set back
            spool.look()
        if not spool.mark[0]:  # forked without Python's hooks
            spool.after_fork()
        is_plain = type(category) is type(data_type) is str and (
            type(data_version) is str or type(data_version) is int  # not True, which is the same key as 1
        )
        number = spool.numbers.get(key) if is_plain else None
        kind = key if number else self._kind(key, is_plain=is_plain)
        text = data if type(data) is str else dump_json(data) if type(data) is dict else body(data)
        if spool.mode != "off":
            number = number or spool.define(kind)
            try:
                ids = spool.ids.pop()
            except IndexError:
                ids = spool.more_ids()
            has_reqid = reqid is not None and reqid != ""
            if number and type(text) is str and not has_reqid:
                line = PLAIN % (number, now_ns, ids, escaped(text))
            else:
                line = spool.line(kind, number, ids, text, str(reqid) if has_reqid else None)
            if not spool.journal.write(line):
                spool.note_refused()
            if self._sync if sync is None else sync:
                spool.synced()
        here = runtime.current()
        if here.projects and (known := here.projects.get(spool.project)) is not None:
            here.event(known, kind[1], {"category": kind[0], "data_version": kind[2]})

    def _kind(self, key: tuple[Any, Any, Any], *, is_plain: bool) -> tuple[str, str, str | int]:
        """Return *key* as a kind of message, checked.

        Raises:
            AssertionError: See `push`.
        """
        kind = self._known.get(key) if is_plain else None
        if kind is None:
            category, data_type, data_version = key
            kind = (_checked("category", category), _checked("data_type", data_type), _version(data_version))
            if is_plain and len(self._known) < MAX_KINDS:
                self._known[key] = kind
        return kind

    def queue_size(self) -> int:
        """Return how many messages wait; while another process reads, as it was at most a second ago."""
        return len(self._queue)


def _checked(what: str, value: Any) -> str:
    if not value:
        msg = f"Missing value for {what}"
        raise AssertionError(msg)
    text = str(int(value)) if isinstance(value, bool) else str(value)
    if not names.NAME.fullmatch(text):
        msg = f"Invalid characters in {what}"
        raise AssertionError(msg)
    return text


def _version(value: Any) -> str | int:
    text = _checked("data_version", value)
    return int(text) if isinstance(value, int) and abs(int(text)) < 2**63 else text
