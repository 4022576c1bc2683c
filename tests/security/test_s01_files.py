"""S1: nothing of ours where others lay names first; what we make is born private, whatever the umask."""

from __future__ import annotations

import contextlib
import os
import stat
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

import footfall
from footfall import places
from footfall.errors import OutboxError, UnsafeFileError
from footfall.journal import writer
from footfall.outbox import files as outbox_files
from footfall.places import files
from tests.security import rules
from tests.security.rules import also_with, names_used, refused, rule, without
from tests.security.whole import PROJECT, forget, open_and_close, roots

NOBODY_LISTENS = "http://127.0.0.1:9"
LOCAL = "1 0 0:9001 / / rw,relatime - ext4 /dev/vda rw\n"
KINDS = ("link", "hard link", "fifo", "file")


@pytest.fixture(autouse=True)
def open_umask(footfall_on: None) -> Iterator[None]:
    """A umask that hides nothing: what is private then is private by itself."""
    before = os.umask(0)
    yield
    os.umask(before)


def plant(path: Path, kind: str, victim: Path) -> None:
    """Lay something at *path*, as somebody would who guessed the name."""
    path.unlink(missing_ok=True)
    victim.write_text("precious")
    if kind == "link":
        path.symlink_to(victim)
    elif kind == "hard link":
        path.hardlink_to(victim)
    elif kind == "fifo":
        os.mkfifo(path)
    else:
        path.write_text("precious")


def carelessly(path: Path, *_: object) -> int:
    # For reading too, so that a FIFO does not make the careless one wait.
    return os.open(path, os.O_RDWR | os.O_APPEND | os.O_CREAT, 0o666)


@rule(without(writer, "create", carelessly))
def test_a_journal_is_made_only_where_nothing_is(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Whoever guesses a journal's name, random part and all, still makes us write nowhere but in a file of our own."""
    monkeypatch.setattr(writer.secrets, "token_hex", lambda size: "00" * size)
    monkeypatch.setattr(writer.time, "time_ns", lambda: 7)
    directory, victim = tmp_path / "journal", tmp_path / "victim"
    directory.mkdir(mode=0o700, exist_ok=True)
    identity = writer.Identity(process="ab" * 16, pid=1)
    for kind in KINDS:
        journal = writer.Journal(lambda: directory, identity=lambda: identity, resource=dict)
        plant(directory / f"{7:020d}-1-00000000.new", kind, victim)
        journal.write(b"{}\n")
        assert victim.read_text() == "precious", kind
        assert journal.path is None, f"{kind}: wrote to what lay there"


@rule(
    without(files, "_SAFE_FLAGS", 0, without(files.os, "O_EXCL", 0)),
)
def test_no_file_is_opened_that_is_there(tmp_path: Path) -> None:
    """`open_private` and `write_private`; the matrix of what may lie there is in tests/test_places.py."""
    victim = tmp_path / "victim"
    for kind in ("link", "hard link", "file"):
        plant(tmp_path / "planted", kind, victim)
        refused(FileExistsError, places.open_private, tmp_path / "planted")
        assert victim.read_text() == "precious"


@rule(
    without(outbox_files.os, "O_NOFOLLOW", 0),
    without(outbox_files, "make_private", lambda _: False),
)
def test_the_outbox_follows_no_link(tmp_path: Path) -> None:
    """Database, lock and log, each laid there as a link: refused, and what it leads to stays as it is."""
    for name in ("outbox.db", "outbox.db.lock", "outbox.db-wal"):
        directory, victim = tmp_path / name, tmp_path / f"victim of {name}"
        directory.mkdir(exist_ok=True)
        victim.touch()
        (directory / name).unlink(missing_ok=True)
        (directory / name).symlink_to(victim)
        refused((OutboxError, UnsafeFileError), open_and_close, directory / "outbox.db")
        assert victim.stat().st_size == 0, name


def openly(path: Path, flags: int = os.O_WRONLY) -> int:
    return os.open(path, flags | os.O_CREAT | os.O_EXCL, 0o666)


def make_openly(path: Path) -> bool:
    if path.exists():
        return False
    os.close(openly(path))
    return True


def modes() -> dict[Path, int]:
    """Return all that footfall has made, and what kind of file it is, with its permissions."""
    found: dict[Path, int] = {}
    for root in roots():
        for path in (root, *root.rglob("*")):
            with contextlib.suppress(FileNotFoundError):  # gone meanwhile
                found[path] = path.lstat().st_mode
    return found


@rule(
    without(files, "FILE_MODE", 0o666),
    without(files, "DIRECTORY_MODE", 0o777, without(files, "_directory_refusal", lambda *_: "")),
    without(writer, "create", lambda path: openly(path, os.O_WRONLY | os.O_APPEND)),
    without(outbox_files, "make_private", make_openly),
)
def test_everything_is_private_whatever_the_umask() -> None:
    """State, configuration, outbox and its companions: 0600 and 0700 with a umask of 000."""
    forget()
    footfall.instrument(PROJECT, version="1.0", send_to=[footfall.Migas(NOBODY_LISTENS), footfall.Otlp(NOBODY_LISTENS)])
    footfall.event("step")
    found = modes()  # the journal may be gone when the line is through
    footfall.drain(2.0)
    forget()
    found |= modes()
    assert {path.suffix for path in found} >= {".json", ".jsonl", ".db", ".lock"}, "the line ran"
    for path, mode in found.items():
        wanted = 0o700 if stat.S_ISDIR(mode) else 0o600
        assert stat.S_IMODE(mode) == wanted, f"{path.name} has mode {stat.S_IMODE(mode):04o}"


@rule(without(rules, "sources", also_with("import os\nos.chmod('journal', 0o600)")))
def test_no_mode_is_mended_afterwards() -> None:
    """Between making and `chmod` others could have opened it, so nothing in the package changes a mode or the umask."""
    for name, tree in rules.sources():
        for used in names_used(tree):
            assert used.rpartition(".")[2] not in {"chmod", "fchmod", "lchmod", "umask"}, f"{name}: {used}"


@rule(
    without(files, "_directory_refusal", lambda *_: ""),
)
def test_a_directory_of_others_is_not_used(tmp_path: Path) -> None:
    """`/var/tmp/footfall-<uid>`, laid there before us: open to others, a link, or somebody else's."""
    uid = os.geteuid()
    var_tmp = tmp_path / "var-tmp"
    for kind in ("open", "link", "foreign"):
        var_tmp.mkdir(exist_ok=True)
        laid = var_tmp / f"footfall-{uid}"
        elsewhere = tmp_path / f"elsewhere of {kind}"
        if kind == "link":
            elsewhere.mkdir(mode=0o700, exist_ok=True)
            laid.symlink_to(elsewhere)
        else:
            laid.mkdir(mode=0o777 if kind == "open" else 0o700)
        asking = uid
        if kind == "foreign":
            if uid == 0:
                os.chown(laid, 54321, 54321)
            else:  # we cannot give it away, so somebody else asks
                asking = uid + 1
                laid.rename(var_tmp / f"footfall-{asking}")
                laid = var_tmp / f"footfall-{asking}"
        found = places.find("", {"HOME": os.devnull}, uid=asking, mountinfo=LOCAL, host="h", var_tmp=var_tmp)
        made = [path.name for path in (*laid.iterdir(), *(elsewhere.iterdir() if elsewhere.exists() else ()))]
        assert (found, made) == (None, []), kind
        laid.unlink() if laid.is_symlink() else laid.rmdir()


WATCHED = """
import os, sys
touched = []
def watch(event, arguments):
    if event == "open" and arguments[0] is not None and arguments[2] & (os.O_WRONLY | os.O_RDWR | os.O_CREAT):
        touched.append(str(arguments[0]))
    elif event in {"os.mkdir", "os.rename", "os.link", "os.symlink"}:
        touched.append(str(arguments[0]))
"""
USED = """
sys.addaudithook(watch)
import footfall
footfall.instrument("owner/tool", send_to=[footfall.Migas("http://127.0.0.1:9")])
footfall.event("step")
footfall.drain(1)
for path in touched:
    print(path)
"""


@rule(
    without(
        sys.modules[__name__],
        "WATCHED",
        WATCHED
        + """
from pathlib import Path
from footfall.places import layout
layout._candidates = lambda *_: iter([layout._Candidate(Path(os.environ["TMPDIR"]) / "footfall", below_own=False)])
""",
    )
)
def test_nothing_is_laid_into_the_shared_temporary_directory(tmp_path: Path) -> None:
    """Every file that a whole run opens for writing, makes or renames lies in a directory of the user."""
    shared = tmp_path / "shared"
    shared.mkdir(exist_ok=True)
    environ = {**os.environ, "TMPDIR": str(shared), "FOOTFALL_DIR": "", "PYTHONDONTWRITEBYTECODE": "1"}
    ran = subprocess.run(
        [sys.executable, "-c", WATCHED + USED],
        env=environ, cwd=shared, capture_output=True, text=True, timeout=60, check=True,
    )  # fmt: skip
    touched = [path for path in ran.stdout.splitlines() if path != os.devnull]
    assert touched, "the audit hook saw it"
    for path in touched:
        own = [root for root in roots() if Path(path).is_relative_to(root)]
        assert own, path
    assert list(shared.iterdir()) == []
