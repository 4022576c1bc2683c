"""`footfall off`, `footfall on` and `footfall reset-id`: one word that is obeyed, and says what it did."""

from __future__ import annotations

import json
import os
import shutil
from pathlib import Path

import msgspec
import pytest
from clihelp import delivering, files, footfall, places, record, registered

from footfall.cli import off
from footfall.cli.main import main
from footfall.consent import choice
from footfall.ledger import Account, Ledger, Reason
from footfall.places import config_directory
from footfall.resource import kernels
from footfall.resource.installation import installation_id
from footfall.testing.sink import Sink

URL = "http://127.0.0.1:9"


def _directory() -> Path:
    found = config_directory(os.environ)
    assert found is not None
    return found


def test_off_is_recorded_and_makes_nothing_else() -> None:
    """The no is one file; no id, no state directory, and saying it again changes nothing a user would see."""
    before = set(files())
    first, second = footfall("off"), footfall("off")
    assert (first.returncode, first.stderr) == (second.returncode, second.stderr) == (0, "")
    assert first.stdout == second.stdout
    assert str(_directory() / "choice.json") in first.stdout
    assert "nothing waited to be sent" in first.stdout
    made = set(files()) - before
    assert {path.name for path in made if path.is_file()} == {"choice.json"}
    assert choice.read(_directory()).says("") == "off"


def test_off_deletes_what_was_not_sent_and_a_later_yes_does_not_bring_it_back(footfall_sink: Sink) -> None:
    """Each destination's loss is named; the server never gets any of it, and the books balance."""
    record(footfall_sink.url, 3)
    said = footfall("off")
    rows = [line.split() for line in said.stdout.splitlines()]
    deleted = {row[0].partition(":")[0]: row[1] for row in rows if row and row[0].startswith(("migas:", "otlp:"))}
    assert said.returncode == 0, said.stderr
    assert deleted == {"migas": "3", "otlp": "3"}
    assert footfall("on").returncode == 0
    assert footfall("send").returncode == 0
    assert footfall_sink.records() == []
    books = json.loads(footfall("status", "--json").stdout)["ledger"]
    assert [account["dropped"] for account in books["accounts"]] == [{"opted_out": 3}] * 2
    assert books["balanced"]


def test_journals_are_deleted_where_the_outbox_was_removed_by_hand() -> None:
    """Who tidied up halfway is not refused."""
    record(URL)
    shutil.rmtree(places().outbox)
    said = footfall("off")
    assert (said.returncode, said.stderr) == (0, "")
    assert "deleted before it was sent" in said.stdout
    assert list(places().journal.iterdir()) == []


def test_off_for_one_project_leaves_the_others(footfall_sink: Sink) -> None:
    """Only what the named project recorded is deleted; what others still have to send is told, and sent."""
    record(footfall_sink.url, 2)
    record(footfall_sink.url, 1, project="owner/other")
    said = footfall("off", "Owner/Tool")
    assert said.returncode == 0
    assert "2 records of other projects still wait to be sent" in said.stdout
    assert footfall("send").returncode == 0
    assert len(footfall_sink.records()) == 2


def test_a_process_that_delivers_is_named() -> None:
    """Where another process holds the outbox it does the deleting, and the user is told."""
    with delivering() as delivery:
        delivery.write_status()
        record(URL)
        said = footfall("off")
    assert said.returncode == 0
    assert f"process {os.getpid()} delivers right now" in said.stdout


def test_a_no_is_recorded_even_where_other_settings_are_wrong() -> None:
    """A mistyped variable must not stand in the way of a no."""
    said = footfall("off", FOOTFALL_RATE="many")
    assert said.returncode == 0
    assert choice.read(_directory()).says("") == "off"


def test_a_no_that_cannot_be_recorded_is_status_1_and_names_the_other_way(tmp_path: Path) -> None:
    """The file and what to set instead are named; nothing was deleted on the strength of it."""
    in_the_way = tmp_path / "file"
    in_the_way.touch()
    record(URL)
    said = footfall("off", XDG_CONFIG_HOME=str(in_the_way))
    assert said.returncode == 1
    assert said.stdout == ""
    for part in (str(in_the_way / "footfall" / "choice.json"), "FOOTFALL=off", "DO_NOT_TRACK=1"):
        assert part in said.stderr
    assert json.loads(footfall("status", "--json").stdout)["ledger"]["pending"] == 2


def test_without_a_home_the_other_way_is_named(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """A user id without a home, as in some containers, has nowhere to record it."""
    monkeypatch.setattr("footfall.cli.choices.config_directory", lambda *_: None)
    assert main(["off"]) == 1
    assert "set FOOTFALL=off or DO_NOT_TRACK=1 in the environment" in capsys.readouterr().err


def test_what_is_recorded_already_need_not_be_written_again(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """On a home that has become read-only the old no is enough, and a new one fails."""
    choice.turn_off(_directory())

    def read_only(*_: object, **__: object) -> None:
        raise PermissionError(13, "Permission denied")

    monkeypatch.setattr("footfall.consent.choice._write", read_only)
    assert main(["off"]) == 0
    assert main(["on"]) == 1
    assert "Permission denied" in capsys.readouterr().err


def test_a_name_that_nobody_knows_is_recorded_and_questioned() -> None:
    """A slip of the pen would otherwise be a no that stops nothing."""
    record(URL)
    said = footfall("off", "owner/tol")
    assert said.returncode == 0
    assert "did you mean owner/tool?" in said.stdout
    assert "did you mean" not in footfall("off", "owner/tool").stdout
    assert footfall("off", "tool").returncode == 2


def test_directories_of_other_machines_are_named(tmp_path: Path) -> None:
    """On a shared home the user learns what this machine leaves alone, by harmless names."""
    here = msgspec.structs.replace(places(), state=tmp_path, network=True, host="login-1")
    for name in ("login-1", "node\x1b7-2"):
        (tmp_path / "hosts" / name).mkdir(parents=True)
    lines = list(off.left_behind(here))
    assert [line.strip() for line in lines[1:-1]] == [r"node\u001b7-2"]
    assert str(tmp_path / "hosts") in lines[0]
    assert list(off.left_behind(msgspec.structs.replace(here, state=tmp_path / "no"))) == []


def test_only_what_this_no_deleted_is_counted() -> None:
    """What an earlier no deleted is not reported again."""
    before = Ledger(accounts=(Account(destination="a", accepted=4, dropped={Reason.OPTED_OUT: 4}),))
    after = Ledger(accounts=(Account(destination="a", accepted=6, dropped={Reason.OPTED_OUT: 6}),))
    assert [line.split() for line in off.deleted(before, after)][1:] == [["a", "2"]]
    assert list(off.deleted(after, after)) == ["nothing waited to be sent"]


def test_on_takes_back_a_general_no_and_says_what_it_does_not_lift() -> None:
    """Each no that stays is named: of the environment, and of projects by name."""
    for project in ((), ("owner/tool",)):
        assert footfall("off", *project).returncode == 0
    said = footfall("on", DO_NOT_TRACK="1", MIGAS_OPTOUT="yes")
    assert said.returncode == 0
    assert "not lifted: DO_NOT_TRACK=1 in the environment" in said.stdout
    assert "not lifted: MIGAS_OPTOUT=yes in the environment" in said.stdout
    assert "not lifted: owner/tool is off by name; `footfall on owner/tool` takes it back" in said.stdout
    assert "now: nothing is observed or sent from here" in said.stdout
    assert choice.read(_directory()).says("") == ""
    assert choice.read(_directory()).says("owner/tool") == "off"


def test_on_for_one_project_is_an_exception_to_a_general_no() -> None:
    """The exception is told as one, and as what happens now."""
    footfall("off")
    said = footfall("on", "owner/tool")
    assert said.returncode == 0
    assert "everything else stays off" in said.stdout
    assert "now: owner/tool reports from its next start on" in said.stdout
    assert choice.read(_directory()).says("owner/tool") == "on"


def test_on_names_a_test_runner_and_modes_that_send_nothing() -> None:
    """What happens now is said as it is, not as it was wished."""
    assert "a test runner is at work: pytest" in footfall("on", FOOTFALL="").stdout
    assert "kept on this machine and not sent" in footfall("on", FOOTFALL="local").stdout
    assert "printed, not sent" in footfall("on", FOOTFALL="log").stdout


def test_installed_projects_are_known_by_name(tmp_path: Path) -> None:
    """What a registry names needs no earlier use to be known."""
    variables = registered(tmp_path, "project: owner/library")
    assert "note:" not in footfall("on", "owner/library", **variables).stdout
    assert "did you mean owner/library?" in footfall("on", "owner/librari", **variables).stdout


def test_the_id_is_forgotten_and_the_next_is_another() -> None:
    """Nothing links the new one to the old; without one there is nothing to do, and none is made."""
    before = files()
    assert "there is no installation id" in footfall("reset-id").stdout
    assert files() == before
    first = installation_id(_directory())
    said = footfall("reset-id")
    assert (said.returncode, said.stderr) == (0, "")
    assert "forgotten; the next use makes a new random one" in said.stdout
    assert list(_directory().glob("installation-*")) == []
    assert installation_id(_directory()) not in {"", first}


@pytest.mark.parametrize("command", ["off", "reset-id"])
def test_sessions_of_kernels_are_forgotten_too(command: str) -> None:
    """A kernel that restarts after it is joined to nothing that was before."""
    record("http://127.0.0.1:9", 1)
    state = places().state
    assert kernels.follow(state, "kernel.json", "a" * 8) == ""
    assert kernels.follow(state, "kernel.json", "b" * 8) == "a" * 8
    assert footfall(command).returncode == 0
    assert list((state / kernels.FOLDER).iterdir()) == []
    assert kernels.follow(state, "kernel.json", "c" * 8) == ""


def test_an_id_that_cannot_be_forgotten_is_status_1(tmp_path: Path) -> None:
    """The files to delete by hand are named."""
    (_directory() / "installation-1.json").mkdir(parents=True)
    said = footfall("reset-id")
    assert said.returncode == 1
    assert "delete the files installation-*.json yourself" in said.stderr


def test_a_home_that_is_no_directory_has_no_id() -> None:
    """HOME=/dev/null, as services have it, is no failure."""
    said = footfall("reset-id", HOME="/dev/null", XDG_CONFIG_HOME="")
    assert (said.returncode, said.stderr) == (0, "")
