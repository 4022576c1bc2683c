"""`footfall notebook`: one startup file, in real shells and kernels, and never over what somebody else wrote."""

from __future__ import annotations

import hashlib
import json
import os
import re
import shutil
import stat
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest
from clihelp import SECONDS, environ, files, footfall

from footfall import startup_file
from footfall.startup_file import BODY, NAME, Place, State

ROOT = Path(__file__).parents[2]
ORIGINAL = "import sys\nfrom access_py_telemetry.cli import configure_telemetry\nsys.exit(configure_telemetry())"
"""The command of the original client, release 0.3.0."""

ASK = (
    "import json; print('told', json.dumps({'loaded': 'footfall.ipython' in get_ipython().extension_manager.loaded,"
    " 'names': sorted(get_ipython().user_ns)}))"
)
"""A first cell: whether the extension is there already, and what names whoever came before has left."""

KERNEL = """
import sys
from jupyter_client.manager import start_new_kernel
options = {"extra_arguments": [f"--profile={sys.argv[2]}"]} if sys.argv[2:] else {}
manager, client = start_new_kernel(kernel_name="python3", startup_timeout=60, **options)
def show(message):
    print(message["content"].get("text", message["content"].get("traceback", "")))
try:
    client.execute_interactive(sys.argv[1], timeout=60, output_hook=show)
finally:
    client.stop_channels()
    manager.shutdown_kernel(now=True)
"""


@pytest.fixture
def ipython_directory(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A place for IPython's files that is not there yet, and Jupyter's beside it."""
    monkeypatch.setenv("IPYTHONDIR", str(tmp_path / "ipython"))
    monkeypatch.setenv("JUPYTER_RUNTIME_DIR", str(tmp_path / "runtime"))
    monkeypatch.setenv("NO_COLOR", "1")
    for name in ("JPY_PARENT_PID", "VSCODE_PID"):
        monkeypatch.delenv(name, raising=False)
    return tmp_path / "ipython"


def startup(directory: Path, profile: str = "default") -> Path:
    return directory / f"profile_{profile}" / "startup" / NAME


def run(*command: str, python: str = sys.executable, **variables: str) -> str:
    """Return all that *command* prints, on stdout and stderr."""
    done = subprocess.run(
        [python, *command],
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        timeout=2 * SECONDS,
        env=environ(variables),
        check=False,
    )
    return done.stdout


def told(said: str) -> dict[str, Any]:
    """Return what `ASK` said; it must be all that was said, but for ipykernel's word on its own transport."""
    said = re.sub(r"^\[IPKernelApp\] WARNING \| Kernel is running over TCP without encryption\..*\n", "", said)
    found = re.fullmatch(r"\s*told (\{.*\})\s*", said)
    assert found, said
    answer: dict[str, Any] = json.loads(found[1])
    return answer


def shell(*options: str, python: str = sys.executable, **variables: str) -> dict[str, Any]:
    """Ask in a real IPython."""
    return told(run("-m", "IPython", "--no-banner", *options, "-c", ASK, python=python, **variables))


def kernel(*profile: str, **variables: str) -> dict[str, Any]:
    """Ask in the first cell of a real kernel."""
    return told(run("-c", KERNEL, ASK, *profile, **variables))


# --- what it is for -----------------------------------------------------------------------------------------------


def test_a_shell_loads_footfall_from_its_next_start_on(ipython_directory: Path) -> None:
    """Enabled: loaded before the first line, nothing printed, not a name left behind. Disabled: as before."""
    before = shell()
    assert before["loaded"] is False
    assert footfall("notebook", "enable").returncode == 0
    assert shell() == {**before, "loaded": True}
    assert footfall("notebook", "disable").returncode == 0
    assert shell() == before


def test_a_kernel_loads_footfall_before_the_first_cell(ipython_directory: Path) -> None:
    """Jupyter's own client drives it: loaded when the first cell runs, and the cell's output is all there is."""
    before = kernel()
    assert before["loaded"] is False
    assert footfall("notebook", "enable").returncode == 0
    assert kernel() == {**before, "loaded": True}


def test_two_profiles_are_two(ipython_directory: Path) -> None:
    """A profile that was never there is made so that IPython takes it; the other one is not touched."""
    assert footfall("notebook", "enable", "--profile", "work").returncode == 0
    assert [path.name for path in ipython_directory.iterdir()] == ["profile_work"]
    assert footfall("notebook", "status", "--profile", "work").returncode == 0
    assert footfall("notebook", "status").returncode == 1
    assert kernel("work")["loaded"] is True
    assert shell()["loaded"] is False


def test_the_file_says_nothing_where_footfall_is_broken_or_missing(ipython_directory: Path, tmp_path: Path) -> None:
    """An environment without footfall, or with a broken one, starts as without the file; those after it run."""
    before = shell()
    assert footfall("notebook", "enable").returncode == 0
    (startup(ipython_directory).parent / "99-after.py").write_text("after = 1\n")
    names = sorted([*before["names"], "after"])
    for number, source in enumerate(("raise ModuleNotFoundError('no')", "def (", "raise SystemExit(3)", "1/0")):
        broken = tmp_path / str(number) / "footfall"
        broken.mkdir(parents=True)
        (broken / "__init__.py").touch()
        (broken / "ipython.py").write_text(
            f"import warnings, sys\nwarnings.warn('loud')\nwarnings.warn('old', DeprecationWarning)\n{source}\n"
        )
        assert shell(PYTHONPATH=str(broken.parent)) == {"loaded": False, "names": names}


def test_the_file_run_by_plain_python_does_nothing(ipython_directory: Path) -> None:
    """It is no program, and harms nobody who takes it for one."""
    assert footfall("notebook", "enable").returncode == 0
    assert run(str(startup(ipython_directory))) == ""


def test_system_is_for_all_users_of_an_environment(ipython_directory: Path, tmp_path: Path) -> None:
    """In an environment of its own: its IPython reads the file, whoever asks; others do not."""
    python = environment(tmp_path / "env")
    file = tmp_path / "env" / "etc" / "ipython" / "startup" / NAME
    system = ("notebook", "enable", "--system")
    said = run("-c", f"import os\nos.umask(0o77)\n{MAIN}", *system, python=python)
    assert said.endswith("say `umask 022` and run this again\n")
    assert not (tmp_path / "env" / "etc").exists()
    file.parent.mkdir(parents=True)
    said = run("-c", f"import os\nos.umask(0o27)\n{MAIN}", *system, python=python)
    assert said.endswith("say `umask 022` and run this again\n")
    assert list(file.parent.iterdir()) == []
    shutil.rmtree(tmp_path / "env" / "etc")
    said = run("-c", f"import os\nos.umask(0)\n{MAIN}", *system, python=python)
    assert said.startswith(f"enabled for all users of this environment: {file}\n")
    assert stat.S_IMODE(file.stat().st_mode) == 0o644
    assert {stat.S_IMODE(file.parents[level].stat().st_mode) for level in range(3)} == {0o755}
    assert shell(python=python)["loaded"] is True
    assert shell()["loaded"] is False
    assert not ipython_directory.joinpath("profile_default", "startup", NAME).exists()
    said = run("-m", "footfall", "notebook", "enable", python=python)
    assert "enabled for all users of this environment too" in said
    assert shell(python=python)["loaded"] is True
    said = run("-m", "footfall", "notebook", "disable", python=python)
    assert "still enabled for all users of this environment" in said
    run("-m", "footfall", "notebook", "disable", "--system", python=python)
    assert not file.exists()


MAIN = "import sys\nfrom footfall.cli.main import main\nsys.exit(main(sys.argv[1:]))"


def environment(directory: Path) -> str:
    """Make a Python environment that sees the packages of this one; return its interpreter."""
    subprocess.run([sys.executable, "-m", "venv", "--without-pip", str(directory)], check=True, timeout=SECONDS)
    site = next(directory.glob("lib/python*/site-packages"))
    (site / "these.pth").write_text("\n".join(path for path in sys.path if path.endswith(("site-packages", "src"))))
    return str(directory / "bin" / "python")


def test_ipython_is_not_needed(ipython_directory: Path) -> None:
    """The command runs, and loads nothing of IPython, where there is none."""
    code = f"import sys\nsys.modules['IPython'] = None\n{MAIN}"
    assert run("-c", code, "notebook", "enable").startswith("enabled for you, profile default")
    assert startup(ipython_directory).is_file()


def test_the_directory_is_the_one_that_ipython_takes(tmp_path: Path) -> None:
    """Asked of IPython itself: by default, where old releases had it, and as set."""
    home = tmp_path / "home"
    old = home / ".config" / "ipython"
    for prepare, variables in [
        (None, {}),
        (old, {}),
        (old, {"XDG_CONFIG_HOME": str(home / "elsewhere")}),
        (home / ".ipython", {}),
        (None, {"IPYTHONDIR": str(tmp_path / "x" / ".." / "named")}),
        (None, {"IPYTHONDIR": "~/named"}),
    ]:
        shutil.rmtree(home, ignore_errors=True)
        (home / ".config").mkdir(parents=True)
        if prepare is not None:
            prepare.mkdir()
        around = {"HOME": str(home), "XDG_CONFIG_HOME": str(home / ".config"), **variables}
        ours = startup_file.user_place(around).directory
        said = run("-W", "ignore", "-c", "import IPython.paths as p; print(p.get_ipython_dir())", **around)
        assert str(ours.parents[1]) == said.strip(), (prepare, variables)


# --- repeated, at once, with any umask ------------------------------------------------------------------------------


def test_enable_and_disable_may_be_repeated(ipython_directory: Path) -> None:
    """The second time changes nothing, and says so."""
    said = [footfall("notebook", "enable").stdout.splitlines()[0] for _ in range(2)]
    file = startup(ipython_directory)
    assert said == [f"{word} for you, profile default: {file}" for word in ("enabled", "already enabled")]
    assert file.read_bytes() == startup_file.content()
    assert [path.name for path in file.parent.iterdir()] == [NAME]
    said = [footfall("notebook", "disable").stdout.splitlines()[0] for _ in range(2)]
    assert said == [f"{word} for you, profile default: {file}" for word in ("disabled", "already disabled")]
    assert list(file.parent.iterdir()) == []


def test_status_makes_no_file_and_has_a_status_for_scripts(ipython_directory: Path) -> None:
    """Looking makes nothing; 1 is no, 0 is yes."""
    before = files()
    said = footfall("notebook", "status")
    assert (said.returncode, said.stderr) == (1, "")
    assert re.search(r"you, profile default +not enabled +\S+/50-footfall.py", said.stdout)
    assert "`footfall notebook enable` changes that" in said.stdout
    assert (files(), ipython_directory.exists()) == (before, False)
    footfall("notebook", "enable")
    said = footfall("notebook", "status")
    assert said.returncode == 0
    assert re.search(r"you, profile default +enabled +\S+/50-footfall.py", said.stdout)


def test_status_names_every_place_that_ipython_reads(ipython_directory: Path) -> None:
    """The list is IPython's own."""
    code = (
        "from itertools import chain\nfrom IPython.core.application import ENV_CONFIG_DIRS, SYSTEM_CONFIG_DIRS\n"
        "print(*chain(ENV_CONFIG_DIRS, SYSTEM_CONFIG_DIRS), sep='\\n')"
    )
    theirs = [f"{line}/startup" for line in run("-c", code).splitlines()]
    assert [str(place.directory) for place in startup_file.system_places(os.environ)] == theirs
    said = footfall("notebook", "status", "--system").stdout
    assert [line.split()[-1] for line in said.splitlines()[1:4]] == [f"{place}/{NAME}" for place in theirs]


@pytest.mark.parametrize(
    ("prefix", "directory"),
    [
        ("/opt/env", "/opt/env/etc/ipython/startup"),
        ("/usr", "/usr/local/etc/ipython/startup"),
        ("/usr/local", "/usr/local/etc/ipython/startup"),
    ],
)
def test_system_writes_where_an_administrator_would_look(prefix: str, directory: str) -> None:
    """An environment has its own; the machine's Python has the machine's."""
    assert str(startup_file.system_place({}, prefix=prefix).directory) == directory


@pytest.mark.parametrize("mask", [0o000, 0o022, 0o077])
def test_no_umask_opens_the_file_or_its_directories(ipython_directory: Path, mask: int) -> None:
    """What runs in each of a user's shells can be written by that user alone."""
    run("-c", f"import os\nos.umask({mask})\n{MAIN}", "notebook", "enable")
    file = startup(ipython_directory)
    assert stat.S_IMODE(file.stat().st_mode) == 0o600
    for level in range(3):
        assert stat.S_IMODE(file.parents[level].stat().st_mode) == 0o755 & ~mask


def test_many_at_once_are_as_one(ipython_directory: Path) -> None:
    """A login script on every node of a cluster: all succeed, one file, whole, no leftovers."""
    place = startup_file.user_place(os.environ)
    with ThreadPoolExecutor(16) as pool:
        before = list(pool.map(lambda _: startup_file.enable(place), range(64)))
    assert State.MISSING in before
    assert set(before) <= {State.MISSING, State.ENABLED}
    assert [path.name for path in place.directory.iterdir()] == [NAME]
    assert place.file.read_bytes() == startup_file.content()
    with ThreadPoolExecutor(4) as pool:
        said = list(pool.map(lambda action: footfall("notebook", action), ["enable", "disable"] * 4))
    assert [each.returncode for each in said] == [0] * 8, [each.stderr for each in said]
    assert {path.name for path in place.directory.iterdir()} <= {NAME}


# --- what is not ours -------------------------------------------------------------------------------------------------


def older() -> bytes:
    """A file as an earlier footfall wrote it: right digest, other words."""
    body = BODY.replace(b"# IPython runs this file", b"# Runs")
    head = f"# footfall startup file, version 1, sha256 {hashlib.sha256(body).hexdigest()}\n"
    return head.encode() + body


def newer() -> bytes:
    return older().replace(b"version 1", b"version 2")


def test_an_older_file_is_updated_and_a_newer_one_left(ipython_directory: Path) -> None:
    """Two releases of footfall in two environments share a home."""
    file = startup(ipython_directory)
    file.parent.mkdir(parents=True)
    file.write_bytes(older())
    said = footfall("notebook", "status")
    assert said.returncode == 1
    assert "enabled, by an older footfall" in said.stdout
    assert "`footfall notebook enable` updates it" in said.stdout
    assert footfall("notebook", "enable").stdout.startswith("updated for you")
    assert file.read_bytes() == startup_file.content()
    file.write_bytes(newer())
    assert footfall("notebook", "status").returncode == 0
    said = footfall("notebook", "enable")
    assert (said.returncode, file.read_bytes()) == (0, newer())
    assert "by a newer footfall" in said.stdout
    assert footfall("notebook", "disable").returncode == 0
    assert not file.exists()


@pytest.mark.parametrize(
    ("content", "says"),
    [
        (startup_file.content() + b"import numpy as np\n", "was edited after footfall wrote it"),
        (startup_file.content().replace(b"Exception", b"OSError"), "was edited after footfall wrote it"),
        (startup_file.content()[:-1], "was edited after footfall wrote it"),
        (b"import numpy as np\n", "is a file that footfall did not write"),
        (b"", "is a file that footfall did not write"),
        (b"\xff\xfe\x00", "is a file that footfall did not write"),
        (b"#" + startup_file.content(), "is a file that footfall did not write"),
    ],
)
def test_what_somebody_wrote_is_reported_and_left_alone(ipython_directory: Path, content: bytes, says: str) -> None:
    """Whatever is asked, not a byte of it changes, and the message says what to do."""
    file = startup(ipython_directory)
    file.parent.mkdir(parents=True)
    file.write_bytes(content)
    at = file.stat()
    for action in ("enable", "disable", "status"):
        said = footfall("notebook", action)
        assert said.returncode == 1
        text = said.stdout if action == "status" else said.stderr
        assert f"{file}: {says}" in text
        assert "Traceback" not in said.stderr
    assert (file.read_bytes(), file.stat().st_ino, file.stat().st_mtime_ns) == (content, at.st_ino, at.st_mtime_ns)
    assert [path.name for path in file.parent.iterdir()] == [NAME]


@pytest.mark.parametrize("kind", ["link", "dangling link", "directory", "FIFO"])
def test_what_is_no_file_is_reported_and_left_alone(ipython_directory: Path, kind: str) -> None:
    """Neither followed, nor opened, nor replaced; and nothing waits for ever."""
    file = startup(ipython_directory)
    file.parent.mkdir(parents=True)
    target = ipython_directory / "target.py"
    if kind == "link":
        target.write_bytes(startup_file.content())
    {
        "link": lambda: file.symlink_to(target),
        "dangling link": lambda: file.symlink_to(target),
        "directory": file.mkdir,
        "FIFO": lambda: os.mkfifo(file),
    }[kind]()
    at = file.lstat()
    for action in ("enable", "disable", "status"):
        said = footfall("notebook", action)
        assert said.returncode == 1
        assert f"{file}: is " in (said.stdout if action == "status" else said.stderr)
    assert (file.lstat().st_ino, file.lstat().st_mode) == (at.st_ino, at.st_mode)
    assert target.exists() == (kind == "link")


def test_a_file_that_appears_meanwhile_is_not_replaced(ipython_directory: Path) -> None:
    """Between the look and the write somebody else was quicker: theirs stays, and ours leaves nothing."""
    place = startup_file.user_place(os.environ)
    place.directory.mkdir(parents=True)
    place.file.write_bytes(b"theirs = 1\n")
    assert startup_file._write(place, replace=False) is False
    assert place.file.read_bytes() == b"theirs = 1\n"
    assert [path.name for path in place.directory.iterdir()] == [NAME]


@pytest.mark.parametrize("obstacle", ["ipython", "ipython/profile_default", "ipython/profile_default/startup"])
def test_a_file_in_the_way_of_a_directory_is_named(tmp_path: Path, ipython_directory: Path, obstacle: str) -> None:
    """The message names file and reason; nothing is changed."""
    path = tmp_path / obstacle
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text("in the way")
    said = footfall("notebook", "enable")
    assert said.returncode == 1
    assert str(startup(ipython_directory)) in said.stderr
    assert "Not a directory" in said.stderr or "is not a directory" in said.stderr
    assert path.read_text() == "in the way"


def test_a_place_that_cannot_be_written_is_named_with_what_to_do(tmp_path: Path) -> None:
    """Said in words, and nothing is made."""
    closed = tmp_path / "closed"
    closed.mkdir(mode=0o500)
    if os.geteuid() == 0:  # whom no mode stops
        closed = Path("/proc")
    said = footfall("notebook", "enable", IPYTHONDIR=str(closed / "ipython"))
    assert (said.returncode, said.stdout) == (1, "")
    assert f"footfall: {closed}/ipython/profile_default/startup/{NAME}: cannot be written: " in said.stderr
    assert said.stderr.endswith("; make it writable, or set IPYTHONDIR to a directory of yours\n")
    assert not (closed / "ipython").exists()


def test_nothing_is_made_in_the_home_of_somebody_else(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """`sudo footfall notebook enable` with the caller's HOME would lock its owner out of what it makes."""
    place = startup_file.user_place({"IPYTHONDIR": str(tmp_path / "ipython")})
    monkeypatch.setattr(os, "geteuid", lambda: tmp_path.stat().st_uid + 1)
    with pytest.raises(startup_file.StartupFileError, match=r"belongs to user .* run this as that user"):
        startup_file.enable(place)
    assert list(tmp_path.iterdir()) == []
    place = Place(tmp_path / "etc" / "startup", "all", shared=True)
    assert startup_file.enable(place) is State.MISSING


@pytest.mark.parametrize(
    ("arguments", "variables", "says"),
    [
        (["enable", "--profile", "../x"], {}, "profile '../x' must be a name"),
        (["enable", "--profile", "a\nb"], {}, r"profile 'a\nb' must be a name"),
        (["enable", "--profile", "x", "--system"], {}, "not allowed with"),
        (["start"], {}, "invalid choice"),
        ([], {}, "action"),
        (["enable"], {"IPYTHONDIR": "relative/path"}, "depends on the working directory"),
        (["enable"], {"IPYTHONDIR": ""}, "depends on the working directory"),
    ],
)
def test_wrong_use_is_status_2(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, arguments: list[str], variables: dict[str, str], says: str
) -> None:
    """And nothing is made, least of all in the working directory."""
    monkeypatch.chdir(tmp_path)
    before = files()
    said = footfall("notebook", *arguments, **variables)
    assert (said.returncode, said.stdout) == (2, "")
    assert says in said.stderr
    assert (files(), list(tmp_path.glob("relative"))) == (before, [])


# --- beside others ----------------------------------------------------------------------------------------------------


def test_the_originals_startup_file_is_told_of_and_left_alone(ipython_directory: Path) -> None:
    """Both would record; what to run is said. Its own place does not depend on IPYTHONDIR; sites have others."""
    theirs = Path(os.environ["HOME"]) / ".ipython" / "profile_default" / "startup" / "telemetry.py"
    assert run("-W", "ignore", "-c", ORIGINAL, "--enable") == "Telemetry enabled.\n"
    written = theirs.read_text()
    site, innocent = (startup(ipython_directory).with_name(name) for name in ("10-site.py", "20-mine.py"))
    site.parent.mkdir(parents=True)
    site.write_text(written)
    innocent.write_text("# not import access_py_telemetry\n")
    for action, status in (("status", 1), ("enable", 0), ("status", 0)):
        said = footfall("notebook", action)
        assert said.returncode == status
        notes = [line for line in said.stdout.splitlines() if line.startswith("note: ")]
        assert [line.split()[1] for line in notes] == [str(theirs), str(site)]
        assert notes[0].endswith("run `access-py-telemetry --disable`")
        assert "remove its import of access_py_telemetry" in notes[1]
    assert (theirs.read_text(), site.read_text()) == (written, written)
    assert run("-W", "ignore", "-c", ORIGINAL, "--disable") == "Telemetry disabled.\n"
    assert "access-py-telemetry --disable" not in footfall("notebook", "status").stdout


@pytest.mark.parametrize("variables", [{"FOOTFALL": "off"}, {"DO_NOT_TRACK": "1"}])
def test_who_is_off_is_told_that_nothing_is_recorded(ipython_directory: Path, variables: dict[str, str]) -> None:
    """The file may be there; the no holds all the same."""
    assert "footfall is off here" in footfall("notebook", "enable", **variables).stdout
    said = footfall("notebook", "status", **variables)
    assert (said.returncode, next(iter(variables)) in said.stdout) == (0, True)


# --- the original's words ---------------------------------------------------------------------------------------------


def words(*arguments: str, program: tuple[str, ...] = ("-m", "footfall.facade.access.cli")) -> tuple[int, str, str]:
    said = subprocess.run(
        [sys.executable, "-W", "ignore", *program, *arguments],
        env=environ({}),
        capture_output=True,
        text=True,
        timeout=SECONDS,
        check=False,
    )
    return said.returncode, said.stdout, said.stderr


@pytest.mark.parametrize(
    "arguments",
    [
        ["--status", "--enable", "--status", "--enable", "--disable", "--disable", "--status"],
        ["--enable --disable", "--status --enable", "--status"],
        ["--status --silent", "--enable --silent", "--status", "--disable --silent", "--status"],
    ],
)
def test_the_originals_words_do_the_same(ipython_directory: Path, arguments: list[str]) -> None:
    """Side by side with release 0.3.0: the same texts and statuses, step by step."""
    ours = [words(*each.split()) for each in arguments]
    theirs = [words(*each.split(), program=("-c", ORIGINAL)) for each in arguments]
    assert ours == theirs


def test_the_words_manage_our_startup_file(ipython_directory: Path) -> None:
    """That of `footfall notebook`; one of an older footfall is updated. Without a word there is help, and no change."""
    file = startup(ipython_directory)
    assert (words()[0], words("--silent")[1][:6], words("--bogus")[0]) == (0, "usage:", 2)
    assert not file.exists()
    words("--enable")
    assert file.read_bytes() == startup_file.content()
    file.write_bytes(older())
    assert words("--status")[1].startswith("Telemetry enabled but misconfigured. Run `python -m footfall.facade.")
    assert words("--enable") == (0, "Telemetry enabled.\n", "")
    assert file.read_bytes() == startup_file.content()


@pytest.mark.parametrize("silent", [(), ("--silent",)])
def test_the_originals_words_leave_an_edited_file_alone(ipython_directory: Path, silent: tuple[str, ...]) -> None:
    """Repaired: the original deletes it, and calls it enabled."""
    file = startup(ipython_directory)
    words("--enable")
    file.write_bytes(file.read_bytes() + b"mine = 1\n")
    for word in ("--enable", "--disable"):
        status, out, err = words(word, *silent)
        assert (status, out) == (1, "")
        assert "was edited" in err
    assert words("--status")[1].startswith("Telemetry enabled but misconfigured.")
    assert file.read_bytes().endswith(b"mine = 1\n")


def test_content_is_what_its_head_says() -> None:
    """The digest fits, the lines are short enough to read, and it is the same each time."""
    content = startup_file.content()
    assert startup_file._judged(content).state is State.ENABLED
    assert max(map(len, content.decode().splitlines())) <= 120
    assert content == startup_file.content()
    compile(content, NAME, "exec")


def test_another_content_is_another_version() -> None:
    """Else two releases in one home would take each other's file for the older one, and rewrite it in turns."""
    assert startup_file.VERSION == 1
    assert hashlib.sha256(BODY).hexdigest() == "5662db026df8e13daf6acd2d5f1b074187a19c1be13885cd891c120bdf4aa061"


def test_a_file_system_without_hard_links_will_do(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """There a rename does it, after another look."""

    def refuse(*paths: Any) -> None:
        raise PermissionError(1, "Operation not permitted")

    monkeypatch.setattr(os, "link", refuse)
    place = Place(tmp_path, "you")
    assert startup_file.enable(place) is State.MISSING
    assert place.file.read_bytes() == startup_file.content()
    assert startup_file._write(place, replace=False) is False
    assert [path.name for path in tmp_path.iterdir()] == [NAME]
