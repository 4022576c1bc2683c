"""What a real shell of IPython shows, and what it calls to show it."""

from __future__ import annotations

import atexit
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from IPython.core.interactiveshell import InteractiveShell
from traitlets.config import Config

import footfall
from footfall.instrumentation.shown import Shown
from footfall.testing.captured import Captured

CELL = """
class Catalogue:
    @footfall.register("calls", project="owner/name", outermost=True)
    def count(self):
        return 3
    def _repr_html_(self):
        return f"{self.count()} entries"
    @footfall.register("calls", project="owner/name", outermost=True)
    def fail(self):
        raise ValueError(self.count())
footfall.instrument("owner/name", version="1")
catalogue = Catalogue()
"""


@pytest.fixture
def shell(tmp_path: Path) -> Iterator[Any]:
    config = Config()
    config.HistoryManager.enabled = False
    config.InteractiveShell.colors = "nocolor"
    ip = InteractiveShell(config=config, ipython_dir=str(tmp_path))
    ip.user_ns["footfall"] = footfall
    yield ip
    atexit.unregister(ip.atexit_operations)
    ip.atexit_operations()


def test_what_shows_an_object_is_no_use(shell: Any, footfall_capture: Captured) -> None:
    """The cell that names it makes none, and the one that calls makes one; undone, each counts."""
    shown = Shown(shell)
    shell.run_cell(CELL).raise_error()
    catalogue = shell.user_ns["catalogue"]
    assert shell.display_formatter.format(catalogue)[0]["text/html"] == "3 entries"
    assert footfall_capture.usages == []
    assert catalogue.count() == 3
    assert len(footfall_capture.usages) == 1
    shown.undo()
    assert not {"format"} & vars(shell.display_formatter).keys()
    shell.display_formatter.format(catalogue)
    assert len(footfall_capture.usages) == 2


def test_a_traceback_is_as_without(shell: Any, footfall_capture: Captured, capsys: pytest.CaptureFixture[str]) -> None:
    """No frame of a wrapper; the exception is the user's own, and the debugger finds the same frames."""
    shell.run_cell(CELL).raise_error()
    shown = Shown(shell)
    result = shell.run_cell("catalogue.fail()")
    text = capsys.readouterr().out
    assert type(result.error_in_exec) is ValueError
    assert re.findall(r"^-+> \d+ (.*)$", text, re.MULTILINE) == [
        "catalogue.fail()",
        "    raise ValueError(self.count())",
    ]
    assert "wrapper.py" not in text
    shown.undo()
    assert "showtraceback" not in vars(shell)
    shell.run_cell("catalogue.fail()")
    assert "wrapper.py" in capsys.readouterr().out


def test_what_another_has_replaced_since_stays(shell: Any) -> None:
    """Nor does anything go wrong with a shell that lacks what is replaced."""
    shown = Shown(shell)
    shell.showtraceback = theirs = print
    shown.undo()
    assert shell.showtraceback is theirs
    Shown(object()).undo()
