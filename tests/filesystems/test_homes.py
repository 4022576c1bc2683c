"""D2: no home, a home that cannot be written, a user without an entry: the next place, or memory, and not a word.

Which place is taken, in all combinations, is in tests/test_places.py. Here a program runs in each situation, and what
it recorded arrives wherever there is a place at all.
"""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from tests.filesystems.test_faults_of_the_disk import UNSHARE, may_mount
from tests.process.harness import GUARD_SECONDS, Observation

PRELUDE = """
import os, pwd, sys
from pathlib import Path
def unknown(uid):
    raise KeyError(uid)
pwd.getpwuid = unknown
from footfall.places import layout
layout.find.__kwdefaults__["var_tmp"] = Path(os.environ["VAR_TMP"])
"""
PROGRAM = (
    PRELUDE
    + """
from tests.process import driver
driver.instrument(os.environ["SINK"])
driver.calls(0, 50)
"""
)
SEND = (
    PRELUDE
    + """
from footfall.cli.main import main
sys.exit(main(["send", "--deadline", "20"]))
"""
)
NOWHERE = "/proc/nowhere"  # a directory in which not even root can make one


def situations() -> list[str]:
    found = ["no home", "home is a file", "home cannot be written", "only a runtime directory", "nothing at all"]
    return [*found, "home is read-only"] if may_mount() else found


def environment(observation: Observation, situation: str) -> dict[str, str]:
    """Return the environment of *situation*; no user has an entry in any of them."""
    var_tmp = observation.directory / "var-tmp"
    var_tmp.mkdir()
    found = observation.environment(SINK=observation.sink.url, CONFIRM=str(observation.confirm), VAR_TMP=str(var_tmp))
    for name in ("HOME", "FOOTFALL_DIR", "XDG_CONFIG_HOME"):
        del found[name]
    runtime = observation.directory / "runtime"
    runtime.mkdir(mode=0o700)
    homes = {"home is a file": os.devnull, "home cannot be written": NOWHERE, "nothing at all": NOWHERE}
    if situation in homes:
        found["HOME"] = homes[situation]
    if situation == "only a runtime directory":
        found |= {"VAR_TMP": NOWHERE, "XDG_RUNTIME_DIR": str(runtime)}
    if situation == "nothing at all":
        found["VAR_TMP"] = NOWHERE
    if situation == "home is read-only":
        home = observation.directory / "home"
        home.mkdir()
        found["HOME"] = str(home)
    return found


@pytest.mark.parametrize("situation", situations())
def test_a_program_runs_as_ever_and_its_records_find_a_place(observation: Observation, situation: str) -> None:
    """Results, streams and exit status are untouched; where there is a place, the next `footfall send` delivers."""
    environ = environment(observation, situation)
    before: list[str] = []
    if situation == "home is read-only":
        before = [*UNSHARE, "sh", "-c", 'mount -t tmpfs -o ro tmpfs "$HOME" && exec "$@"', "sh"]
    for code in (PROGRAM, SEND):
        done = subprocess.run(
            [*before, sys.executable, "-c", code],
            env=environ, cwd=observation.directory, stdin=subprocess.DEVNULL,
            capture_output=True, text=True, timeout=GUARD_SECONDS, check=False,
        )  # fmt: skip
        if code == PROGRAM:
            assert (done.returncode, done.stdout, done.stderr) == (0, "", "")
            assert observation.confirmed() == list(range(50))
        elif situation != "nothing at all":
            assert done.returncode == 0, (done.stdout, done.stderr)
    if situation == "nothing at all":
        assert "set FOOTFALL_DIR" in done.stderr
        return
    assert sorted(observation.numbers()) == list(range(50))
    place = observation.directory / (
        "runtime/footfall" if "runtime" in situation else f"var-tmp/footfall-{os.geteuid()}"
    )
    assert place.is_dir()
    shutil.rmtree(place)
    assert list(Path(observation.directory / "var-tmp").iterdir()) == []
