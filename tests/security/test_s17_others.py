"""S17: what another user laid or owns is never read as ours, however well it is made."""

from __future__ import annotations

import os
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

import footfall
from footfall import places
from footfall.errors import UnsafeFileError
from footfall.outbox import files as outbox_files
from footfall.places import files
from footfall.testing.sink.client import Sink
from tests.security.rules import refused, rule, without
from tests.security.whole import deliver, open_and_close, state

SOMEBODY = 54321


@contextmanager
def owned_by_somebody(*paths: Path) -> Iterator[None]:
    """Give *paths* away as root; else look at them as somebody else would."""
    if os.geteuid() == 0:
        for path in paths:
            os.chown(path, SOMEBODY, SOMEBODY)
        try:
            yield
        finally:
            for path in paths:
                os.chown(path, 0, 0)
        return
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(os, "geteuid", lambda: SOMEBODY)
        yield


@rule(without(files, "_directory_refusal", lambda *_: ""))
def test_a_foreign_queue_is_not_read(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, footfall_on: None) -> None:
    """Records that wait in somebody's state directory, journal and outbox: named by `FOOTFALL_DIR`, they stay there."""
    with Sink(tmp_path / "theirs") as theirs, Sink(tmp_path / "ours") as ours:
        theirs.set_mode("status:503")
        deliver(footfall.Migas(theirs.url))
        theirs.set_mode("ok")
        before = len(theirs.requests())
        laid = [state(), *state().rglob("*")]
        with owned_by_somebody(*laid):
            assert places.find(str(state()), {"HOME": os.devnull}, var_tmp=tmp_path / "none") is None
            monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path / "elsewhere"))
            deliver(footfall.Migas(ours.url), drain_seconds=5)
            assert len(theirs.requests()) == before
            held = sorted(path.name for path in state().rglob("*"))
        assert held == sorted(path.name for path in laid[1:]), "nothing was laid there either"
    shutil.rmtree(state())


def make_unseen(path: Path) -> bool:
    if path.exists():
        return False
    path.touch(0o600)
    return True


@rule(without(outbox_files, "make_private", make_unseen))
def test_a_foreign_file_in_our_directory_is_not_opened(tmp_path: Path) -> None:
    """The directory would have to have been open once; the database is looked at again all the same."""
    directory = tmp_path / "outbox"
    directory.mkdir(mode=0o700, exist_ok=True)
    database = directory / "outbox.db"
    open_and_close(database)
    with owned_by_somebody(database):
        refused(UnsafeFileError, open_and_close, database)
