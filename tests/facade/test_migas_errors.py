"""What is told of an exception: its class, and what a registered handler says of it."""

from __future__ import annotations

import json
import sys
from typing import Any

import pytest

from footfall.facade import migas
from footfall.facade.migas.error import inspect_error, strip_filenames
from footfall.facade.migas.error.nipype import MAX_CHARACTERS, node_execution_error
from footfall.testing.sink.client import Sink
from tests.facade.migashelp import meaning_of, requests_after

PROJECT = ("nipreps/fmriprep", "24.1.0")


def handler(text: str) -> Any:
    return lambda kind, value, traceback: {"status": "F", "status_desc": f"{text} {kind.__name__}", "error_desc": value}


@pytest.mark.usefixtures("footfall_on")
@pytest.mark.parametrize(
    ("handlers", "error", "told"),
    [
        ({Exception: handler("any")}, KeyError("k"), {"status_desc": "any KeyError", "error_desc": "k"}),
        (
            {Exception: handler("any"), "LookupError": handler("near")},
            KeyError("k"),
            {"status_desc": "near KeyError", "error_desc": "k"},
        ),
        (
            [{OSError: handler("io")}, "nipype"],
            PermissionError(13, "no"),
            {"status_desc": "io PermissionError", "error_desc": "[Errno 13] no"},
        ),
        ({OSError: handler("io")}, KeyError("k"), {"status_desc": "Errored"}),
        ("unheard-of", KeyError("k"), {"status_desc": "Errored"}),
        (5, KeyError("k"), {"status_desc": "Errored"}),
        ({KeyError: "no function"}, KeyError("k"), {"status_desc": "Errored"}),
        ({KeyError: lambda *_: "no mapping"}, KeyError("k"), {"status_desc": "Errored"}),
    ],
)
def test_the_nearest_handler_tells(handlers: Any, error: Exception, told: dict[str, str], sink: Sink) -> None:
    """By class or by name, up the classes of the exception; whatever is no handler is passed over."""
    before = len(sink.requests())
    migas.setup(endpoint=sink.url)
    with pytest.raises(type(error)), migas.track(*PROJECT, error_handlers=handlers):
        raise error
    _, end = [meaning_of(json.loads(each.body)) for each in requests_after(sink, before)]
    assert end["proc"] == {"status": "F", "error_type": type(error).__name__, **told}


@pytest.mark.usefixtures("footfall_on")
def test_a_handler_that_fails_costs_its_words_only(sink: Sink, hidden_errors: list[tuple[str, BaseException]]) -> None:
    """The end is told without them, and the failure is counted."""
    before = len(sink.requests())
    migas.setup(endpoint=sink.url)
    with pytest.raises(KeyError), migas.track(*PROJECT, error_handlers={KeyError: lambda *_: 1 / 0}):
        raise KeyError
    _, end = [meaning_of(json.loads(each.body)) for each in requests_after(sink, before)]
    assert end["proc"]["error_type"] == "KeyError"
    assert [doing for doing, _ in hidden_errors] == ["error handler"]


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ('File "/home/alice/wf/x.py", line 3', 'File "<redacted>", line 3'),
        (r"C:\Users\alice\data bad ./rel/path", "<redacted> bad <redacted>"),
        ("~alice/x and ../y", "<redacted> and <redacted>"),
        ("nipreps/fmriprep and/or 3 / 4", "nipreps/fmriprep and/or 3 / 4"),
    ],
)
def test_paths_are_taken_out(text: str, expected: str) -> None:
    """Of either kind of slash; a project is no path."""
    assert strip_filenames(text) == expected


def test_a_long_traceback_keeps_both_ends() -> None:
    """What failed stands at the end."""
    told = node_execution_error(ValueError, "Traceback:\nbegin " + "x " * 3000 + "end", None)
    assert told["error_desc"].startswith("begin")
    assert told["error_desc"].endswith("end")
    assert len(told["error_desc"]) <= MAX_CHARACTERS
    assert (told["status_desc"], node_execution_error(ValueError, "", None)["error_desc"]) == (
        "Exception raised from node <?>",
        "No traceback available",
    )


def test_the_exception_at_hand_is_inspected() -> None:
    """As the original's helper returns it, without the text."""
    assert inspect_error() == {"status": "C", "status_desc": "Completed"}
    try:
        raise ValueError("secret words")
    except ValueError:
        assert inspect_error() == {"status": "F", "status_desc": "Errored", "error_type": "ValueError"}
        assert inspect_error({"ValueError": handler("a")})["error_desc"] == "secret words"
    try:
        sys.exit(0)
    except SystemExit:
        assert inspect_error()["status"] == "C"
    try:
        raise KeyboardInterrupt
    except KeyboardInterrupt:
        assert inspect_error() == {"status": "S", "status_desc": "Suspended"}
