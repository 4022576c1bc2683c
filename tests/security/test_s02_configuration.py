"""S2: a file of somebody else, or of the directory we happen to be in, does not decide where data go."""

from __future__ import annotations

import os
import sys
from pathlib import Path
from types import ModuleType

import pytest

import footfall
from footfall import api
from footfall.consent import choice
from footfall.courier import credentials
from footfall.errors import UnsafeFileError
from footfall.places import files
from footfall.registry import yaml
from footfall.testing.sink.client import Sink
from tests.security.rules import refused, rule, without
from tests.security.whole import deliver

SOMEBODY = 54321
MINE, OTHERS = 0o600, (0o620, 0o602, 0o666)


def given_away(path: Path, patch: pytest.MonkeyPatch) -> None:
    """Make *path* somebody else's: by giving it away as root, else by looking at it as somebody else would."""
    if os.geteuid() == 0:
        os.chown(path, SOMEBODY, SOMEBODY)
    else:
        patch.setattr(os, "geteuid", lambda: SOMEBODY)


def write(path: Path, text: str, mode: int = MINE) -> Path:
    path.unlink(missing_ok=True)
    path.write_text(text)
    path.chmod(mode)
    return path


@rule(without(yaml, "_check_status", lambda *_: None), without(yaml, "_absolute", Path))
def test_a_registry_is_read_from_a_file_of_ours_only(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """What `FOOTFALL_CONFIG` names: others could have written it, it is theirs, or the working directory has it."""
    text = "project: a/b\nsend_to: [{migas: 'https://evil.example.org'}]\n"
    assert yaml.load_config_file(write(tmp_path / "footfall.yaml", text)).project == "a/b"
    for mode in OTHERS:
        refused(UnsafeFileError, yaml.load_config_file, write(tmp_path / "footfall.yaml", text, mode))
    monkeypatch.chdir(tmp_path)
    write(tmp_path / "footfall.yaml", text)
    refused(UnsafeFileError, yaml.load_config_file, "footfall.yaml")
    with pytest.MonkeyPatch.context() as patch:
        given_away(tmp_path / "footfall.yaml", patch)
        refused(UnsafeFileError, yaml.load_config_file, tmp_path / "footfall.yaml")


@rule(without(credentials, "_read", lambda path: Path(path).read_text()))
def test_credentials_are_read_from_a_file_of_ours_only(tmp_path: Path) -> None:
    """Others can neither read ours nor lay theirs."""
    place = tmp_path / "token"
    reference = f"file:{place}"
    write(place, "Authorization: Bearer x")
    assert credentials.resolve(reference, {})
    for mode in (*OTHERS, 0o640, 0o604):
        write(place, "Authorization: Bearer x", mode)
        refused(UnsafeFileError, credentials.resolve, reference, {})
    write(place, "Authorization: Bearer x")
    with pytest.MonkeyPatch.context() as patch:
        given_away(place, patch)
        refused(UnsafeFileError, credentials.resolve, reference, {})


@rule(without(files, "_file_refusal", lambda *_: ""))
def test_a_choice_that_others_could_have_written_is_a_no(tmp_path: Path) -> None:
    """Nobody else can say yes for the user."""
    for mode in OTHERS:
        write(tmp_path / choice.FILE_NAME, '{"projects":{"a/b":"on"}}', mode)
        assert choice.read(tmp_path).says("a/b") != "on"
        assert choice.read(tmp_path).everything == "off"


EVIL = """\
project: owner/tool
send_to: [{migas: '%s'}]
"""


def from_the_working_directory(text: str, _caller: str) -> Path:
    return Path(text)


@rule(without(api, "_path", from_the_working_directory))
def test_the_working_directory_decides_nothing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, footfall_on: None
) -> None:
    """A library's `registry="footfall.yaml"` is the one beside its module, whatever lies where the user works."""
    work, package = tmp_path / "work", tmp_path / "package"
    work.mkdir(exist_ok=True)
    package.mkdir(exist_ok=True)
    library = ModuleType("somebodys_library")
    library.__file__ = str(package / "somebodys_library.py")
    monkeypatch.setitem(sys.modules, library.__name__, library)
    monkeypatch.chdir(work)
    with Sink(tmp_path / "evil") as evil, Sink(tmp_path / "own") as own:
        write(work / "footfall.yaml", EVIL % evil.url)
        write(package / "footfall.yaml", EVIL % own.url)
        code = (
            "import footfall\n"
            "footfall.instrument(registry='footfall.yaml')\n"
            "footfall.event('step', project='owner/tool')\n"
            "footfall.drain(10)\n"
        )
        exec(compile(code, library.__file__, "exec"), vars(library))
        footfall.uninstrument()
        assert evil.requests() == []
        assert len(own.requests()) == 1


NAMES = ("footfall.yaml", "footfall.yml", "footfall.json", ".footfall", "footfall.toml", "pyproject.toml", ".env")


@rule(without(api, "_read", lambda registry, *_: yaml.load_file("footfall.yaml") if not registry else None))
def test_files_of_the_project_name_no_destination(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, footfall_on: None
) -> None:
    """No file name at all makes footfall look into the working directory."""
    work = tmp_path / "work"
    work.mkdir(exist_ok=True)
    monkeypatch.chdir(work)
    with Sink(tmp_path / "evil") as evil, Sink(tmp_path / "own") as own:
        for name in NAMES:
            text = f"FOOTFALL_ENDPOINT={evil.url}\n" if name == ".env" else EVIL % evil.url
            write(work / name, text if not name.endswith("toml") else f"[tool.footfall]\nendpoint = '{evil.url}'\n")
        deliver(drain_seconds=10)
        deliver(footfall.Migas(own.url), drain_seconds=10)
        assert evil.requests() == []
        assert len(own.requests()) == 1
