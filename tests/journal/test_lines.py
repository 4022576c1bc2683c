"""Lines: words a person can read, each on one line, the same after reading as before writing."""

from __future__ import annotations

import dataclasses
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from footfall.destination import Destination
from footfall.journal import lines
from footfall.usage import Outcome

texts = st.text(st.characters(exclude_categories=["Cs"]))
values = st.recursive(
    st.none()
    | st.booleans()
    | st.integers(-(2**63), 2**63 - 1)
    | st.floats(allow_nan=False, allow_infinity=False)
    | texts,
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(texts, inner, max_size=4),
    max_leaves=10,
)
fields = st.dictionaries(texts, values, max_size=5)


@given(fields, fields, st.sampled_from(Outcome), st.integers(0, 2**62))
def test_a_record_comes_back_as_it_was(
    arguments: dict[str, Any], extra: dict[str, Any], outcome: Outcome, time_ns: int
):
    """Whatever texts and numbers are in it; and it is one line, which nothing in it can break or mark as torn."""
    record = lines.End(
        function=3, time_ns=time_ns, ids="a" * 48, arguments=arguments, extra=extra, outcome=outcome, count=2, items=0
    )
    line = lines.encode(record)
    assert lines.decoder.decode(line) == record
    assert (line.count(b"\n"), line[-1:], lines.TORN in line) == (1, b"\n", False)


def test_the_usual_line_is_what_the_fast_path_writes():
    """`wrapper.observe_function` formats this line by hand."""
    by_hand = b'{"kind":"end","function":%d,"time_ns":%d,"ids":"%048x","duration_ns":%d}\n' % (4, 17, 0xABC, 250)
    assert by_hand == lines.encode(lines.End(function=4, time_ns=17, ids=f"{0xABC:048x}", duration_ns=250))


def test_defaults_are_left_out():
    """A use costs no more disk than it must: a counted use is 100 bytes, a reported one 120 and ids."""
    end = lines.encode(lines.End(function=1, time_ns=1_700_000_000_000_000_000, ids="f" * 48, duration_ns=1000))
    assert len(end) < 200, "bytes on disk of one pending use (design.md section 6)"
    assert b"extra" not in end
    project = lines.ProjectLine(n=1, project="a/b", send_to=(Destination(wire="otlp", endpoint="http://localhost"),))
    assert b"credentials" not in lines.encode(project)


def test_values_json_has_no_word_for_become_the_names_of_their_types():
    """Nothing is asked how it would like to be shown (reliability.md B2, S6)."""

    class Loud:
        def __repr__(self) -> str:
            raise AssertionError

        __str__ = __repr__

    line = lines.encode(lines.Event(function=1, time_ns=1, ids="", extra={"loud": Loud(), "nan": float("nan")}))
    assert b'"extra":{"loud":"Loud","nan":null}' in line


def test_what_cannot_be_said_raises():
    """The caller decides what to leave out."""
    with pytest.raises(ValueError, match="surrogates"):
        lines.encode(lines.Event(function=1, time_ns=1, ids="", extra={"x": "\ud800"}))


def test_a_list_that_holds_itself_raises():
    """As above: an error, no endless line."""
    endless: list[Any] = []
    endless.append(endless)
    with pytest.raises(RecursionError):
        lines.encode(lines.Event(function=1, time_ns=1, ids="", extra={"x": endless}))


def test_every_line_has_a_kind_of_its_own():
    """The tag is the class's name in lower case; definitions are called what they define."""
    tags = [cls.__struct_config__.tag for cls in lines.AnyLine.__args__]
    assert sorted(tags) == sorted(
        ["opened", "resource", "project", "function", "start", "end", "event", "count", "sealed", "closed"]
    )
    assert not any(dataclasses.is_dataclass(cls) for cls in lines.AnyLine.__args__)
