"""The notice: said on a terminal before anything is sent, once; elsewhere one log record; in CI nothing."""

from __future__ import annotations

import io
import json
import logging
import subprocess
import sys
from pathlib import Path

import msgspec
import pytest

from footfall.consent.notice import Announced, give, text
from footfall.testing.sink.client import Sink
from footfall.wire.destinations import Migas, Otlp
from tests.process.harness import GUARD_SECONDS, Observation
from tests.terminal import run_python

ONE = Announced("owner/tool", (Migas("https://usage.example.org"), Otlp("https://usage.example.org/otlp")))
OTHER = Announced("other/lib", (Migas("https://else.example.org"),))
AGAIN = Announced("owner/tool", (Migas("https://new.example.org"),))


class Terminal(io.StringIO):
    """A person's."""

    def isatty(self) -> bool:
        return True


def said(*announced: Announced, to: list[Path], stream: io.StringIO | None = None) -> str:
    stream = Terminal() if stream is None else stream
    give(announced, to, terminal=lambda: stream)
    return stream.getvalue()


def test_it_names_what_whom_to_and_how_to_stop() -> None:
    """All three in four lines, with the word that stops this project and the one that stops all."""
    found = text([ONE])
    assert "owner/tool to usage.example.org." in found
    assert "footfall show" in found
    assert "footfall off owner/tool, footfall off, or FOOTFALL=off" in found
    assert len(found.splitlines()) <= 4
    assert max(map(len, found.splitlines())) <= 120
    many = text([Announced(f"a/p{number}", ONE.send_to) for number in range(5)])
    assert "a/p2 to usage.example.org; and 2 more projects" in many


def test_a_login_name_that_goes_along_is_named(tmp_path: Path) -> None:
    """Also by a project that was announced before and did not send it then."""
    assert "login" not in said(ONE, to=[tmp_path])
    named = msgspec.structs.replace(ONE, login_name=True)
    told = said(named, to=[tmp_path])
    assert "Your login name goes along for owner/tool." in told
    assert len(text([named]).splitlines()) <= 4
    assert max(map(len, text([named]).splitlines())) <= 120
    assert said(named, to=[tmp_path]) == said(ONE, to=[tmp_path]) == ""


def test_it_is_said_once_for_each_project_and_server(tmp_path: Path) -> None:
    """A second process is silent; a project that begins to tell another server says so."""
    assert "owner/tool" in said(ONE, to=[tmp_path])
    assert said(ONE, to=[tmp_path]) == ""
    both = said(ONE, OTHER, to=[tmp_path])
    assert "other/lib" in both
    assert "owner/tool" not in both
    assert "new.example.org" in said(AGAIN, to=[tmp_path])
    assert said(ONE, OTHER, AGAIN, to=[tmp_path]) == ""
    assert json.loads((tmp_path / "notices.json").read_text())["shown"] == {
        "other/lib": ["else.example.org"],
        "owner/tool": ["new.example.org", "usage.example.org"],
    }
    assert (tmp_path / "notices.json").stat().st_mode & 0o777 == 0o600


def test_without_a_terminal_it_is_a_log_record_and_counts_as_not_shown(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    """Batch jobs say it in their log each time; the first process on a terminal still prints it."""
    with caplog.at_level(logging.INFO, logger="footfall"):
        assert said(ONE, to=[tmp_path], stream=io.StringIO()) == ""
        give([ONE], [tmp_path], terminal=lambda: None)
    assert [record.levelname for record in caplog.records] == ["INFO", "INFO"]
    assert caplog.records[0].getMessage() == text([ONE])
    assert list(tmp_path.iterdir()) == []
    assert "owner/tool" in said(ONE, to=[tmp_path])


def test_what_stands_in_for_stderr_does_no_harm(tmp_path: Path) -> None:
    """A stream that raises, or is closed: nothing comes out, nothing is remembered."""

    class Broken(Terminal):
        def isatty(self) -> bool:
            raise RuntimeError

    closed = Terminal()
    closed.close()
    give([ONE], [tmp_path], terminal=Broken)
    give([ONE], [tmp_path], terminal=lambda: closed)
    assert list(tmp_path.iterdir()) == []


def test_where_it_cannot_be_remembered_the_next_place_will_do(tmp_path: Path) -> None:
    """A home that nobody can write to: the state directory remembers; without any it is said again."""
    (tmp_path / "file").write_text("")
    unwritable = tmp_path / "file" / "config"
    assert said(ONE, to=[unwritable, tmp_path]) != ""
    assert said(ONE, to=[unwritable, tmp_path]) == ""
    assert said(ONE, to=[unwritable]) != ""
    assert said(ONE, to=[unwritable]) != ""


PROGRAM = """
import footfall, logging, sys
logging.basicConfig(level=logging.INFO, stream=sys.stdout, format="%(levelname)s %(name)s %(message)s")
footfall.instrument("tests/observed", version="1", consent={consent!r},
                    registry={{"registry": {{"calls": ["tests.process.observed:work"]}}}},
                    send_to=[footfall.Migas({url!r})])
from tests.process import observed
observed.work(1)
footfall.drain(20)
"""


def on_a_terminal(
    observation: Observation, *, consent: str = "opt-out", program: str = PROGRAM, **extra: str
) -> tuple[str, str]:
    """Run a program whose stderr is a terminal; return what it said there, and on stdout."""
    arguments = ["-c", program.format(url=observation.sink.url, consent=consent)]
    status, out, error = run_python(arguments, observation.environment(**extra), timeout_seconds=GUARD_SECONDS)
    assert status == 0, error
    return error, out


def test_the_first_process_on_a_terminal_says_it_before_it_sends(tmp_path: Path) -> None:
    """Also where a site has set FOOTFALL=on for all; the second process is silent."""
    with Sink(tmp_path / "sink") as sink:
        observation = Observation(tmp_path, sink)
        error, out = on_a_terminal(observation, FOOTFALL="on")
        assert error.startswith("footfall: use is reported: tests/observed to 127.0.0.1:")
        assert out == ""
        assert len(observation.crumbs()) == 1
        assert on_a_terminal(observation, FOOTFALL="") == ("", "")
        assert len(observation.crumbs()) == 2


@pytest.mark.parametrize(
    ("extra", "consent", "sent"),
    [
        ({"FOOTFALL": "", "CI": "true"}, "opt-out", 1),
        ({"FOOTFALL": "local"}, "opt-out", 0),
        ({"FOOTFALL": "off"}, "opt-out", 0),
        ({"FOOTFALL": ""}, "opt-in", 0),
    ],
)
def test_there_is_none_where_nobody_reads_it_or_nothing_is_sent(
    tmp_path: Path, extra: dict[str, str], consent: str, sent: int
) -> None:
    """In CI, with local, with off, and where the project asks first and nobody said yes."""
    with Sink(tmp_path / "sink") as sink:
        observation = Observation(tmp_path, sink)
        assert on_a_terminal(observation, consent=consent, **extra) == ("", "")
        assert len(observation.crumbs()) == sent


def test_a_process_without_a_terminal_logs_it_and_sends(tmp_path: Path) -> None:
    """One record, level INFO; on stderr nothing."""
    with Sink(tmp_path / "sink") as sink:
        observation = Observation(tmp_path, sink)
        done = subprocess.run(
            [sys.executable, "-c", PROGRAM.format(url=sink.url, consent="opt-out")],
            env=observation.environment(FOOTFALL=""),
            capture_output=True,
            text=True,
            timeout=GUARD_SECONDS,
            check=True,
        )
        assert done.stderr == ""
        assert done.stdout.count("INFO footfall footfall: use is reported: tests/observed") == 1
        assert len(observation.crumbs()) == 1


ACCESS = """
from footfall.facade.access.api import ApiHandler
handler = ApiHandler()
handler.server_url = {url!r} + "/api"
handler.send_api_request("intake_catalog", "esm_datastore.search", [], {{}})
import footfall
footfall.drain(20)
"""


@pytest.mark.parametrize("user_name", ["registry", "facade"])
def test_who_is_named_reads_so_before_anything_is_sent(tmp_path: Path, user_name: str) -> None:
    """Whether the project's registry asks for the name, or the interface of a client that always sends it."""
    program = PROGRAM.replace("consent=", "user_name=True, consent=") if user_name == "registry" else ACCESS
    with Sink(tmp_path / "sink") as sink:
        told, _ = on_a_terminal(Observation(tmp_path, sink), program=program, FOOTFALL="on")
    project = "tests/observed" if user_name == "registry" else "intake/catalog"
    assert f"Your login name goes along for {project}." in told
