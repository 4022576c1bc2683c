"""Tables in files of limited size: every row once, whole, in order."""

from __future__ import annotations

import csv
import io
import sqlite3
from pathlib import Path
from tempfile import TemporaryDirectory

import pytest
from hypothesis import given
from hypothesis import strategies as st

from footfall.collect import splitting
from footfall.collect.splitting import Splitter, split_file, write_rows

CELLS = st.text(st.sampled_from('ab,"\n\r é€'), max_size=12)
ROWS = st.lists(st.lists(CELLS, min_size=2, max_size=2), max_size=30)


def as_text(rows: list[list[str]]) -> str:
    held = io.StringIO(newline="")
    csv.writer(held, lineterminator="\n", quoting=csv.QUOTE_ALL).writerows(rows)
    return held.getvalue()


def read(path: str | Path) -> list[list[str]]:
    return list(csv.reader(io.StringIO(Path(path).read_bytes().decode(), newline="")))


@given(ROWS, st.integers(20, 200), st.lists(st.integers(1, 40), min_size=1, max_size=8))
def test_rows_are_whole_whatever_is_written(rows: list[list[str]], limit: int, pieces: list[int]) -> None:
    """Pieces of any length; the files hold the header each, and all rows in order, and keep the limit."""
    header = ["one", "two"]
    text = as_text([header, *rows])
    with TemporaryDirectory() as folder:
        splitter = Splitter(Path(folder) / "t.csv", limit)
        at = turn = 0
        while at < len(text):
            splitter.write(text[at : at + pieces[turn % len(pieces)]])
            at, turn = at + pieces[turn % len(pieces)], turn + 1
        files = splitter.close()
        found = [read(path) for path in files]
        assert all(table[0] == header for table in found)
        assert [row for table in found for row in table[1:]] == rows
        assert all(
            len(table) == 2 or Path(path).stat().st_size <= limit for path, table in zip(files, found, strict=True)
        )
        assert (len(files) > 0) == (len(rows) > 0)
        assert sorted(path.name for path in Path(folder).iterdir()) == sorted(Path(path).name for path in files)


def test_one_file_has_the_plain_name(tmp_path: Path) -> None:
    """And several are numbered."""
    for limit, names in ((1000, ["t.csv"]), (7, ["t.csv_split0", "t.csv_split1"])):
        splitter = Splitter(tmp_path / "t.csv", limit)
        splitter.write("a,b\n1,2\n3,4\n")
        assert [Path(path).name for path in splitter.close()] == names


def test_the_last_row_needs_no_end(tmp_path: Path) -> None:
    """What a program writes last may lack it."""
    splitter = Splitter(tmp_path / "t.csv", 1000)
    splitter.write("a,b\n1,")
    splitter.write("2")
    assert [read(path) for path in splitter.close()] == [[["a", "b"], ["1", "2"]]]


def test_a_stray_quote_does_not_take_the_table_into_memory(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Past `MAX_ROW_CHARACTERS` a row is taken for several."""
    monkeypatch.setattr(splitting, "MAX_ROW_CHARACTERS", 50)
    splitter = Splitter(tmp_path / "t.csv", 100)
    for line in ["a,b\n", '5",x\n', *["1,2\n"] * 100]:
        splitter.write(line)
    files = splitter.close()
    assert "".join(Path(path).read_text().removeprefix("a,b\n") for path in files) == '5",x\n' + "1,2\n" * 100
    assert all(Path(path).stat().st_size <= 100 for path in files)


def test_a_file_is_split_again(tmp_path: Path) -> None:
    """Where its tarball is larger than a server takes."""
    path = tmp_path / "t.csv"
    path.write_text(as_text([["a", "b"], *[["1", "x\ny"]] * 50]), newline="")
    size = path.stat().st_size
    files = split_file(path, size // 2 + 1)
    assert not path.exists()
    assert [row for each in files for row in read(each)[1:]] == [["1", "x\ny"]] * 50
    assert len(files) >= 2
    assert all(each.stat().st_size <= size // 2 + 1 for each in files)


def test_rows_of_every_kind(tmp_path: Path) -> None:
    """Sequences under a given header or their own, mappings, and cursors."""
    connection = sqlite3.connect(":memory:")
    cursor = connection.execute("SELECT 1 AS a, 'x,y' AS b UNION ALL SELECT 2, NULL")
    wanted = [["a", "b"], ["1", "x,y"], ["2", ""]]
    plain = [(1, "x,y"), (2, None)]
    for number, (rows, header) in enumerate(
        [
            (plain, ("a", "b")),
            ([("a", "b"), *plain], ()),
            (({"a": a, "b": b} for a, b in plain), ()),
            ([{"a": 1, "b": "x,y", "c": 0}, {"a": 2}], ("a", "b")),
            (cursor, ()),
        ]
    ):
        (path,) = write_rows(rows, tmp_path / f"{number}.csv", 10_000, header)
        assert read(path) == wanted
    assert write_rows(iter(()), tmp_path / "none.csv", 10_000, ("a",)) == []
    connection.close()


def test_rows_are_closed_when_they_are_read(tmp_path: Path) -> None:
    """A cursor that stays open is in the way of the next; so is one whose rows could not be written."""
    connection = sqlite3.connect(":memory:")
    whole, torn = connection.execute("SELECT 1 AS a"), connection.execute("SELECT 1 AS a")
    write_rows(whole, tmp_path / "whole.csv", 10_000)
    with pytest.raises(FileNotFoundError):
        write_rows(torn, tmp_path / "nowhere" / "torn.csv", 10_000)
    for cursor in (whole, torn):
        with pytest.raises(sqlite3.ProgrammingError, match="closed"):
            cursor.fetchone()
    connection.close()
