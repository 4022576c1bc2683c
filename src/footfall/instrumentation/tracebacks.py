"""Tracebacks as they are without footfall: the frames of wrappers taken out of what a notebook shows.

A wrapper's frame tells the user nothing, and a cell shows ten lines of each frame. The frames before and after it stay
the same objects, for a debugger too.
"""

from __future__ import annotations

import os
from types import TracebackType
from typing import Any, Final

_CAUSE: Final[Any] = BaseException.__dict__["__cause__"]
_CONTEXT: Final[Any] = BaseException.__dict__["__context__"]
_TRACEBACK: Final[Any] = BaseException.__dict__["__traceback__"]
# The slots themselves: a class of the user's may have properties of these names, and nothing of theirs shall run.

_OURS: Final = os.path.dirname(__file__) + os.sep  # noqa: PTH120  as `co_filename` has it
MAX_EXCEPTIONS: Final = 100


def without_ours(exception: object) -> None:
    """Take the frames of wrappers out of the traceback of *exception*, and of those that led to it.

    The first frame of each is left: it is where the exception was caught, and that is never a wrapper of ours.
    """
    waiting, seen = [exception], set[int]()
    while waiting and len(seen) < MAX_EXCEPTIONS:
        found = waiting.pop()
        if not isinstance(found, BaseException) or id(found) in seen:
            continue
        seen.add(id(found))
        _unlink(_TRACEBACK.__get__(found))
        waiting += [_CAUSE.__get__(found), _CONTEXT.__get__(found)]


def _unlink(entry: TracebackType | None) -> None:
    while entry is not None:
        following = entry.tb_next
        while following is not None and following.tb_frame.f_code.co_filename.startswith(_OURS):
            following = following.tb_next
        if following is not entry.tb_next:
            entry.tb_next = following
        entry = following
