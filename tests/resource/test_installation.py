"""The installation id: one for all processes, private, resettable, and a new one each year."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import threading
import uuid
from pathlib import Path

import pytest

from footfall.resource import installation
from footfall.resource.installation import YEAR_SECONDS, installation_id, reset

NOW = 1_800_000_000.0
SOMEBODY = 54321


def at(seconds: float = 0.0) -> float:
    """Return a fixed time, or one that many seconds later."""
    return NOW + seconds


def files(directory: Path) -> list[str]:
    """Return the names in *directory*."""
    return sorted(path.name for path in directory.iterdir())


def test_made_once_private_and_kept(tmp_path: Path) -> None:
    """A random UUID in a file of mode 0600 in a directory of mode 0700; asked again, the same."""
    before = os.umask(0)
    try:
        first = installation_id(tmp_path / "c/footfall", now=at)
    finally:
        os.umask(before)
    assert uuid.UUID(first).version == 4
    assert installation_id(tmp_path / "c/footfall", now=at) == first
    assert files(tmp_path / "c/footfall") == ["installation-1.json"]
    path = tmp_path / "c/footfall/installation-1.json"
    assert (path.stat().st_mode & 0o777, path.parent.stat().st_mode & 0o777) == (0o600, 0o700)
    stored = json.loads(path.read_text())
    assert stored == {"id": first, "created": int(NOW // 86400) * 86400}


def test_a_new_one_each_year(tmp_path: Path) -> None:
    """S18: after 365 days the old id is gone; a clock far behind makes a new one too, once."""
    first = installation_id(tmp_path / "c", now=at)
    assert installation_id(tmp_path / "c", now=lambda: at(YEAR_SECONDS - 86400)) == first
    second = installation_id(tmp_path / "c", now=lambda: at(YEAR_SECONDS + 86400))
    assert second != first
    assert files(tmp_path / "c") == ["installation-2.json"]
    assert installation_id(tmp_path / "c", now=lambda: at(YEAR_SECONDS + 86400)) == second
    back = installation_id(tmp_path / "c", now=lambda: at(-YEAR_SECONDS))
    assert back not in {first, second}
    assert installation_id(tmp_path / "c", now=lambda: at(-YEAR_SECONDS)) == back


def test_reset_forgets(tmp_path: Path) -> None:
    """Nothing is made by forgetting; the next request makes a new one."""
    assert reset(tmp_path / "c") is False
    first = installation_id(tmp_path / "c", now=at)
    assert reset(tmp_path / "c") is True
    assert files(tmp_path / "c") == []
    assert installation_id(tmp_path / "c", now=at) != first


def test_processes_that_race_get_the_same_id(tmp_path: Path) -> None:
    """Eight processes and a year's change: at the first making, and at the next, all say the same."""
    code = (
        "import sys; from pathlib import Path; from footfall.resource.installation import installation_id; "
        "sys.stdin.readline(); print(installation_id(Path(sys.argv[1]), now=lambda: float(sys.argv[2])))"
    )
    seen: list[str] = []
    for when in (NOW, NOW + 2 * YEAR_SECONDS):
        children = [
            subprocess.Popen(
                [sys.executable, "-c", code, str(tmp_path / "c"), str(when)],
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                text=True,
            )
            for _ in range(8)
        ]
        for child in children:
            assert child.stdin is not None
            child.stdin.write("go\n")
            child.stdin.flush()
        answers = {child.communicate(timeout=60)[0].strip() for child in children}
        assert len(answers) == 1
        seen += answers
    assert len(set(seen)) == 2
    assert files(tmp_path / "c") == ["installation-2.json"]


def test_threads_that_race_get_the_same_id(tmp_path: Path) -> None:
    """Sixteen threads from a gate, thirty times over, each time changing the year."""
    for turn in range(30):
        gate = threading.Barrier(16)
        answers: list[str] = []

        def ask(year: int = turn, gate: threading.Barrier = gate, answers: list[str] = answers) -> None:
            gate.wait()
            answers.append(installation_id(tmp_path / "c", now=lambda: at(year * 2 * YEAR_SECONDS)))

        threads = [threading.Thread(target=ask) for _ in range(16)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        assert len(set(answers)) == 1, answers
        assert uuid.UUID(answers[0])


@pytest.mark.parametrize("content", [b"not json", b'{"id":"alice","created":1800000000}', b"[]", b'{"id":""}', b"\xff"])
def test_a_file_without_an_id_is_passed_over(tmp_path: Path, content: bytes) -> None:
    """Damage, or a name planted as an id, never travels."""
    directory = tmp_path / "c"
    directory.mkdir(mode=0o700)
    (directory / "installation-1.json").write_bytes(content)
    found = installation_id(directory, now=at)
    assert uuid.UUID(found).version == 4
    assert installation_id(directory, now=at) == found


def test_files_of_others_are_ignored(tmp_path: Path) -> None:
    """S17: a foreign file, one that others can write, and a link do not say who we are."""
    directory = tmp_path / "c"
    directory.mkdir(mode=0o700)
    planted = json.dumps({"id": str(uuid.uuid4()), "created": int(NOW)})
    (tmp_path / "target").write_text(planted)
    (directory / "installation-3.json").symlink_to(tmp_path / "target")
    (directory / "installation-4.json").write_text(planted)
    (directory / "installation-4.json").chmod(0o666)
    if os.geteuid() == 0:
        (directory / "installation-5.json").write_text(planted)
        os.chown(directory / "installation-5.json", SOMEBODY, SOMEBODY)
    found = installation_id(directory, now=at)
    assert found
    assert found not in planted
    assert installation_id(directory, now=at) == found


def test_an_unusable_directory_gives_no_id(tmp_path: Path) -> None:
    """No exception: a file in the way, a directory that others can write, a link, and one that cannot be made."""
    (tmp_path / "file").touch()
    (tmp_path / "open").mkdir()
    (tmp_path / "open").chmod(0o777)
    (tmp_path / "link").symlink_to(tmp_path)
    for directory in (tmp_path / "file", tmp_path / "file/x", tmp_path / "open", tmp_path / "link", Path("/proc/x/y")):
        assert installation_id(directory, now=at) == ""


def test_without_links_the_file_is_made_in_place(tmp_path: Path) -> None:
    """FAT has no links: the winner writes the file itself, and who comes second sees that it is there."""
    path = tmp_path / "installation-1.json"
    assert installation._create_in_place(path, b"one") is True
    assert installation._create_in_place(path, b"two") is False
    assert path.read_bytes() == b"one"
    assert path.stat().st_mode & 0o777 == 0o600
