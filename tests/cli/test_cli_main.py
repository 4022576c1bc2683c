"""The command line as a whole: what it offers, how it refuses, what it costs to ask."""

from __future__ import annotations

import os
import shlex
import subprocess
import sys

import pytest
from clihelp import SECONDS, environ, files, footfall

from footfall.cli.main import COMMANDS, main
from footfall.version import VERSION


def _examples(text: str) -> list[list[str]]:
    return [shlex.split(line.strip()[2:])[1:] for line in text.splitlines() if line.strip().startswith("$ footfall")]


def test_help_lists_every_command_with_its_summary() -> None:
    """`footfall --help` is the table of contents."""
    said = footfall("--help")
    text = " ".join(said.stdout.split())
    assert said.returncode == 0
    assert all(f"{name} {listed.summary}" in text for name, listed in COMMANDS.items())


@pytest.mark.parametrize("command", COMMANDS)
def test_help_of_a_command_says_what_it_does_and_shows_examples(command: str) -> None:
    """Each command explains itself, with something to paste."""
    said = footfall(command, "--help")
    assert (said.returncode, said.stderr) == (0, "")
    assert f"usage: footfall {command}" in said.stdout
    assert [example[0] for example in _examples(said.stdout)] == [command] * len(_examples(said.stdout))
    assert _examples(said.stdout)


@pytest.mark.parametrize("command", [name for name in COMMANDS if name != "demo"])
def test_examples_of_the_help_run(command: str) -> None:
    """What the help shows works where nothing was ever recorded."""
    for example in _examples(footfall(command, "--help").stdout):
        said = footfall(*example)
        assert (said.returncode, said.stderr) == (0, ""), example
        assert said.stdout.strip()


def test_version_is_printed() -> None:
    """`footfall --version` names program and version."""
    assert footfall("--version").stdout == f"footfall {VERSION}\n"


@pytest.mark.parametrize(
    ("arguments", "variables", "says"),
    [
        ([], {}, "usage: footfall"),
        (["stauts"], {}, "stauts"),
        (["show", "--limit", "0"], {}, "whole number above zero"),
        (["show", "--limit", "²"], {}, "whole number above zero"),
        (["send", "--deadline", "nan"], {}, "seconds above zero"),
        (["send", "--deadline", "-1"], {}, "seconds above zero"),
        (["status"], {"FOOTFALL_RATE": "many"}, "FOOTFALL_RATE='many': must be a number"),
        (["demo", "--keep", "/proc/no/such"], {}, "--keep /proc/no/such"),
    ],
)
def test_wrong_use_is_status_2_and_says_why(arguments: list[str], variables: dict[str, str], says: str) -> None:
    """What was typed or set wrongly is named on stderr; nothing is printed as a result."""
    said = footfall(*arguments, **variables)
    assert said.returncode == 2
    assert says in said.stderr
    assert "Traceback" not in said.stderr
    assert said.stdout == ""


def test_no_directory_at_all_is_status_1_and_says_what_to_set(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """Where no files can be kept, the command fails in words."""
    monkeypatch.setattr("footfall.cli.common.find", lambda *_, **__: None)
    assert main(["status"]) == 1
    assert "set FOOTFALL_DIR" in capsys.readouterr().err


def test_asking_for_help_loads_nothing() -> None:
    """Neither commands nor SQLite, HTTP, rich or the SDK are loaded to print the help."""
    code = (
        "import sys\n"
        "from footfall.cli.main import parser\n"
        "parser().format_help()\n"
        "print([n for n in sys.modules if n.startswith(('footfall.cli.', 'sqlite3', 'http', 'rich', 'opentelemetry'))])"
    )
    said = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=SECONDS, check=True)
    assert said.stdout.strip() == "['footfall.cli.main']"


@pytest.mark.parametrize("variables", [{"DO_NOT_TRACK": "1"}, {"FOOTFALL": "off"}, {"OTEL_SDK_DISABLED": "true"}])
def test_looking_makes_no_file_while_footfall_is_off(variables: dict[str, str]) -> None:
    """Who said no can still look, and finds that nothing is there, afterwards too."""
    before = files()
    for arguments in (["status"], ["status", "--json"], ["show"], ["send"]):
        said = footfall(*arguments, **variables)
        assert (said.returncode, said.stderr) == (0, "")
        if "--json" not in arguments:
            assert next(iter(variables)) in said.stdout
    assert files() == before


def test_a_reader_that_went_away_is_no_traceback() -> None:
    """`footfall status | head -0` ends quietly."""
    reader, writer = os.pipe()
    os.close(reader)
    with os.fdopen(writer, "w") as closed:
        said = subprocess.run(
            [sys.executable, "-m", "footfall", "status"],
            env=environ({}),
            stdout=closed,
            stderr=subprocess.PIPE,
            text=True,
            timeout=SECONDS,
            check=False,
        )
    assert (said.returncode, said.stderr) == (1, "")
