"""The session before a kernel's restart."""

from __future__ import annotations

import os
import time
from pathlib import Path

from footfall.resource import kernels

FIRST, SECOND = "11111111-1111-4111-8111-111111111111", "22222222-2222-4222-8222-222222222222"


def test_a_kernel_follows_its_own_last_session(tmp_path: Path):
    """By its connection file; loading twice in one process changes nothing."""
    tmp_path.chmod(0o700)
    assert kernels.follow(tmp_path, "/run/user/kernel-1.json", FIRST) == ""
    assert kernels.follow(tmp_path, "/run/user/kernel-1.json", FIRST) == ""
    assert kernels.follow(tmp_path, "/run/user/kernel-2.json", SECOND) == ""
    assert [kernels.follow(tmp_path, "/run/user/kernel-1.json", SECOND) for _ in range(2)] == [FIRST, FIRST]
    for path in (tmp_path / kernels.FOLDER).iterdir():
        assert (path.stat().st_mode & 0o777, "kernel-" in path.read_text()) == (0o600, False)


def test_old_kernels_are_forgotten(tmp_path: Path):
    """After thirty days."""
    tmp_path.chmod(0o700)
    kernels.follow(tmp_path, "old", FIRST)
    (old,) = (tmp_path / kernels.FOLDER).iterdir()
    past = time.time() - kernels.KEEP_SECONDS - 60
    os.utime(old, (past, past))
    kernels.follow(tmp_path, "new", FIRST)
    assert old not in set((tmp_path / kernels.FOLDER).iterdir())
    assert kernels.follow(tmp_path, "old", SECOND) == ""


def test_a_place_that_will_not_do_is_no_trouble(tmp_path: Path):
    """Nor is a file that holds anything else."""
    (tmp_path / "file").write_text("")
    assert kernels.follow(tmp_path / "file", "kernel", FIRST) == ""
    tmp_path.chmod(0o700)
    kernels.follow(tmp_path, "kernel", FIRST)
    (kept,) = (tmp_path / kernels.FOLDER).iterdir()
    kept.write_text("{")
    assert kernels.follow(tmp_path, "kernel", SECOND) == ""
