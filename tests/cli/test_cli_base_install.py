"""Every command with the base install alone: nobody installed rich, and a terminal is attached."""

from __future__ import annotations

import shlex
from pathlib import Path

import pytest
from clihelp import on_a_terminal, registered

from footfall.cli.main import COMMANDS, command_parser


@pytest.fixture
def without_rich(tmp_path: Path) -> dict[str, str]:
    """Variables under which ``import rich`` fails, and one function is registered."""
    variables = registered(tmp_path, "project: owner/library\nregistry: [json:dumps]")
    (tmp_path / "path" / "rich").mkdir()
    (tmp_path / "path" / "rich" / "__init__.py").write_text("raise ImportError('not installed')")
    return {**variables, "TERM": "xterm"}


@pytest.mark.parametrize("command", [name for name in COMMANDS if name != "demo"])
def test_every_command_runs_without_rich(command: str, without_rich: dict[str, str]) -> None:
    """The first example of each does its work, and nothing is missed."""
    epilog = command_parser(command).epilog or ""
    example = next(line.strip() for line in epilog.splitlines() if line.strip().startswith("$ "))
    status, output, errors = on_a_terminal(shlex.split(example)[2:], without_rich)
    assert status == 0, errors
    assert output.strip()
    assert "Traceback" not in errors


def test_imports_of_the_doctor_show_progresson_a_terminal(without_rich: dict[str, str], tmp_path: Path) -> None:
    """One line that is written over and gone in the end; with rich a bar; and nothing on no terminal (other tests)."""
    _, _, errors = on_a_terminal(["doctor"], without_rich)
    assert "importing: 0 done, 1 left" in errors
    assert errors.endswith("\r\x1b[K")
    (tmp_path / "path" / "rich" / "__init__.py").unlink()
    (tmp_path / "path" / "rich").rmdir()
    _, _, errors = on_a_terminal(["doctor"], without_rich)
    assert "importing" in errors
    assert "left" not in errors
