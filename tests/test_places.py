"""Places: files lie where they belong, belong to one user, and a bad place is passed over without a word too many."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import platformdirs
import pytest

from footfall import places
from footfall.errors import UnsafeFileError, trouble
from footfall.places import layout, mounts, processes

LOCAL = "1 0 0:9001 / / rw,relatime - ext4 /dev/vda rw\n"
SOMEBODY = 54321


@pytest.fixture
def open_umask() -> Iterator[None]:
    """A umask that hides nothing: what is private then is private by itself."""
    before = os.umask(0)
    yield
    os.umask(before)


def mode(path: Path) -> int:
    """Return the permission bits of *path* itself."""
    return path.lstat().st_mode & 0o7777


def give_away(path: Path) -> int:
    """Make *path* somebody else's in the eyes of the returned user id: by chown as root, else by asking as another."""
    if os.geteuid() == 0:
        os.chown(path, SOMEBODY, SOMEBODY, follow_symlinks=False)
        return 0
    return os.geteuid() + 1


def find(tmp_path: Path, directory: str = "", **environ: str) -> places.Places | None:
    """Look for places with a home below *tmp_path*, on a machine whose only file system is local."""
    home = tmp_path / "home"
    home.mkdir(exist_ok=True)
    environ.setdefault("HOME", str(home))
    return places.find(directory, environ, mountinfo=LOCAL, host="node1-boot", var_tmp=tmp_path / "var-tmp")


def test_open_private_is_private_under_any_umask(tmp_path: Path, open_umask: None) -> None:
    """S1: mode 0600 whatever the umask, and not inherited by children."""
    fd = places.open_private(tmp_path / "a", os.O_WRONLY | os.O_APPEND)
    assert mode(tmp_path / "a") == 0o600
    assert not os.get_inheritable(fd)
    os.close(fd)


@pytest.mark.parametrize("planted", ["file", "link", "dangling link", "hard link", "fifo", "directory"])
def test_open_private_opens_nothing_that_is_there(tmp_path: Path, planted: str) -> None:
    """S1: whatever was laid there first stays untouched, and a FIFO does not make us wait."""
    path, victim = tmp_path / "planted", tmp_path / "victim"
    victim.write_text("precious")
    plants: dict[str, Callable[[], object]] = {
        "file": path.touch,
        "link": lambda: path.symlink_to(victim),
        "dangling link": lambda: path.symlink_to(tmp_path / "nowhere"),
        "hard link": lambda: path.hardlink_to(victim),
        "fifo": lambda: os.mkfifo(path),
        "directory": path.mkdir,
    }
    plants[planted]()
    with pytest.raises(FileExistsError):
        places.open_private(path)
    assert victim.read_text() == "precious"
    assert not (tmp_path / "nowhere").exists()


def test_write_private_replaces_at_once_and_leaves_no_rest(tmp_path: Path, open_umask: None) -> None:
    """A link at the name is replaced, not followed; the mode is 0600; no temporary file stays."""
    victim = tmp_path / "victim"
    victim.write_text("precious")
    path = tmp_path / "a"
    path.symlink_to(victim)
    places.write_private(path, b"one")
    places.write_private(path, b"two", synced=True)
    assert (path.read_bytes(), mode(path), path.is_symlink()) == (b"two", 0o600, False)
    assert victim.read_text() == "precious"
    assert sorted(p.name for p in tmp_path.iterdir()) == ["a", "victim"]


def test_a_failed_write_leaves_the_old_content(tmp_path: Path) -> None:
    """The name is a directory, so the last step fails; nothing of the attempt stays."""
    (tmp_path / "a").mkdir()
    with pytest.raises(OSError, match="a"):
        places.write_private(tmp_path / "a", b"x")
    assert [p.name for p in tmp_path.iterdir()] == ["a"]


def test_read_private_reads_what_is_ours(tmp_path: Path) -> None:
    """A file of ours that others cannot write is read whole; a missing one is missing."""
    (tmp_path / "a").write_bytes(b"x" * 100_000)
    (tmp_path / "a").chmod(0o644)
    assert places.read_private(tmp_path / "a") == b"x" * 100_000
    with pytest.raises(FileNotFoundError):
        places.read_private(tmp_path / "b")


def test_read_private_refuses_what_others_could_have_written(tmp_path: Path) -> None:
    """S2: foreign owner, writable by group or others, link, FIFO, directory, too large."""
    path = tmp_path / "a"
    path.write_text("x")
    for bits, word in ((0o620, "written by others"), (0o602, "written by others")):
        path.chmod(bits)
        with pytest.raises(UnsafeFileError, match=word):
            places.read_private(path)
    path.chmod(0o600)
    (tmp_path / "link").symlink_to(path)
    with pytest.raises(UnsafeFileError, match="symbolic link"):
        places.read_private(tmp_path / "link")
    os.mkfifo(tmp_path / "fifo", 0o600)
    with pytest.raises(UnsafeFileError, match="regular"):
        places.read_private(tmp_path / "fifo")
    with pytest.raises(UnsafeFileError, match="regular"):
        places.read_private(tmp_path)
    path.write_text("x" * 11)
    with pytest.raises(UnsafeFileError, match="11 bytes"):
        places.read_private(path, max_bytes=10)
    if os.geteuid() != 0:  # what root owns is trusted, and we are not root: ask as somebody who is neither
        with pytest.raises(UnsafeFileError, match="belongs to user"):
            places.read_private(path, uid=SOMEBODY)
        return
    os.chown(path, SOMEBODY, SOMEBODY)
    with pytest.raises(UnsafeFileError, match=f"belongs to user {SOMEBODY}"):
        places.read_private(path)


def test_directories_are_born_private_with_their_parents(tmp_path: Path, open_umask: None) -> None:
    """S1: each new directory on the way has mode 0700 whatever the umask."""
    places.private_directory(tmp_path / "a/b/c")
    assert [mode(tmp_path / part) for part in ("a", "a/b", "a/b/c")] == [0o700] * 3


def test_directories_of_others_are_refused(tmp_path: Path) -> None:
    """S1: a link, a file, a foreign directory, and one that lets others in."""
    (tmp_path / "file").write_text("")
    (tmp_path / "mine").mkdir(mode=0o700)
    (tmp_path / "link").symlink_to(tmp_path / "mine")
    for name, word in (("file", "not a directory"), ("link", "symbolic link")):
        with pytest.raises(UnsafeFileError, match=word):
            places.private_directory(tmp_path / name)
    for bits in (0o750, 0o701, 0o720):
        (tmp_path / "mine").chmod(bits)
        with pytest.raises(UnsafeFileError, match="chmod 700"):
            places.private_directory(tmp_path / "mine")
    (tmp_path / "mine").chmod(0o755)
    places.private_directory(tmp_path / "mine", listable=True)
    (tmp_path / "mine").chmod(0o700)
    uid = give_away(tmp_path / "mine")
    with pytest.raises(UnsafeFileError, match="belongs to user"):
        places.private_directory(tmp_path / "mine", uid=uid)


def test_nothing_is_made_in_the_home_of_another(tmp_path: Path) -> None:
    """`sudo` with the caller's HOME leaves no directories of root there."""
    uid = give_away(tmp_path)
    with pytest.raises(UnsafeFileError, match="would have to be created"):
        places.private_directory(tmp_path / ".local/state/footfall", uid=uid, below_own=True)
    assert list(tmp_path.iterdir()) == []


def test_the_state_directory_of_the_home_is_the_usual_place(tmp_path: Path, open_umask: None) -> None:
    """Layout, private all the way down; the config directory is named and not made."""
    found = find(tmp_path)
    state = tmp_path / "home/.local/state/footfall"
    assert found == places.Places(
        state=state,
        journal=state / "journal",
        outbox=state / "outbox",
        status=state / "status.json",
        config=tmp_path / "home/.config/footfall",
        network=False,
        host="node1-boot",
    )
    assert {mode(path) for path in (tmp_path / "home").rglob("*")} == {0o700}
    assert not (tmp_path / "home/.config").exists()


def test_order_of_places(tmp_path: Path) -> None:
    """FOOTFALL_DIR, then XDG_STATE_HOME, then the home, then XDG_RUNTIME_DIR, then the checked directory, then none."""
    for name in ("runtime", "var-tmp", "xdg"):
        (tmp_path / name).mkdir()
    all_set = {"XDG_STATE_HOME": str(tmp_path / "xdg"), "XDG_RUNTIME_DIR": str(tmp_path / "runtime")}
    no_home = {"HOME": "/proc/nowhere"}

    def state(directory: str = "", **environ: str) -> Path | None:
        found = find(tmp_path, directory, **environ)
        return None if found is None else found.state

    assert state(str(tmp_path / "asked/deep"), **all_set) == tmp_path / "asked/deep"
    assert state(**all_set) == tmp_path / "xdg/footfall"
    assert state(XDG_RUNTIME_DIR=str(tmp_path / "runtime")) == tmp_path / "home/.local/state/footfall"
    assert state(XDG_RUNTIME_DIR=str(tmp_path / "runtime"), **no_home) == tmp_path / "runtime/footfall"
    assert state(**no_home) == tmp_path / f"var-tmp/footfall-{os.geteuid()}"
    (tmp_path / "var-tmp").rename(tmp_path / "gone")
    assert state(**no_home) is None


@pytest.mark.parametrize("planted", ["link", "file", "fifo", "open", "foreign"])
def test_a_place_laid_there_first_is_passed_over(tmp_path: Path, planted: str) -> None:
    """S1: the checked directory in /var/tmp is not used when somebody was there before us."""
    (tmp_path / "var-tmp").mkdir()
    name = tmp_path / f"var-tmp/footfall-{os.geteuid()}"
    (tmp_path / "trap").mkdir(mode=0o700)
    plants: dict[str, Callable[[], object]] = {
        "link": lambda: name.symlink_to(tmp_path / "trap"),
        "file": name.touch,
        "fifo": lambda: os.mkfifo(name),
        "open": lambda: name.mkdir(mode=0o770),
        "foreign": lambda: name.mkdir(mode=0o700),
    }
    before = os.umask(0)
    plants[planted]()
    os.umask(before)
    uid = give_away(name) if planted == "foreign" else os.geteuid()
    if uid != os.geteuid():
        name.rename(tmp_path / f"var-tmp/footfall-{uid}")
    found = places.find("", {"HOME": "/proc/nowhere"}, uid=uid, mountinfo=LOCAL, var_tmp=tmp_path / "var-tmp")
    assert found is None
    assert list((tmp_path / "trap").iterdir()) == []


@pytest.mark.parametrize("asked", ["relative/place", "./x", "/proc/footfall", "a\0b", "/dev/null/x", "FILE", "OPEN"])
def test_an_unusable_footfall_dir_falls_to_the_next_place(tmp_path: Path, asked: str) -> None:
    """D2: no exception, the next place, and one note that says why. Never the working directory."""
    noted = trouble.counts["places"]
    (tmp_path / "FILE").touch()
    (tmp_path / "OPEN").mkdir()
    (tmp_path / "OPEN").chmod(0o777)
    before = set(os.listdir())
    found = find(tmp_path, str(tmp_path / asked) if asked.isupper() else asked)
    assert found is not None
    assert found.state == tmp_path / "home/.local/state/footfall"
    assert set(os.listdir()) == before
    assert trouble.counts["places"] == noted + 1


def test_relative_variables_are_ignored(tmp_path: Path) -> None:
    """The XDG specification: a relative path counts as unset; and an empty one too."""
    found = find(tmp_path, XDG_STATE_HOME="state", XDG_CONFIG_HOME="")
    assert found is not None
    assert found.state == tmp_path / "home/.local/state/footfall"
    assert places.config_directory({"HOME": "", "XDG_CONFIG_HOME": "x"}, uid=SOMEBODY) is None
    assert places.config_directory({"XDG_CONFIG_HOME": "/x"}) == Path("/x/footfall")


def test_an_unwritable_place_is_passed_over() -> None:
    """D2: ours, but not writable. Run as an ordinary user, for whom mode bits mean something."""
    top = Path(tempfile.mkdtemp())
    top.chmod(0o711)
    try:
        for part in ("shut", "shut/journal", "shut/outbox", "home"):
            (top / part).mkdir(mode=0o700)

        def look() -> str:
            (top / "shut/journal").chmod(0o500)
            found = places.find(str(top / "shut"), {"HOME": str(top / "home")}, mountinfo=LOCAL, host="h")
            return str(found and found.state)

        if os.geteuid() == 0:
            for path in (*top.rglob("*"),):
                os.chown(path, SOMEBODY, SOMEBODY)
        assert as_ordinary_user(look) == str(top / "home/.local/state/footfall")
    finally:
        shutil.rmtree(top)


def as_ordinary_user(look: Callable[[], str]) -> str:
    """Return what *look* returns to a user who is not root."""
    if os.geteuid() != 0:
        return look()
    reader, writer = os.pipe()
    pid = os.fork()
    if pid == 0:
        answer = "it raised"
        try:
            os.setgroups([])
            os.setgid(SOMEBODY)
            os.setuid(SOMEBODY)
            answer = look()
        finally:
            os.write(writer, answer.encode())
            os._exit(0)
    os.close(writer)
    with os.fdopen(reader, "rb") as answers:
        text = answers.read().decode()
    os.waitpid(pid, 0)
    return text


def test_a_network_home_gets_a_directory_for_each_machine_and_boot(tmp_path: Path) -> None:
    """One writer a file: hosts/<host>-<boot id>/ on NFS; the home stays the place, so that the login node finds it."""
    home = tmp_path / "home"
    home.mkdir()
    (tmp_path / "var-tmp").mkdir()
    table = LOCAL + f"2 1 0:9002 / {home} rw - nfs4 server:/home rw\n"
    found = places.find("", {"HOME": str(home)}, mountinfo=table, host="node1-boot", var_tmp=tmp_path / "var-tmp")
    assert found is not None
    assert found.network
    assert found.state == home / ".local/state/footfall"
    assert found.journal == home / ".local/state/footfall/hosts/node1-boot/journal"
    assert found.outbox == home / ".local/state/footfall/hosts/node1-boot/outbox"
    assert found.status == home / ".local/state/footfall/hosts/node1-boot/status.json"
    assert found.outbox.is_dir()
    named = places.find("", {"HOME": str(home)}, mountinfo=table)
    assert named is not None
    assert named.host == "-".join(filter(None, (places.host_name(), places.boot_id())))


def test_who_only_looks_makes_nothing_and_finds_what_is_there(tmp_path: Path) -> None:
    """After a no nothing is made, nothing is logged, and files in the last resort are found all the same."""
    home, var_tmp = tmp_path / "home", tmp_path / "var-tmp"
    home.mkdir()
    var_tmp.mkdir()
    (tmp_path / "empty").mkdir(mode=0o700)
    counted = sum(trouble.counts.values())

    def look(directory: str = "", table: str = LOCAL) -> places.Places | None:
        return places.find(
            directory, {"HOME": str(home)}, mountinfo=table, host="node1-boot", var_tmp=var_tmp, make=False
        )

    assert look(str(tmp_path / "nowhere")) is None
    assert look(str(tmp_path / "empty")) is None
    assert sum(trouble.counts.values()) == counted
    assert sorted(path.name for path in tmp_path.rglob("*")) == ["empty", "home", "var-tmp"]
    last_resort = var_tmp / f"footfall-{os.geteuid()}"
    (last_resort / "journal").mkdir(parents=True)
    for directory in (last_resort, last_resort / "journal"):
        directory.chmod(0o700)
    found = look()
    assert found is not None
    assert found.journal == last_resort / "journal"
    assert not found.outbox.exists()


def test_who_only_looks_at_a_shared_home_sees_other_machines_and_leaves_no_directory(tmp_path: Path) -> None:
    """A login node that never recorded anything still learns what compute nodes left."""
    home = tmp_path / "home"
    state = home / ".local/state/footfall"
    (state / "hosts" / "node7-boot").mkdir(mode=0o700, parents=True)
    for directory in (state, state / "hosts"):
        directory.chmod(0o700)
    table = LOCAL + f"2 1 0:9002 / {home} rw - nfs4 server:/home rw\n"
    found = places.find("", {"HOME": str(home)}, mountinfo=table, host="login-boot", var_tmp=tmp_path, make=False)
    assert found is not None
    assert found.state == state
    assert not found.journal.exists()
    assert [path.name for path in (state / "hosts").iterdir()] == ["node7-boot"]


@pytest.mark.parametrize(("table", "most"), [(LOCAL, 4), (LOCAL.replace("ext4", "nfs4"), 6)])
def test_few_looks_at_the_file_system(tmp_path: Path, table: str, most: int) -> None:
    """reliability.md section 3, thousands of ranks: at most six metadata operations once the directories exist."""
    (tmp_path / "home").mkdir()
    calls: list[str] = []

    def profile(frame: object, event: str, argument: object) -> None:
        module = getattr(argument, "__module__", "")
        if event == "c_call" and module in {"posix", "io", "_io"}:
            calls.append(argument.__name__)  # type: ignore[attr-defined]

    def look() -> None:
        places.find("", {"HOME": str(tmp_path / "home")}, mountinfo=table, host="h", var_tmp=tmp_path)

    look()
    threading.setprofile(profile)
    sys.setprofile(profile)
    try:
        look()
    finally:
        sys.setprofile(None)
        threading.setprofile(None)
    metadata = [name for name in calls if name in {"stat", "lstat", "access", "mkdir", "open", "listdir", "scandir"}]
    assert 0 < len(metadata) <= most, metadata


def test_two_processes_make_the_same_places(tmp_path: Path) -> None:
    """Sixteen threads at once, on a home where nothing exists yet: all get the same answer."""
    (tmp_path / "home").mkdir()
    answers: list[places.Places | None] = []
    gate = threading.Barrier(16)

    def look() -> None:
        gate.wait()
        answers.append(find(tmp_path))

    threads = [threading.Thread(target=look) for _ in range(16)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(answers) == 16
    assert answers[0] is not None
    assert all(answer == answers[0] for answer in answers)


@pytest.mark.parametrize("environ", [{}, {"XDG_STATE_HOME": "/s", "XDG_CONFIG_HOME": "/c"}, {"XDG_STATE_HOME": ""}])
def test_the_same_directories_as_platformdirs(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, environ: dict[str, str]
) -> None:
    """Computed without importing platformdirs, and equal to what it says."""
    for variable in ("XDG_STATE_HOME", "XDG_CONFIG_HOME"):
        monkeypatch.delenv(variable, raising=False)
    for variable, value in {**environ, "HOME": str(tmp_path)}.items():
        monkeypatch.setenv(variable, value)
    assert places.config_directory(os.environ) == platformdirs.user_config_path("footfall", appauthor=False)
    first = next(layout._candidates("", os.environ, os.geteuid(), tmp_path))
    assert first.path == platformdirs.user_state_path("footfall", appauthor=False)


def test_importing_places_stays_cheap() -> None:
    """No platformdirs, no hashlib, no tempfile in a process that only wants to know where its files are."""
    code = (
        "import json, sys; before = set(sys.modules); from footfall import places; from pathlib import Path; "
        "places.find('/proc/x', {'HOME': '/proc/x'}, var_tmp=Path('/proc')); new = set(sys.modules) - before; "
        "print(json.dumps(sorted(new & {'platformdirs', 'hashlib', 'tempfile', 'sqlite3', 'requests', 'json'})))"
    )
    out = subprocess.run([sys.executable, "-c", code], check=True, capture_output=True, text=True, timeout=60).stdout
    assert json.loads(out) == []


MOUNTS = """\
22 1 0:21 / /proc rw,nosuid - proc proc rw
27 1 254:0 / / rw,relatime shared:1 - ext4 /dev/vda rw
40 27 0:50 / /home rw - autofs systemd-1 rw
41 40 0:51 / /home rw master:1 - nfs4 server:/home rw,vers=4.2
42 27 0:52 / /scratch\\040big rw - lustre 10.0.0.1@o2ib:/fs rw
43 27 0:53 / /scratch rw - xfs /dev/sdb rw
44 27 0:54 / /mnt/odd rw - neverheardof x rw
broken line
45 27
"""


@pytest.mark.parametrize(
    ("path", "device", "kind", "network"),
    [
        ("/var/lib", None, "ext4", False),
        ("/home/alice", None, "nfs4", True),  # the later mount covers the earlier at the same point
        ("/homes/alice", None, "ext4", False),
        ("/scratch big/x", None, "lustre", True),
        ("/scratch/x", None, "xfs", False),
        ("/mnt/odd/x", None, "neverheardof", True),
        ("/link/to/home", (0, 51), "nfs4", True),  # a link hides the mount point; the device number does not
        ("/scratch/x", (0, 777), "xfs", False),  # btrfs: a number that no line has
    ],
)
def test_kind_of_file_system(path: str, device: tuple[int, int] | None, kind: str, network: bool) -> None:
    """The device decides where it is known, else the longest mount point; a kind nobody listed is a network's."""
    number = None if device is None else os.makedev(*device)
    assert mounts.kind(MOUNTS, path, number) == kind
    assert mounts.is_network(Path(path), MOUNTS, number) is network


def test_a_process_is_named_by_pid_and_start(tmp_path: Path) -> None:
    """Alive while it runs; dead as a zombie, when gone, and when another process has its number."""
    child = subprocess.Popen([sys.executable, "-c", "input()"], stdin=subprocess.PIPE)
    try:
        start = places.process_start(child.pid)
        assert start.isdigit()
        assert places.is_alive(child.pid, start)
        assert places.is_alive(child.pid, "")
        assert not places.is_alive(child.pid, str(int(start) + 1))
        assert child.stdin is not None
        child.kill()
        limit = time.monotonic() + 30
        while processes._look(child.pid, processes.PROC)[0] != "Z":
            assert time.monotonic() < limit
        assert not places.is_alive(child.pid, start)
    finally:
        child.kill()
        child.communicate()
    assert not places.is_alive(child.pid, start)
    assert not places.is_alive(child.pid, "")
    assert not places.is_alive(0, "")
    assert not places.is_alive(-1, start)
    assert not places.is_alive(2**40, "")
    assert places.process_start(-1) == ""


def test_a_program_name_with_parentheses_does_not_shift_the_fields(tmp_path: Path) -> None:
    """The name in /proc/<pid>/stat is free text."""
    (tmp_path / "7").mkdir()
    fields = " ".join(["S", *(str(n) for n in range(4, 53))])
    (tmp_path / "7/stat").write_text(f"7 (evil) R 1 (x) {fields}\n")
    assert places.process_start(7, tmp_path) == "22"
    assert places.is_alive(7, "22", tmp_path)
    (tmp_path / "7/stat").write_text("7 (short) S 1\n")
    assert places.process_start(7, tmp_path) == ""


def test_without_proc_signal_zero_answers(tmp_path: Path) -> None:
    """macOS: no start time, so existence must do."""
    assert places.is_alive(os.getpid(), "5", tmp_path)
    assert places.boot_id(tmp_path) == ""


def test_machine_names_fit_directories() -> None:
    """No slash, no leading dot, and a digest that is stable."""
    assert "/" not in places.host_name()
    assert not places.host_name().startswith(".")
    assert places.host_name_digest() == places.host_name_digest()
    assert len(places.host_name_digest()) == 16
    assert len(places.boot_id()) in {0, 36}
