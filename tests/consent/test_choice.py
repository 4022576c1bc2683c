"""What the user said for good: kept privately, read carefully, and in doubt a no."""

from __future__ import annotations

import os
import stat
from collections.abc import Callable
from pathlib import Path

import pytest

from footfall.consent import choice
from footfall.consent.choice import Choice, Watch, read, turn_off, turn_on
from footfall.errors import ConfigurationError, UnsafeFileError


def test_no_file_says_nothing_and_reading_makes_none(tmp_path: Path) -> None:
    """Off means no file: asking leaves no trace, wherever the directory would be."""
    for directory in (None, tmp_path / "c", Path("/dev/null/footfall")):
        found = read(directory)
        assert (found.everything, dict(found.projects), found.problem) == ("", {}, "")
    assert list(tmp_path.iterdir()) == []


def test_one_word_stops_all(tmp_path: Path) -> None:
    """`footfall off` takes back earlier yeses; a later yes to one project is an exception; `footfall on` lifts it."""
    directory = tmp_path / "c/footfall"
    turn_on(directory, "a/yes")
    turn_off(directory, "a/no")
    turn_off(directory)
    assert [read(directory).says(name) for name in ("a/yes", "a/no", "a/other", "")] == ["off"] * 4
    turn_on(directory, "a/later")
    assert [read(directory).says(name) for name in ("a/later", "a/no", "a/other", "")] == ["on", "off", "off", "off"]
    turn_on(directory)
    assert [read(directory).says(name) for name in ("a/later", "a/no", "a/other", "")] == ["on", "off", "", ""]


def test_it_is_kept_privately_and_readably(tmp_path: Path) -> None:
    """S1: 0600 in 0700 under an open umask; what is returned is what is read; a person can read it too."""
    directory = tmp_path / "c/footfall"
    before = os.umask(0)
    try:
        written = turn_off(directory, "NiPreps/fMRIPrep", now_ns=lambda: 7)
    finally:
        os.umask(before)
    assert written == read(directory)
    path = directory / "choice.json"
    assert path.read_bytes() == b'{"projects":{"nipreps/fmriprep":"off"},"refused_ns":{"nipreps/fmriprep":7}}\n'
    assert [stat.S_IMODE(p.stat().st_mode) for p in (path, directory, directory.parent)] == [0o600, 0o700, 0o700]
    assert [p.name for p in directory.iterdir()] == ["choice.json"]


def test_what_was_recorded_before_a_no_is_never_sent(tmp_path: Path) -> None:
    """S15: a later yes is for later records; the last no counts; another project's no is its own."""
    turn_off(tmp_path, "a/b", now_ns=lambda: 100)
    assert not read(tmp_path).allows("a/b", 10**9), "while the no stands, nothing is"
    turn_on(tmp_path, "a/b", now_ns=lambda: 150)
    assert [read(tmp_path).allows("A/b", moment) for moment in (99, 100, 101)] == [False, False, True]
    assert read(tmp_path).allows("c/d", 1)
    turn_off(tmp_path, now_ns=lambda: 200)
    turn_on(tmp_path, now_ns=lambda: 300)
    assert [read(tmp_path).allows(name, 200) for name in ("a/b", "c/d")] == [False, False]
    assert [read(tmp_path).allows(name, 201) for name in ("a/b", "c/d")] == [True, True]


def test_a_no_from_the_future_silences_only_up_to_the_yes(tmp_path: Path) -> None:
    """P12: it was said while the clock was ten years ahead; what the user allows after that is sent."""
    turn_off(tmp_path, now_ns=lambda: 10**19)
    turn_on(tmp_path, now_ns=lambda: 50)
    assert [read(tmp_path).allows("a/b", moment) for moment in (50, 51)] == [False, True]


def test_a_watch_reads_only_what_changed(tmp_path: Path) -> None:
    """Asked before each sending: the same object while the file is the same; never one that is behind the file."""
    watch = Watch(tmp_path)
    assert watch() is watch() == Choice(path=str(tmp_path / "choice.json"))
    turn_off(tmp_path, "a/b")
    seen = watch()
    assert seen.says("a/b") == "off"
    assert watch() is seen
    turn_on(tmp_path, "a/b")
    assert watch().says("a/b") == "on"
    (tmp_path / "choice.json").unlink()
    assert watch().says("a/b") == ""
    assert Watch(None)() == Choice()


def test_names_are_compared_without_case(tmp_path: Path) -> None:
    """A no must not miss because of a capital letter."""
    turn_off(tmp_path / "c", "nipreps/FMRIPREP")
    assert read(tmp_path / "c").says("NiPreps/fMRIPrep") == "off"


@pytest.mark.parametrize(
    "content",
    [b"", b"{", b"[]", b'{"everything":"maybe"}', b'{"projects":{"a/b":"perhaps"}}', b'{"unknown":1}', b"\xff\xfe"],
)
def test_what_cannot_be_understood_is_a_no(tmp_path: Path, content: bytes) -> None:
    """It may hold a no that we cannot read. The user's next word repairs it."""
    directory = tmp_path / "c"
    directory.mkdir(mode=0o700)
    (directory / "choice.json").write_bytes(content)
    found = read(directory)
    assert found.says("a/b") == found.says("") == "off"
    assert str(directory / "choice.json") in found.problem
    assert turn_on(directory) == read(directory) == Choice(path=str(directory / "choice.json"))


def test_a_yes_to_one_project_does_not_turn_on_the_rest_of_a_broken_file(tmp_path: Path) -> None:
    """The others stay off: the file may have said so."""
    directory = tmp_path / "c"
    directory.mkdir(mode=0o700)
    (directory / "choice.json").write_bytes(b"broken")
    turn_on(directory, "a/b")
    assert (read(directory).says("a/b"), read(directory).says("a/c")) == ("on", "off")


def test_a_file_that_others_could_have_written_is_a_no(tmp_path: Path) -> None:
    """S2: a link, a FIFO, a directory, a file others can write: nobody turns footfall on for somebody else."""
    directory = tmp_path / "c"
    directory.mkdir(mode=0o700)
    path, yes = directory / "choice.json", tmp_path / "yes"
    yes.write_text('{"projects":{"a/b":"on"}}')

    def plant_open() -> None:
        path.write_text(yes.read_text())
        path.chmod(0o662)

    plants: list[Callable[[], object]] = [lambda: path.symlink_to(yes), lambda: os.mkfifo(path), path.mkdir, plant_open]
    for plant in plants:
        plant()
        assert read(directory).says("a/b") == "off"
        assert read(directory).problem
        path.rmdir() if path.is_dir() else path.unlink()


def test_a_word_that_cannot_be_kept_is_an_error(tmp_path: Path) -> None:
    """The user must hear that the no was not recorded; a name without owner would match nothing."""
    (tmp_path / "open").mkdir()
    (tmp_path / "open").chmod(0o777)
    with pytest.raises(UnsafeFileError, match="open to others"):
        turn_off(tmp_path / "open")
    with pytest.raises(OSError, match="c"):
        turn_off(Path("/proc/c"))
    for name in ("fmriprep", "/fmriprep", "nipreps/"):
        with pytest.raises(ConfigurationError, match="owner/name"):
            turn_off(tmp_path / "c", name)
    assert not (tmp_path / "c").exists()


def test_a_config_directory_made_by_hand_will_do(tmp_path: Path) -> None:
    """`mkdir ~/.config/footfall` gives 0755: others can list it, and the file itself is still private."""
    (tmp_path / "c").mkdir()
    (tmp_path / "c").chmod(0o755)
    turn_off(tmp_path / "c")
    assert read(tmp_path / "c").everything == "off"
    assert choice.FILE_NAME == "choice.json"
