"""`footfall gather`: a module's collectors from the command line."""

from __future__ import annotations

import tarfile
from pathlib import Path

import pytest
from clihelp import footfall, on_a_terminal
from tests.facade.insightshelp import Ingress

MODULE = """
import footfall

@footfall.collector("jobs", "1.0", format="csv")
def jobs(since, until):
    return ({"id": number} for number in range(3))

@footfall.collector("info", "1.0")
def info(since, until):
    {info}
"""


@pytest.fixture
def path(tmp_path: Path) -> str:
    (tmp_path / "collectors.py").write_text(MODULE.replace("{info}", "return [str(since), str(until)]"))
    (tmp_path / "failing.py").write_text(MODULE.replace("{info}", "raise ValueError('no')"))
    return str(tmp_path)


def test_a_dry_run_prints_where_the_tarballs_are(path: str, tmp_path: Path) -> None:
    """And leaves them there."""
    arguments = ("--dry-run", "--dest", str(tmp_path / "out"), "--since", "2026-01-05", "--until", "2026-01-06T12:00Z")
    said = footfall("gather", "collectors", *arguments, PYTHONPATH=path)
    assert (said.returncode, said.stderr) == (0, "")
    first, place = said.stdout.splitlines()
    assert first == "2 intervals gathered"
    assert place == str(tmp_path / "out" / "analytics-2026-01-06-120000+0000-0.tar.gz")
    with tarfile.open(place) as tar:
        info = tar.extractfile("./info.json")
        assert info is not None
        assert info.read() == b'["2026-01-05 00:00:00+00:00", "2026-01-06 12:00:00+00:00"]'


def test_what_is_gathered_is_delivered(path: str) -> None:
    """Now with --wait, else by `footfall send`."""
    with Ingress() as server:
        for wait, pending in ((("--wait", "20"), 0), ((), 1)):
            to = ("--to", server.url, "--subset", "jobs")
            said = footfall("gather", "collectors", *to, *wait, PYTHONPATH=path)
            assert (said.returncode, said.stderr) == (0, "")
            assert f"{pending} tarball" in said.stdout
        assert len(server.asked) == 1
        assert footfall("send", "--deadline", "20").returncode == 0
        assert len(server.asked) == 2


@pytest.mark.parametrize(
    ("arguments", "status", "says"),
    [
        (("no.such.module", "--dry-run"), 2, "there is no module 'no.such.module'"),
        (("collectors",), 2, "nowhere to send to"),
        (("collectors", "--dry-run", "--since", "yesterday"), 2, "write 2026-01-31"),
        (("collectors", "--dry-run", "--subset", "nobody"), 2, "no collectors"),
        (("collectors", "--dry-run", "--since", "2026-01-02", "--until", "2026-01-01"), 2, "nothing lies between"),
        (("failing", "--dry-run"), 1, "Could not generate metric info.json"),
    ],
)
def test_what_is_wrong_is_said(path: str, arguments: tuple[str, ...], status: int, says: str) -> None:
    """On stderr, with the exit status that goes with it."""
    said = footfall("gather", *arguments, PYTHONPATH=path)
    assert said.returncode == status
    assert says in said.stderr
    assert "Traceback" not in said.stderr or status == 1


def test_a_no_is_obeyed(path: str) -> None:
    """Nothing is gathered, and why is said."""
    said = footfall("gather", "collectors", "--to", "http://127.0.0.1:9/upload", PYTHONPATH=path, FOOTFALL="off")
    assert said.returncode == 1
    assert "FOOTFALL=off" in said.stderr


def test_progress_is_shown_on_a_terminal(path: str, tmp_path: Path) -> None:
    """How many intervals are gathered, of how many."""
    arguments = ("gather", "collectors", "--dry-run", "--dest", str(tmp_path / "out"))
    status, said, seen = on_a_terminal(arguments, {"PYTHONPATH": path})
    assert status == 0
    assert "2 intervals gathered" in said
    assert "gathering" in seen
