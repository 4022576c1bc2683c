"""Every promise at the top of ``journal/writer.py``."""

from __future__ import annotations

import errno
import os
import re
import shutil
import signal
import stat
import threading
from pathlib import Path

import pytest
from journalhelp import (
    GUARD_SECONDS,
    child,
    define,
    event,
    lines_of,
    numbers,
    open_journal,
    read_all,
    read_file,
    run,
)

from footfall.errors import trouble
from footfall.journal import lines
from footfall.journal.reader import JournalReader, finished, journals
from footfall.journal.writer import KEPT_RECORDS, Journal

never_alive = lambda _pid, _started: False  # noqa: E731


# -- what survives -----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("after", [1, 40, 300])
def test_sigkill_loses_nothing_that_was_accepted(tmp_path: Path, after: int):
    """Killed while it writes: each record whose `write` had returned is there, whole, and in order."""
    directory = tmp_path / "journal"
    script = """
journal = open_journal(directory, max_bytes=8192)
define(journal)
for number in range(10**6):
    assert journal.write(event(number))
    os.write(1, b"%d\\n" % number)
"""
    with child(script, directory) as process:
        confirmed = -1
        for line in lines_of(process):
            confirmed = int(line)
            if confirmed >= after:
                process.kill()
                break
        confirmed = max([confirmed, *(int(line) for line in lines_of(process) if line.endswith("\n"))])
        process.wait(GUARD_SECONDS)
    found = numbers(directory)
    assert found[: confirmed + 1] == list(range(confirmed + 1))
    assert len(found) <= confirmed + 2, "at most one more than was confirmed"


def test_os_exit_loses_nothing(tmp_path: Path):
    """``os._exit`` runs no handler of ours, and needs none."""
    run(
        "journal = open_journal(directory); define(journal)\nfor n in range(500): journal.write(event(n))\nos._exit(0)",
        tmp_path,
    )
    assert numbers(tmp_path) == list(range(500))


def test_a_fork_child_writes_a_file_of_its_own(tmp_path: Path):
    """Parent and child write on after the fork; neither has a line of the other, and each file says whose it is."""
    script = """
journal = open_journal(directory); define(journal); journal.write(event(1))
pid = os.fork()
if pid == 0:
    journal.after_fork(); define(journal); journal.write(event(2)); os._exit(0)
os.waitpid(pid, 0)
journal.write(event(3)); print(os.getpid(), pid)
"""
    parent, forked = map(int, run(script, tmp_path).split())
    found = {}
    for path in journals(tmp_path):
        reader = JournalReader(path)
        records = reader.read(0).observed
        assert reader.opened is not None
        found[reader.opened.pid] = [record.usage.time_ns for record in records]
    assert found == {parent: [1, 3], forked: [2]}


def test_what_waits_in_memory_is_the_parents_after_a_fork(tmp_path: Path):
    """A record that the disk refused before the fork is written once, by the parent."""
    script = """
journal = open_journal(directory); os.rmdir(directory); Path(directory).touch()
define(journal); assert journal.write(event(1))
pid = os.fork()
if pid == 0:
    journal.after_fork(); directory.unlink(); define(journal); journal.write(event(2)); journal.close(); os._exit(0)
os.waitpid(pid, 0)
journal.close()
"""
    run(script, tmp_path / "journal")
    assert sorted(numbers(tmp_path / "journal")) == [1, 2]


def test_a_parents_death_frees_its_file_although_its_child_lives(tmp_path: Path):
    """The child lets go of the lock it inherited, so the parent's journal can be adopted at once."""
    script = """
journal = open_journal(directory); define(journal); journal.write(event(1))
if os.fork() == 0:
    journal.after_fork()
    os.write(1, b"child\\n")
    sys.stdin.read()
    os._exit(0)
signal.pause()
"""
    with child(script, tmp_path) as process:
        assert next(lines_of(process)) == "child\n"
        (path,) = journals(tmp_path)
        assert not finished(path, None, is_alive=never_alive), "the parent lives"
        process.kill()
        process.wait(GUARD_SECONDS)
        assert finished(path, None, is_alive=never_alive)
        assert process.stdin is not None
        process.stdin.close()


def test_a_started_program_does_not_hold_the_journal(tmp_path: Path):
    """The descriptor is closed on exec, before and after a rotation."""
    journal = open_journal(tmp_path)
    journal.write(event(1))
    for _ in range(2):
        assert not os.get_inheritable(journal.fd)
        journal.rotate()
    journal.close()


# -- threads and rotation ----------------------------------------------------------------------------------------------


@pytest.mark.parametrize("max_bytes", [2**20, 20_000])
def test_threads_never_mix_or_lose_lines(tmp_path: Path, max_bytes: int):
    """16 threads of 2 000 records, also while files are exchanged under the descriptor: all there, none torn."""
    journal = open_journal(tmp_path, max_bytes=max_bytes)
    define(journal)

    def write(thread: int) -> None:
        for number in range(2000):
            assert journal.write(event(thread * 10_000 + number, pad=20))

    threads = [threading.Thread(target=write, args=(thread,)) for thread in range(16)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    journal.close()
    assert sorted(numbers(tmp_path)) == [thread * 10_000 + number for thread in range(16) for number in range(2000)]
    assert len(journals(tmp_path)) >= (1 if max_bytes == 2**20 else 20)


def test_the_descriptor_keeps_its_number(tmp_path: Path):
    """Through rotations, closing and opening again: a thread on its way into ``os.write`` meets no stranger's file."""
    journal = open_journal(tmp_path)
    define(journal)
    journal.write(event(1))
    number = journal.fd
    journal.rotate()
    journal.write(event(2))
    assert journal.fd == number
    journal.close()
    somebody = os.open(tmp_path / "theirs", os.O_CREAT | os.O_WRONLY)
    assert somebody != number
    with pytest.raises(OSError, match="Bad file descriptor"):
        os.write(number, b"late")
    os.close(somebody)
    journal.write(event(3))
    assert journal.fd == number
    journal.close()
    assert numbers(tmp_path) == [1, 2, 3]


def test_files_of_one_process_are_numbered_and_sealed(tmp_path: Path):
    """Each file ends in `Sealed`, the last in `Closed`; sequence numbers count, definitions are repeated."""
    journal = open_journal(tmp_path, max_bytes=1500)
    define(journal)
    for number in range(30):
        journal.write(event(number))
    journal.close()
    seen = []
    for path in journals(tmp_path):
        reader = JournalReader(path)
        assert [record.usage.name for record in reader.read(0).observed] == ["lib:f1"] * len(reader.read(0).observed)
        assert reader.opened is not None
        seen.append((reader.opened.sequence, reader.sealed, reader.closed))
    last = len(seen) - 1
    assert last >= 2
    assert seen == [*((n, True, False) for n in range(last)), (last, False, True)]


def test_a_call_from_within_is_kept_and_not_waited_for(tmp_path: Path):
    """Whoever looks at the machine for the first line may call a wrapped function: no deadlock, no loss."""

    def resource() -> dict[str, object]:
        assert journal.write(event(1))
        return {}

    journal = open_journal(tmp_path)
    journal._resource = resource
    define(journal)
    assert journal.write(event(2))
    journal.retry_kept()
    journal.close()
    assert sorted(numbers(tmp_path)) == [1, 2]


# -- a disk that is full, cut, or gone ---------------------------------------------------------------------------------


def test_a_file_size_limit_tears_a_line_and_loses_none(tmp_path: Path):
    """``RLIMIT_FSIZE`` makes writes short, then fails them; the fragment is marked, the records wait."""
    script = """
import resource
journal = open_journal(directory); define(journal)
for n in range(3): assert journal.write(event(n))
size = os.fstat(journal.fd).st_size
signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
resource.setrlimit(resource.RLIMIT_FSIZE, (size + 50, resource.RLIM_INFINITY))
for n in range(3, 10): assert journal.write(event(n, pad=40)), n
assert os.fstat(journal.fd).st_size == size + 50, "the disk took a part"
assert journal.retry_kept() == 7
resource.setrlimit(resource.RLIMIT_FSIZE, (resource.RLIM_INFINITY, resource.RLIM_INFINITY))
assert journal.write(event(10)); assert journal.retry_kept() == 0
"""
    run(script, tmp_path)
    assert numbers(tmp_path) == list(range(11))
    (path,) = journals(tmp_path)
    assert len(re.findall(rb"\x18\n", path.read_bytes())) == 1


def test_the_end_of_a_fragment_may_itself_be_torn(tmp_path: Path):
    """Space comes back byte by byte: whatever part of the mark was taken, no record is lost and none is mixed."""
    script = """
import resource
journal = open_journal(directory); define(journal)
assert journal.write(event(0))
size = os.fstat(journal.fd).st_size
signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
for room in range(10, 200):
    resource.setrlimit(resource.RLIMIT_FSIZE, (size + room, resource.RLIM_INFINITY))
    assert journal.write(event(room))
resource.setrlimit(resource.RLIMIT_FSIZE, (resource.RLIM_INFINITY, resource.RLIM_INFINITY))
assert journal.retry_kept() == 0
"""
    run(script, tmp_path)
    assert numbers(tmp_path) == [0, *range(10, 200)]


def test_a_definition_that_the_disk_refused_comes_before_its_records(tmp_path: Path):
    """A function met while the disk is full is defined first when there is space again."""
    script = """
import resource
from footfall.journal import lines
journal = open_journal(directory); define(journal)
journal.write(event(1))
size = os.fstat(journal.fd).st_size
signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
resource.setrlimit(resource.RLIMIT_FSIZE, (size + int(sys.argv[2]), resource.RLIM_INFINITY))
define(journal, 2)
second = lambda n: lines.encode(lines.Event(function=2, time_ns=n, ids="0" * 47 + "2"))
assert journal.write(second(2))
resource.setrlimit(resource.RLIMIT_FSIZE, (resource.RLIM_INFINITY, resource.RLIM_INFINITY))
assert journal.write(second(3))
"""
    for room in ("0", "10", "60", "75"):
        directory = tmp_path / room
        run(script, directory, room)
        assert [(r.usage.name, r.usage.time_ns) for r in read_all(directory)] == [
            ("lib:f1", 1),
            ("lib:f2", 2),
            ("lib:f2", 3),
        ]


def test_a_fragment_is_ended_before_last_words(tmp_path: Path):
    """A torn line at the very end of a file does not swallow `Sealed` or `Closed`."""
    script = """
import resource
journal = open_journal(directory); define(journal)
journal.write(event(1))
size = os.fstat(journal.fd).st_size
signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
resource.setrlimit(resource.RLIMIT_FSIZE, (size + 10, resource.RLIM_INFINITY))
journal.write(event(2))
resource.setrlimit(resource.RLIMIT_FSIZE, (resource.RLIM_INFINITY, resource.RLIM_INFINITY))
journal.rotate() if sys.argv[2] == "rotate" else None
journal.close()
"""
    for how in ("rotate", "close"):
        directory = tmp_path / how
        run(script, directory, how)
        assert numbers(directory) == [1, 2]
        readers = [JournalReader(path) for path in journals(directory)]
        for reader in readers:
            reader.read(0)
        ends = [(reader.sealed, reader.closed) for reader in readers]
        assert ends == ([(True, False), (False, True)] if how == "rotate" else [(False, True)])


def test_what_does_not_fit_memory_is_refused_and_the_caller_counts(tmp_path: Path):
    """No directory at all: the first thousand records wait, the next are refused, and nothing is raised."""
    journal = Journal(lambda: None, identity=lambda: pytest.fail("nobody writes"), resource=dict)
    assert [journal.write(event(number)) for number in range(KEPT_RECORDS + 2)] == [True] * KEPT_RECORDS + [False] * 2
    large = Journal(lambda: None, identity=lambda: pytest.fail("nobody writes"), resource=dict)
    accepted = [large.write(event(number, pad=60_000)) for number in range(20)]
    assert accepted == [True] * 17 + [False] * 3, "17 of 60 kB fit 1 MiB"


def test_a_directory_that_cannot_be_written_costs_one_try_in_five_seconds(tmp_path: Path):
    """A file stands where the directory should be: records wait, one note is made, later all is written."""
    directory = tmp_path / "journal"
    before = trouble.counts["journal"]
    journal = open_journal(directory)
    directory.rmdir()
    directory.touch()
    define(journal)
    for number in range(50):
        assert journal.write(event(number))
    assert trouble.counts["journal"] == before + 1
    directory.unlink()
    journal.close()
    assert numbers(directory) == list(range(50))


def test_a_removed_directory_is_made_again(tmp_path: Path):
    """`check` notices, and what comes after it is in a new file in a directory that others cannot enter."""
    directory = tmp_path / "journal"
    journal = open_journal(directory)
    define(journal)
    journal.write(event(1))
    shutil.rmtree(directory)
    journal.check()
    assert journal.write(event(2))
    journal.close()
    assert numbers(directory) == [2]
    assert stat.S_IMODE(directory.stat().st_mode) == 0o700


def test_nothing_is_written_to_a_removed_file_when_no_other_can_be_had(tmp_path: Path):
    """The place is taken by a file: records wait in memory instead of going to where nobody finds them."""
    directory = tmp_path / "journal"
    journal = open_journal(directory)
    define(journal)
    journal.write(event(1))
    shutil.rmtree(directory)
    directory.touch()
    journal.check()
    assert journal.write(event(2))
    directory.unlink()
    journal.close()
    assert numbers(directory) == [2]


@pytest.mark.parametrize("left", [0, 7])
def test_a_cut_file_is_given_up(tmp_path: Path, left: int):
    """Somebody truncates the journal: after `check` records go to a whole new file."""
    journal = open_journal(tmp_path)
    define(journal)
    journal.write(event(1))
    (old,) = journals(tmp_path)
    os.truncate(old, left)
    journal.check()
    journal.write(event(2))
    journal.close()
    (new,) = set(journals(tmp_path)) - {old}
    assert [record.usage.time_ns for record in read_file(new)[0]] == [2]


def test_check_leaves_an_intact_file_alone(tmp_path: Path):
    """Nothing happened, so nothing is exchanged; and without a file there is nothing to do."""
    journal = open_journal(tmp_path)
    journal.check()
    assert journals(tmp_path) == []
    define(journal)
    journal.write(event(1))
    path = journal.path
    journal.check()
    assert journal.path == path
    journal.close()


def test_beyond_the_size_of_all_journals_nothing_is_accepted(tmp_path: Path):
    """`write` says no, so that the caller counts; what was accepted before stays."""
    journal = open_journal(tmp_path, max_bytes=2000, total_max_bytes=10_000)
    define(journal)
    said = [journal.write(event(number, pad=100)) for number in range(200)]
    accepted = said.index(False)
    assert 30 < accepted < 100
    assert not any(said[accepted:])
    journal.close()
    assert numbers(tmp_path) == list(range(accepted))


# -- what is in the file -----------------------------------------------------------------------------------------------


def test_a_journal_can_be_read_with_cat(tmp_path: Path):
    """Words, one line a record, the definitions first: a promise to the person whose machine it is on."""
    journal = open_journal(tmp_path)
    define(journal)
    journal.write(
        lines.encode(lines.End(function=1, time_ns=5, ids="ab" * 24, duration_ns=7, arguments={"kind": "nc"}))
    )
    journal.close()
    (path,) = journals(tmp_path)
    text = re.sub(r'"(time_ns":)\d{15,}', r'"\1 0', path.read_text())
    assert text.replace(f'"pid":{os.getpid()}', '"pid": 1').splitlines() == [
        '{"kind":"opened","process":"p","pid": 1,"time_ns": 0,"session_id":"s"}',
        '{"kind":"resource","attributes":{"os.type":"linux"}}',
        '{"kind":"project","n":1,"project":"demo/lib","version":"1.0"}',
        '{"kind":"function","n":1,"project":1,"name":"lib:f1"}',
        f'{{"kind":"end","function":1,"time_ns":5,"ids":"{"ab" * 24}","arguments":{{"kind":"nc"}},"duration_ns":7}}',
        '{"kind":"closed"}',
    ]


@pytest.mark.parametrize("umask", [0o000, 0o077])
def test_a_journal_is_private_whatever_the_umask(tmp_path: Path, umask: int):
    """Mode 0600 from the beginning, and no unfinished file stays."""
    before = os.umask(umask)
    try:
        journal = open_journal(tmp_path)
        journal.write(event(1))
        journal.close()
    finally:
        os.umask(before)
    assert [(entry.suffix, stat.S_IMODE(entry.stat().st_mode)) for entry in tmp_path.iterdir()] == [(".jsonl", 0o600)]


def test_a_file_is_locked_as_soon_as_it_has_its_name(tmp_path: Path):
    """A reader never wins the lock of a living writer's file, however quick it is."""
    journal = open_journal(tmp_path, max_bytes=300)
    define(journal)
    stop = threading.Event()
    stolen: list[Path] = []

    def watch() -> None:
        while not stop.is_set():
            current = journals(tmp_path)[-1:]
            if current and finished(current[0], None, is_alive=never_alive) and current == journals(tmp_path)[-1:]:
                stolen.extend(current)

    watcher = threading.Thread(target=watch)
    watcher.start()
    for number in range(150):
        journal.write(event(number, pad=100))
    stop.set()
    watcher.join()
    journal.close()
    assert stolen == []


def test_power_syncs_each_record_and_the_name_of_each_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    """With ``durability="power"`` a record is synced before `write` returns, and so is the directory of a new file."""
    synced: list[str] = []
    fsync = os.fsync

    def count(fd: int) -> None:
        synced.append("directory" if stat.S_ISDIR(os.fstat(fd).st_mode) else "file")
        fsync(fd)

    monkeypatch.setattr(os, "fsync", count)
    journal = open_journal(tmp_path, durability="power")
    journal.write(event(1))
    assert synced == ["file", "directory"]
    journal.write(event(2))
    assert synced[2:] == ["file"]
    journal.close()
    relaxed = open_journal(tmp_path)
    relaxed.write(event(3))
    assert len(synced) == 3
    relaxed.sync()
    assert len(synced) == 4
    relaxed.close()


def test_synced_waits_for_the_sealed_file_too(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    """What a thread wrote just before its file was sealed is on the disk when `synced` returns."""
    journal = open_journal(tmp_path)
    journal.write(event(1))
    journal.synced()
    journal.write(event(2))
    sealed = os.stat(journal.path).st_ino  # type: ignore[arg-type]
    journal.rotate()
    synced: list[int] = []
    monkeypatch.setattr(os, "fsync", lambda fd: synced.append(os.fstat(fd).st_ino))
    journal.synced()
    assert sealed in synced
    assert os.stat(journal.path).st_ino in synced  # type: ignore[arg-type]
    journal.synced()
    assert synced.count(sealed) == 1
    journal.close()


def test_synced_says_what_the_disk_says(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    """A sync that failed is not a success for anybody who waited for it."""
    journal = open_journal(tmp_path)
    journal.write(event(1))

    def fail(_fd: int) -> None:
        raise OSError(errno.EIO, "gone")

    monkeypatch.setattr(os, "fsync", fail)
    with pytest.raises(OSError, match="gone"):
        journal.synced()
    monkeypatch.undo()
    journal.synced()
    journal.close()


def test_room_is_made_before_anything_is_refused(tmp_path: Path):
    """With `make_room` the oldest can go, so that the newest is kept."""

    def drop_the_oldest(directory: Path) -> None:
        for path in journals(directory)[:-2]:
            path.unlink()

    journal = open_journal(tmp_path, max_bytes=1000, total_max_bytes=4000, make_room=drop_the_oldest)
    define(journal)
    for number in range(100):
        assert journal.write(event(number, pad=200))
    journal.close()
    found = numbers(tmp_path)
    assert found[-1] == 99
    assert len(found) < 100


def test_signals_of_the_host_may_come_at_any_time(tmp_path: Path):
    """A handler that writes a record interrupts writes, openings and retries of the same thread: no deadlock."""
    journal = open_journal(tmp_path, max_bytes=4000)
    define(journal)
    handled = 0

    def handler(_number: int, _frame: object) -> None:
        nonlocal handled
        handled += 1
        assert journal.write(event(1_000_000 + handled))

    before = signal.signal(signal.SIGALRM, handler)
    signal.setitimer(signal.ITIMER_REAL, 0.001, 0.001)
    try:
        for number in range(2000):
            assert journal.write(event(number))
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)
        signal.signal(signal.SIGALRM, before)
    journal.close()
    found = numbers(tmp_path)
    assert sorted(found) == [*range(2000), *range(1_000_001, 1_000_001 + handled)]
