"""`footfall status`: the books, for people and for programs."""

from __future__ import annotations

import json
import os
import time

import msgspec
from clihelp import delivering, footfall, places, record

from footfall.cli.tables import moment
from footfall.ledger import Account, Ledger, Reason
from footfall.outbox.rows import KnownRule
from footfall.places import write_private
from footfall.status import Status

URL = "http://127.0.0.1:9"


def _write(status: Status) -> None:
    write_private(places().status, msgspec.json.encode(status))


def test_json_is_the_status_as_documented() -> None:
    """Programs get the whole `Status`, and the sums, under stable names and as plain numbers."""
    record(URL, 3)
    said = footfall("status", "--json")
    found = json.loads(said.stdout)
    accounts = found["ledger"].pop("accounts")
    assert said.returncode == 0
    assert set(found) == {
        "time_ns",
        "pid",
        "ledger",
        "observed",
        "offsets",
        "answering",
        "trouble",
        "rules",
        "file_bytes",
    }
    assert found["ledger"] == {"unread": 0, "corrupt": 0, "balanced": True, "pending": 6}
    assert found["observed"] == {"owner/tool": 3}
    assert [account.pop("destination").split(":")[0] for account in accounts] == ["migas", "otlp"]
    assert accounts == [{"accepted": 3, "delivered": 0, "pending": 3, "dropped": {}, "duplicates": 0}] * 2


def test_text_has_a_line_for_each_destination_and_project() -> None:
    """People get a table; pending records are no failure."""
    record(URL, 2)
    said = footfall("status")
    rows = [line.split() for line in said.stdout.splitlines()]
    assert said.returncode == 0
    assert [row[1:] for row in rows if row and row[0].startswith(("migas:", "otlp:"))] == [
        ["2", "0", "2", "0", "yes"]
    ] * 2
    assert ["owner/tool", "2"] in rows
    assert ["pending", "4", "records"] in rows
    assert "who delivers  nobody right now" in said.stdout


def test_another_process_that_delivers_is_named_and_its_figures_are_shown() -> None:
    """While somebody else holds the outbox, its status file speaks, and unread journal lines are counted."""
    with delivering() as delivery:
        delivery.write_status()
        record(URL, 2)
        said = footfall("status")
        found = json.loads(footfall("status", "--json").stdout)
    assert f"who delivers  process {os.getpid()}" in said.stdout
    assert found["ledger"]["unread"] == found["ledger"]["pending"] == 2
    assert said.returncode == 0


def test_drop_rules_are_listed_and_harmless() -> None:
    """Who said it, what it wants dropped, until when, and what that has cost; nothing of it moves the cursor."""
    until_ns = time.time_ns() + 3600 * 10**9
    rule = KnownRule(destination="ramen:there:1", labels={"kind": "a\x1b[2Jb", "a": "c"}, until_ns=until_ns, dropped=41)
    over = KnownRule(destination="ramen:there:1", labels={"kind": "over"}, until_ns=1, dropped=2)
    with delivering():
        _write(Status(time_ns=1, pid=os.getpid(), ledger=Ledger(), rules=(rule, over)))
        said, counted = footfall("status"), footfall("status", "--json")
    (line,) = [line for line in said.stdout.splitlines() if "ramen:there:1" in line]
    assert line.split() == ["a=c,", "kind=a\\u001b[2Jb", "ramen:there:1", *moment(until_ns).split(), "41"]
    assert "over" not in said.stdout
    assert "\x1b" not in said.stdout + counted.stdout
    assert json.loads(counted.stdout)["rules"][0] == {
        "destination": "ramen:there:1",
        "labels": {"kind": "a\x1b[2Jb", "a": "c"},
        "until_ns": until_ns,
        "dropped": 41,
    }


def test_books_that_do_not_balance_are_status_1() -> None:
    """An event that nobody can explain is a failure, and the table says where."""
    good = Account(destination="otlp:there:1", accepted=2, delivered=2)
    bad = Account(destination="migas:here:1", accepted=5, delivered=1, dropped={Reason.EXPIRED: 2, Reason.REFUSED: 1})
    with delivering():
        _write(Status(time_ns=1, pid=os.getpid(), ledger=Ledger(accounts=(good, bad)), trouble={"record: OSError": 4}))
        said, counted = footfall("status"), footfall("status", "--json")
    rows = [line.split() for line in said.stdout.splitlines()]
    assert (said.returncode, counted.returncode) == (1, 1)
    assert ["migas:here:1", "5", "1", "0", "3", "NO", "expired", "2,", "refused", "1"] in rows
    assert ["otlp:there:1", "2", "2", "0", "0", "yes"] in rows
    assert ["record:", "OSError", "4"] in rows


def test_text_of_strangers_cannot_steer_the_terminal() -> None:
    """Names in the books are escaped: no colours, no line of their own (reliability.md S19)."""
    evil = "a\x1b[31m/b\nfootfall is   off"
    with delivering():
        _write(Status(time_ns=1, pid=1, ledger=Ledger(accounts=(Account(destination=evil),)), observed={evil: 1}))
        said = footfall("status")
    assert "\x1b" not in said.stdout
    assert "\nfootfall is   off" not in said.stdout
    assert r"a\u001b[31m/b\nfootfall is   off" in said.stdout


def test_while_footfall_is_off_files_are_only_read() -> None:
    """After a no, `status` still tells what is there, and changes none of it."""
    record(URL, 2)
    before = {path: path.stat().st_mtime_ns for path in places().state.rglob("*")}
    said = footfall("status", DO_NOT_TRACK="1")
    assert "off: DO_NOT_TRACK=1" in said.stdout
    assert "not read yet  2 records in journals" in said.stdout
    assert {path: path.stat().st_mtime_ns for path in places().state.rglob("*")} == before
