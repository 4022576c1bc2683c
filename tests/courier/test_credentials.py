"""Secrets show themselves to nobody but the socket (reliability.md S3)."""

from __future__ import annotations

import copy
import json
import os
import pickle
import traceback

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from footfall.courier import credentials
from footfall.courier.credentials import Headers, Secret, headers, hold, missing, resolve
from footfall.errors import ConfigurationError, UnsafeFileError

CANARY = "canary-7f3a"


def refused(text):
    """Return the error's message, and a traceback of it that shows local variables."""
    with pytest.raises(ConfigurationError) as caught:
        headers(Secret(text))
    shown = "".join(traceback.TracebackException.from_exception(caught.value, capture_locals=True).format())
    return str(caught.value), shown


@pytest.mark.parametrize("thing", [Secret(CANARY), Headers({"Authorization": CANARY})])
def test_is_shown_by_nothing(thing):
    """Not by repr, str, formats, vars, slots, pickle, copy, JSON."""
    shown = [repr(thing), str(thing), f"{thing}", f"{thing!r:>40}", str([thing]), repr([thing])]
    assert not any(CANARY in text for text in shown)
    assert not hasattr(thing, "__dict__")
    for refuse in (pickle.dumps, copy.copy, copy.deepcopy, json.dumps, msgspec.json.encode):
        with pytest.raises(TypeError) as caught:
            refuse(thing)
        assert CANARY not in str(caught.value)
    for cls in type(thing).__mro__:
        for name in getattr(cls, "__slots__", ()):
            assert CANARY not in repr(getattr(thing, name.replace("__", f"_{cls.__name__}__"), None))


def test_environment():
    """`env:NAME` is looked up in the mapping handed in; unset and empty are None."""
    environ = {"TOKEN": CANARY, "EMPTY": "  \n"}
    assert resolve("env:TOKEN", environ).reveal() == CANARY
    assert resolve("env:EMPTY", environ) is None
    assert resolve("env:OTHER", environ) is None


@pytest.mark.parametrize("reference", ["", "Bearer abc", "env:", "file:", CANARY])
def test_only_references(reference):
    """A value where a reference belongs is refused, and not repeated."""
    with pytest.raises(ConfigurationError) as caught:
        resolve(reference, {})
    assert CANARY not in str(caught.value)


def test_file(tmp_path):
    """A file of ours that nobody else may touch is read; a missing one is None."""
    path = tmp_path / "token"
    assert resolve(f"file:{path}", {}) is None
    path.touch(0o600)
    path.write_text(f"Authorization: Bearer {CANARY}\n")
    assert dict(headers(resolve(f"file:{path}", {}))) == {"Authorization": f"Bearer {CANARY}"}


@pytest.mark.parametrize("mode", [0o640, 0o604, 0o620, 0o666])
def test_files_open_to_others_are_refused(tmp_path, mode):
    """Any right of group or others is one too many."""
    path = tmp_path / "token"
    path.write_text(CANARY)
    path.chmod(mode)
    with pytest.raises(UnsafeFileError, match="chmod 600"):
        resolve(f"file:{path}", {})


def test_odd_files_are_refused(tmp_path):
    """A FIFO does not hang us, a directory, a huge file and bytes that are no text give an error without content."""
    fifo = tmp_path / "fifo"
    os.mkfifo(fifo, 0o600)
    with pytest.raises(UnsafeFileError, match="regular"):
        resolve(f"file:{fifo}", {})
    huge = tmp_path / "huge"
    huge.touch(0o600)
    huge.write_bytes(b"x" * 20_000)
    with pytest.raises(ConfigurationError, match="20000 bytes"):
        resolve(f"file:{huge}", {})
    huge.write_bytes(CANARY.encode() + b"\xff")
    with pytest.raises(ConfigurationError) as caught:
        resolve(f"file:{huge}", {})
    assert CANARY not in str(caught.value)
    assert caught.value.__context__ is None


def test_several_lines_are_several_headers():
    """With any end of line, blanks around values, empty lines."""
    got = headers(Secret("X-One: 1\r\n\n  X-Two :  two words \n"))
    assert dict(got) == {"X-One": "1", "X-Two": "two words"}


@pytest.mark.parametrize(
    "text",
    [
        CANARY,
        f"X: a\rEvil: {CANARY}",
        f"X: {CANARY}\x00",
        f"X: {CANARY}\x0b",
        f"X Y: {CANARY}",
        f": {CANARY}",
        f"X: \u20ac{CANARY}",
        f"Host: {CANARY}",
        f"content-length: {CANARY}",
        f"Transfer-Encoding: {CANARY}",
        "X:",
    ],
)
def test_what_is_no_header_is_refused_unseen(text):
    """CR, LF, NUL, other characters, framing headers (S7); neither message nor local variables show the text."""
    message, shown = refused("A: b\n" + text)
    assert "line 2" in message
    assert CANARY not in shown.replace(repr(text), "").replace(repr("A: b\n" + text), "")


@given(st.text())
def test_headers_are_clean_or_refused(text):
    """Whatever the secret: no value with a control character, or a ConfigurationError."""
    try:
        found = headers(Secret(text))
    except ConfigurationError:
        return
    for name, value in found.items():
        assert name.isascii()
        assert not set(value) & set("\r\n\x00")
        value.encode("latin-1")


def test_held_by_this_process():
    """The reference tells nothing of the text, and is the same in the program's next run."""
    reference = hold(f"Authorization: Bearer {CANARY}", "test server")
    assert reference == "memory:944593b051bdb9cc2e3bfa928e3a96b6"
    assert dict(headers(resolve(reference, {}))) == {"Authorization": f"Bearer {CANARY}"}
    assert hold("Authorization: Bearer other", "test server") == reference
    assert dict(headers(resolve(reference, {}))) == {"Authorization": "Bearer other"}
    assert hold("Authorization: Bearer other", "second server") != reference
    assert resolve("memory:" + "0" * 32, {}) is None
    assert "held by the program" in missing(reference)
    assert CANARY not in repr(credentials.__dict__)


@pytest.mark.parametrize(("text", "label"), [(CANARY, "server"), (f"A: b\n{CANARY}", "server"), (f"A: {CANARY}", "")])
def test_what_cannot_be_sent_is_not_held(text, label):
    """At the call, where somebody can mend it; without the text, also in tracebacks that show local variables."""
    with pytest.raises(ConfigurationError) as caught:
        hold(text, label)
    shown = "".join(traceback.TracebackException.from_exception(caught.value, capture_locals=True).format())
    assert CANARY not in shown.partition("in hold")[2]


def test_a_fork_child_holds_what_its_parent_held():
    """It delivers for itself."""
    reference = hold(f"Authorization: Bearer {CANARY}", "fork")
    pid = os.fork()
    if not pid:
        os._exit(0 if resolve(reference, {}) else 3)
    assert os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]) == 0
