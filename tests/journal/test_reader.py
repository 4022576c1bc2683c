"""The reading side: the same records from any offset, whatever happened to the file, and when a file is finished."""

from __future__ import annotations

import json
import os
import tempfile
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from journalhelp import GUARD_SECONDS, child, define, event, lines_of, open_journal, read_file

from footfall.destination import Destination
from footfall.journal import lines, reader
from footfall.journal.reader import JournalReader, finished, journals, killed
from footfall.usage import Kind, Outcome, Usage


def journal_bytes() -> bytes:
    """Return a journal with every kind of line, definitions in between, and one fragment that was mended."""
    parts = [
        lines.Opened(process="p", pid=1, time_ns=1, session_id="s", previous_session_id="b", installation_id="i"),
        lines.ResourceLine(attributes={"os.type": "linux"}),
        lines.ProjectLine(n=1, project="demo/lib", version="1.0", extra={"site": "x"}),
        lines.FunctionLine(n=1, project=1, name="lib:f", service="s", extra={"level": 1}, drop=("a",), starts=True),
        lines.Start(function=1, time_ns=10, ids="1" * 48),
        lines.Count(function=1, time_ns=11, ids="2" * 48, count=7),
        lines.ProjectLine(n=2, project="demo/other"),
        lines.FunctionLine(n=2, project=2, name="step"),
        lines.Event(function=2, time_ns=12, ids="3" * 48, extra={"ü": "ß\n"}, outcome=Outcome.OK),
        lines.End(
            function=1,
            time_ns=10,
            ids="1" * 48,
            duration_ns=5,
            outcome=Outcome.ERROR,
            error_type="E",
            extra={"level": 2},
        ),
        lines.Sealed(),
    ]
    encoded = [lines.encode(part) for part in parts]
    encoded.insert(6, b'{"kind":"end","func' + lines.TORN + b"\n")
    return b"".join(encoded)


WHOLE = journal_bytes()


def test_how_arguments_are_passed_is_in_the_definition_and_older_journals_say_nothing(tmp_path: Path):
    """Static for a function, so not in each line; a journal written before reads as "all by name"."""
    for parameters in ((), ("/key",)):
        path = tmp_path / f"{len(parameters)}.jsonl"
        define_line = lines.encode(lines.FunctionLine(n=1, project=1, name="lib:f", parameters=parameters))
        assert (b"parameters" in define_line) is bool(parameters)
        head = lines.Opened(process="p", pid=1, time_ns=1), lines.ProjectLine(n=1, project="demo/lib")
        end = lines.encode(lines.End(function=1, time_ns=10, ids="1" * 48))
        path.write_bytes(b"".join(map(lines.encode, head)) + define_line + end)
        (usage,) = usages(JournalReader(path).read().observed)
        assert usage.parameters == parameters


def usages(found: list[reader.Observed]) -> list[Usage]:
    """Return the records without their destinations."""
    return [record.usage for record in found]


def whole_reading() -> list[Usage]:
    """Return what `WHOLE` says, read at once."""
    with tempfile.TemporaryDirectory() as directory:
        path = Path(directory) / "1.jsonl"
        path.write_bytes(WHOLE)
        return usages(read_file(path)[0])


EXPECTED = whole_reading()


def test_all_of_a_file_is_told(tmp_path: Path):
    """Every kind of record, joined with the definitions it refers to; project and function add fields, records win."""
    path = tmp_path / "1.jsonl"
    path.write_bytes(WHOLE)
    at = JournalReader(path)
    chunk = at.read()
    common = {
        "project": "demo/lib",
        "project_version": "1.0",
        "service": "s",
        "name": "lib:f",
        "drop": ("a",),
        "resource": {"os.type": "linux"},
        "session_id": "s",
        "previous_session_id": "b",
        "installation_id": "i",
    }
    start = Usage(
        **common, kind=Kind.START, trace_id="1" * 32, span_id="1" * 16, time_ns=10, extra={"site": "x", "level": 1}
    )
    assert usages(chunk.observed)[0] == start
    assert usages(chunk.observed)[3] == Usage(
        **common,
        kind=Kind.END,
        trace_id="1" * 32,
        span_id="1" * 16,
        time_ns=10,
        duration_ns=5,
        outcome=Outcome.ERROR,
        error_type="E",
        extra={"site": "x", "level": 2},
    )
    assert [(u.kind, u.count, u.name) for u in usages(chunk.observed)] == [
        (Kind.START, 1, "lib:f"),
        (Kind.COUNT, 7, "lib:f"),
        (Kind.EVENT, 1, "step"),
        (Kind.END, 1, "lib:f"),
    ]
    assert [record.starts for record in chunk.observed] == [True, True, False, True]
    assert (chunk.corrupt, chunk.offset, chunk.at_end, at.sealed, at.closed) == (0, len(WHOLE), True, True, False)


@settings(max_examples=150, deadline=None)
@given(cuts=st.lists(st.integers(0, len(WHOLE)), max_size=12).map(sorted), fresh=st.booleans())
def test_any_split_of_readings_gives_the_same_records(cuts: list[int], fresh: bool):
    """The file grows by arbitrary pieces and is read after each, by one reader or a new one each time."""
    with tempfile.TemporaryDirectory() as directory:
        path = Path(directory) / "1.jsonl"
        path.touch()
        at, offset, found = JournalReader(path), 0, []
        for begin, end in zip([0, *cuts], [*cuts, len(WHOLE)], strict=True):
            with path.open("ab") as file:
                file.write(WHOLE[begin:end])
            at = JournalReader(path) if fresh else at
            chunk = at.read(offset)
            assert chunk.corrupt == 0
            offset = chunk.offset
            found += usages(chunk.observed)
        assert found == EXPECTED


@settings(max_examples=60, deadline=None)
@given(offsets=st.permutations(range(6)))
def test_any_offset_may_be_read_again(offsets: list[int]):
    """A courier whose transaction failed reads the same offset again, and gets the same records (P2)."""
    ends = [index + 1 for index, byte in enumerate(WHOLE) if byte == 10]
    at_offsets = [0, *ends[3:8]]
    with tempfile.TemporaryDirectory() as directory:
        path = Path(directory) / "1.jsonl"
        path.write_bytes(WHOLE)
        at = JournalReader(path)
        for which in offsets:
            offset = at_offsets[which]
            skipped = [line for line in WHOLE[:offset].splitlines() if b'"time_ns"' in line and b"opened" not in line]
            assert usages(at.read(offset).observed) == EXPECTED[len(skipped) :]


def test_large_files_are_read_in_pieces(tmp_path: Path):
    """Memory stays small: no reading takes much more than its chunk, and all of them together take everything."""
    journal = open_journal(tmp_path, max_bytes=2**30)
    define(journal)
    for number in range(100):
        journal.write(event(number, pad=50_000 if number % 3 else 10))
    journal.close()
    (path,) = journals(tmp_path)
    at, offset, sizes, found = JournalReader(path), 0, [], []
    while True:
        chunk = at.read(offset)
        sizes.append(chunk.offset - offset)
        found += [record.usage.time_ns for record in chunk.observed]
        offset = chunk.offset
        if chunk.at_end:
            break
    assert found == list(range(100))
    assert len(sizes) > 3
    assert max(sizes) <= reader.CHUNK_BYTES


def test_a_torn_last_line_is_not_told_until_it_is_whole(tmp_path: Path):
    """Expected after a kill: skipped without being counted, and read when the rest comes."""
    path = tmp_path / "1.jsonl"
    path.write_bytes(WHOLE[:-5])
    chunk = JournalReader(path).read()
    assert (len(chunk.observed), chunk.corrupt, chunk.at_end) == (4, 0, True)
    assert chunk.offset == WHOLE.rindex(b"\n", 0, -5) + 1


@pytest.mark.parametrize(
    "damage",
    [
        b"",
        b"{}",
        b"nonsense",
        b"\x00" * 40,
        b"\xff\xfe\xfa",
        b'{"kind":"end"}',
        b'{"kind":"later","function":1}',
        b'{"kind":"end","function":99,"time_ns":1,"ids":"1"}',
        b'{"kind":"function","n":5,"project":77,"name":"x"}',
        b'{"kind":"resource","attributes":{"a":' + b"[" * 30_000 + b"]" * 30_000 + b"}}",
        b"x" * 200_000,
    ],
    ids=[
        "empty",
        "no kind",
        "text",
        "zeros",
        "no UTF-8",
        "no fields",
        "unknown kind",
        "no function",
        "no project",
        "deep",
        "long",
    ],
)
def test_a_damaged_line_is_counted_and_the_rest_is_told(tmp_path: Path, damage: bytes):
    """Reading goes on at the next line end (reliability.md P13)."""
    middle = WHOLE.index(b'{"kind":"start"')
    path = tmp_path / "1.jsonl"
    path.write_bytes(WHOLE[:middle] + damage + b"\n" + WHOLE[middle:])
    found, corrupt = read_file(path)
    assert (usages(found), corrupt) == (EXPECTED, 1 if damage else 0)


@settings(max_examples=200, deadline=None)
@given(st.data())
def test_no_bytes_make_the_reader_fail(data: st.DataObject):
    """Flipped, cut or inserted bytes: records and counts, never an exception, and the end is always reached."""
    damaged = bytearray(WHOLE)
    for _ in range(data.draw(st.integers(1, 6))):
        at = data.draw(st.integers(0, len(damaged)))
        damaged[at : at + data.draw(st.integers(0, 8))] = data.draw(st.binary(max_size=8))
    with tempfile.TemporaryDirectory() as directory:
        path = Path(directory) / "1.jsonl"
        path.write_bytes(damaged)
        found, corrupt = read_file(path)
        assert corrupt <= damaged.count(b"\n")
        assert len(found) <= damaged.count(b"\n")


def test_a_file_of_a_newer_version_is_left_alone(tmp_path: Path):
    """It has no `opened`, and tells nothing; unknown fields of the version we know are no trouble."""
    path = tmp_path / "1.jsonl"
    path.write_bytes(WHOLE.replace(b'{"kind":"opened",', b'{"kind":"opened","version":2,'))
    at = JournalReader(path)
    assert (at.read().observed, at.opened) == ([], None)
    path.write_bytes(WHOLE.replace(b'{"kind":"opened",', b'{"kind":"opened","mood":"good",'))
    assert usages(read_file(path)[0]) == EXPECTED


def test_destinations_come_with_the_records(tmp_path: Path):
    """Whoever adopts a journal knows where its lines belong."""
    send_to = (Destination(wire="otlp", endpoint="http://localhost:4318", options={"a": 1}),)
    project = lines.ProjectLine(n=1, project="demo/lib", send_to=send_to)
    path = tmp_path / "1.jsonl"
    parts = (lines.Opened(process="p", pid=1, time_ns=1), project, lines.FunctionLine(n=1, project=1, name="lib:f"))
    path.write_bytes(b"".join(map(lines.encode, parts)) + event(5))
    assert [record.send_to for record in read_file(path)[0]] == [send_to]


# -- who is gone -------------------------------------------------------------------------------------------------------


def test_a_file_is_finished_when_its_last_writer_is_gone(tmp_path: Path):
    """Not while it is open here, not before a fork child that heard of nothing let go; then at once."""
    script = """
journal = open_journal(directory); define(journal); journal.write(event(1))
if os.fork() == 0:
    os.write(1, b"child\\n")
    sys.stdin.readline()
    os._exit(0)
os.wait()
"""
    with child(script, tmp_path) as process:
        assert next(lines_of(process)) == "child\n"
        (path,) = journals(tmp_path)
        process.kill()
        process.wait(GUARD_SECONDS)
        assert not finished(path, None, is_alive=lambda *_: False), "the child could still write"
        assert process.stdin is not None
        process.stdin.write("\n")
        process.stdin.close()
        assert process.stdout is not None
        assert process.stdout.read() == "", "read to the end: the child has closed everything"
        assert finished(path, None, is_alive=lambda *_: False)


def test_a_file_of_this_process_is_not_finished_until_it_is_closed(tmp_path: Path):
    """The courier often lives in the very process that writes."""
    journal = open_journal(tmp_path)
    journal.write(event(1))
    (path,) = journals(tmp_path)
    assert not finished(path, None, is_alive=lambda *_: True)
    journal.close()
    assert finished(path, None, is_alive=lambda *_: True), "the lock answers, nobody asks further"


def test_a_file_that_is_gone_is_not_finished(tmp_path: Path):
    """Somebody else has settled it; so is a link, which is not ours to follow."""
    assert not finished(tmp_path / "none.jsonl", None, is_alive=lambda *_: False)
    (tmp_path / "real").touch()
    (tmp_path / "link.jsonl").symlink_to(tmp_path / "real")
    assert not finished(tmp_path / "link.jsonl", None, is_alive=lambda *_: False)


def test_journals_are_listed_oldest_first(tmp_path: Path):
    """Unfinished and foreign files are not among them; no directory holds none."""
    for name in ("2.jsonl", "10.new", "1.jsonl", "notes.txt"):
        (tmp_path / name).touch()
    assert [path.name for path in journals(tmp_path)] == ["1.jsonl", "2.jsonl"]
    assert journals(tmp_path / "none") == []


def test_a_run_without_an_end_was_killed():
    """Its end is the last sign of life, never before its start."""
    start = EXPECTED[0]
    end = killed(start, last_seen_ns=start.time_ns + 5)
    assert (end.kind, end.outcome, end.error_type, end.duration_ns) == (Kind.END, Outcome.KILLED, "ProcessKilled", 5)
    assert (end.span_id, end.extra, end.time_ns) == (start.span_id, start.extra, start.time_ns)
    assert killed(start, last_seen_ns=0).duration_ns == 0


def test_the_head_is_plain_json():
    """Any JSON reader will do for a journal."""
    kinds = [json.loads(line)["kind"] for line in WHOLE.splitlines() if not line.endswith(lines.TORN)]
    assert kinds[:4] == ["opened", "resource", "project", "function"]
    assert os.linesep.encode() * 2 not in WHOLE
