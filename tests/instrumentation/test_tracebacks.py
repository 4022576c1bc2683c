"""What a traceback shows after the frames of wrappers were taken out of it."""

from __future__ import annotations

import traceback

import pytest

import footfall
from footfall.instrumentation.tracebacks import without_ours
from footfall.instrumentation.wrapper import UsageWrapper


def _shown(error: BaseException) -> str:
    return "".join(traceback.format_exception(error))


@pytest.fixture
def wrapped():
    """Two observed functions, one of which calls the other and changes its exception."""

    @footfall.register("inner", project="owner/name")
    def inner():
        raise ValueError("first")

    @footfall.register("outer", project="owner/name")
    def outer():
        try:
            inner()
        except ValueError as error:
            raise KeyError("second") from error

    footfall.instrument("owner/name", version="1")
    assert isinstance(inner, UsageWrapper)
    assert isinstance(outer, UsageWrapper)
    return outer


def test_the_frames_of_wrappers_are_gone_and_all_others_stay(wrapped) -> None:
    """Also those of the exception that caused it."""
    with pytest.raises(KeyError) as caught:
        wrapped()
    assert "wrapper.py" in _shown(caught.value)
    without_ours(caught.value)
    assert "wrapper.py" not in _shown(caught.value)
    here = "test_the_frames_of_wrappers_are_gone_and_all_others_stay"
    assert _frames(caught.value) == [here, "outer"]
    assert caught.value.__cause__ is not None
    assert _frames(caught.value.__cause__) == ["outer", "inner"]


def test_a_circle_and_a_class_with_ideas_of_its_own(wrapped) -> None:
    """Neither hangs; and no property of the user's is asked."""

    class Loud(Exception):
        @property
        def __traceback__(self):
            raise AssertionError("asked")

        __cause__ = __context__ = __traceback__

    loud, other = Loud(), ValueError()
    BaseException.__dict__["__context__"].__set__(loud, other)
    other.__context__ = loud
    without_ours(loud)
    without_ours(None)
    without_ours("no exception")


def _frames(error: BaseException) -> list[str]:
    return [frame.name for frame in traceback.extract_tb(error.__traceback__)]
