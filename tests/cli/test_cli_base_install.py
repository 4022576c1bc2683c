"""Every command with the base install alone: nobody installed rich, and a terminal is attached."""

from __future__ import annotations

import os
import shlex
import subprocess
import sys
import threading
from collections.abc import Sequence
from pathlib import Path

import pytest
from clihelp import SECONDS, environ, registered

from footfall.cli.main import COMMANDS, command_parser


@pytest.fixture
def without_rich(tmp_path: Path) -> dict[str, str]:
    """Variables under which ``import rich`` fails, and one function is registered."""
    variables = registered(tmp_path, "project: owner/library\nregistry: [json:dumps]")
    (tmp_path / "path" / "rich").mkdir()
    (tmp_path / "path" / "rich" / "__init__.py").write_text("raise ImportError('not installed')")
    return {**variables, "TERM": "xterm"}


def _on_a_terminal(arguments: Sequence[str], variables: dict[str, str]) -> tuple[int, str, str]:
    """Return status, stdout, and what a terminal on stderr was sent."""
    main, side = os.openpty()
    seen = bytearray()

    def read() -> None:
        try:
            while data := os.read(main, 4096):
                seen.extend(data)
        except OSError:  # the other side is closed
            return

    reader = threading.Thread(target=read, daemon=True)
    reader.start()
    try:
        said = subprocess.run(
            [sys.executable, "-m", "footfall", *arguments],
            env=environ(variables),
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=side,
            text=True,
            timeout=SECONDS,
            check=False,
        )
    finally:
        os.close(side)
        reader.join(SECONDS)
        os.close(main)
    return said.returncode, said.stdout, seen.decode()


@pytest.mark.parametrize("command", [name for name in COMMANDS if name != "demo"])
def test_every_command_runs_without_rich(command: str, without_rich: dict[str, str]) -> None:
    """The first example of each does its work, and nothing is missed."""
    epilog = command_parser(command).epilog or ""
    example = next(line.strip() for line in epilog.splitlines() if line.strip().startswith("$ "))
    status, output, errors = _on_a_terminal(shlex.split(example)[2:], without_rich)
    assert status == 0, errors
    assert output.strip()
    assert "Traceback" not in errors


def test_imports_of_the_doctor_show_progress_on_a_terminal(without_rich: dict[str, str], tmp_path: Path) -> None:
    """One line that is written over and gone in the end; with rich a bar; and nothing on no terminal (other tests)."""
    _, _, errors = _on_a_terminal(["doctor"], without_rich)
    assert "importing: 0 done, 1 left" in errors
    assert errors.endswith("\r\x1b[K")
    (tmp_path / "path" / "rich" / "__init__.py").unlink()
    (tmp_path / "path" / "rich").rmdir()
    _, _, errors = _on_a_terminal(["doctor"], without_rich)
    assert "importing" in errors
    assert "left" not in errors
