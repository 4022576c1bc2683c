"""Plain text: tables that line up, and no character that could do harm."""

from __future__ import annotations

import json
from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from footfall.cli import tables
from footfall.wire import readable

VALUES: st.SearchStrategy[Any] = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(max_size=80),
    lambda inner: st.lists(inner, max_size=6) | st.dictionaries(st.text(max_size=60), inner, max_size=6),
    max_leaves=20,
)


def test_a_table_lines_up() -> None:
    """Words to the left, numbers to the right, no blanks at line ends."""
    rows = [("migas", 7, "yes", ""), ("a longer name", 12345, "NO", "expired 3")]
    assert tables.table(("name", "n", "balanced", "why"), rows, indent="  ") == [
        "  name               n  balanced  why",
        "  migas              7  yes",
        "  a longer name  12345  NO        expired 3",
    ]


def test_a_table_without_rows_is_its_head() -> None:
    """No rows, no trouble."""
    assert tables.table(("a", "b"), []) == ["a  b"]


@given(st.text())
def test_escaped_text_is_printable_and_says_the_same(text: str) -> None:
    """Nothing unprintable is left, printable text stays as it is, and JSON reads the escapes back."""
    found = tables.escaped(text)
    assert found.isprintable()
    assert (found == text) == text.isprintable()
    quoted = json.dumps(text, ensure_ascii=False)
    assert json.loads(tables.escaped(quoted)) == json.loads(quoted)


@given(VALUES)
def test_json_for_people_is_json_and_harmless(value: Any) -> None:
    """However it is laid out, it parses to the same value, and each line is printable."""
    lines = readable.as_text(value)
    assert all(line.isprintable() for line in lines)
    assert json.loads("\n".join(lines)) == value


def test_short_values_share_a_line() -> None:
    """An attribute of a span takes one line, not five."""
    value = {"key": "footfall.project", "value": {"stringValue": "owner/name"}}
    assert readable.as_text([value] * 3) == ["[", *[f"  {json.dumps(value)},"] * 2, f"  {json.dumps(value)}", "]"]


def test_plural() -> None:
    """One is one."""
    assert [tables.plural(n, "record") for n in (0, 1, 2)] == ["0 records", "1 record", "2 records"]


def test_moments_are_utc() -> None:
    """Times say their zone, and do not depend on the machine's."""
    assert tables.moment(1_795_457_399_999_999_999) == "2026-11-23 18:09:59 UTC"
