"""Marks of a process: there, and gone in its fork children, whoever made them."""

from __future__ import annotations

import mmap
import os
import warnings
from collections.abc import Callable

import pytest

from footfall import forks
from tests.raw_fork import raw_fork


@pytest.mark.parametrize("fork", [os.fork, raw_fork], ids=["os.fork", "fork"])
@pytest.mark.parametrize("make", [forks.mark, forks._Pid], ids=["by the kernel", "by the process id"])
def test_a_child_does_not_have_it(make: Callable[[], forks.Mark], fork: Callable[[], int]) -> None:
    """Its own mark it has."""
    mark = make()
    assert mark[0]
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", DeprecationWarning)
        child = fork()
    if child == 0:
        os._exit(2 * bool(mark[0]) + (not make()[0]))
    assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 0
    assert mark[0]


def test_a_kernel_that_cannot(monkeypatch: pytest.MonkeyPatch) -> None:
    """Before Linux 4.14 and elsewhere, the process id tells."""

    class Refusing(mmap.mmap):
        def madvise(self, *_: int) -> None:  # type: ignore[override]
            raise OSError(22, "Invalid argument")

    monkeypatch.setattr(mmap, "mmap", Refusing)
    assert type(forks.mark()) is forks._Pid
    assert forks.mark()[0]
