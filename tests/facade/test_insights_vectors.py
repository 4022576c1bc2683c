"""Every recorded case of the original client, done with the facade: the same packages and times, defects repaired.

`REPAIRED` says where the outcome differs from the recorded one, and why; every other case must come out as recorded.
Tarballs are compared member by member after decoding.
"""

from __future__ import annotations

import json
import time
from datetime import datetime, timedelta, timezone
from pathlib import Path
from typing import Any

import pytest

from footfall.collect import intervals
from tests import vectors
from tests.facade import insightshelp as help_
from tests.facade.ramenhelp import Asked

VECTORS = vectors.by_number("insights")
ENTRIES, LAST = "_save_last_gathered_entries", "_save_last_gather"


def at(day: str) -> str:
    return f"2024-{day}T00:00:00+00:00"


BOTH = {key: at("02-23") for key in ("json_a", "json_b", "manifest")}

REPAIRED: dict[int, tuple[dict[str, Any], str]] = {
    13: ({"log": []}, "a table that nobody wrote to has no rows; that is no failure"),
    15: ({"requests": 6}, "no file exceeds the limit, where the rows allow it (defect 10)"),
    17: ({"requests": 4}, "no row is torn (defect 10)"),
    29: (
        {"requests": 3, "entries": {"manifest": at("02-23"), "table1": at("02-21")}},
        "the failed slice is in the status table (11), and the key does not move past it (2)",
    ),
    31: ({"entries": {"manifest": at("02-23"), "table1": at("02-21")}, "pending": 1}, "nor past a lost one (2)"),
    33: ({}, "nothing is left on disk (15)"),
    41: ({"requests": 0, "entries": {}}, "S3 needs a bucket and a region; nothing is sent without credentials (9)"),
    45: ({"returned": 1, "pending": 1, "saved": 2, "entries": {}}, "no exception, no loss (4)"),
    46: ({"entries": {}}, "the interval is gathered again: its key did not move (1)"),
    47: ({"entries": {}}, "likewise (1)"),
    49: ({"returned": 2, "saved": 2, "requests": 2, "entries": BOTH}, "custom headers are not changed (6)"),
    51: (
        {"entries": {}, "pending": 1},
        "200 without the answer that goes with it is no yes: the tarball stays",
    ),
    53: ({"entries": {}, "pending": 1}, "204 neither"),
    54: ({"pending": 1}, "a refused tarball stays (1)"),
    55: ({"pending": 1}, "likewise (1)"),
    57: ({"begins": at("02-18")}, "too large: gathered again in smaller ones (1, 8)"),
    58: ({"pending": 1}, "it stays, for a content type is a setting (1, 12)"),
    59: ({"pending": 1}, "sent again later (1)"),
    61: ({"pending": 1}, "likewise (1)"),
    62: ({"requests": 1, "entries": {}, "pending": 1}, "redirects are not followed (7)"),
    63: ({"requests": 1, "entries": {}, "pending": 1}, "redirects are not followed (7)"),
    65: ({"returned": 1, "saved": 2, "entries": {}, "pending": 1}, "no exception, no loss (4)"),
    66: ({"returned": 1, "saved": 2, "entries": {}, "pending": 1}, "no exception, no loss (4)"),
    75: (
        {"entries": {"json1": at("02-29"), "json1_full": "2024-02-24T12:00:00+00:00", "manifest": at("03-01")}},
        "a full synchronisation with a hole is not done (3)",
    ),
}
"""Vector to what differs from the recorded outcome, and why; numbers are those of insights.md section 12."""

OTHERWISE = {
    77: "test_the_advisory_lock",
    78: "test_the_advisory_lock",
    79: "test_the_folder_of_the_user_stays",
    81: "test_names_of_tarballs_are_free_ones",
    82: "test_a_second_run_that_was_asked_for",
    83: "test_a_failed_upload_and_the_next_run",
    84: "test_interval_arithmetic",
    85: "test_a_time_needs_a_zone",
    86: "test_answers_of_the_server",
}
"""Vectors that have a test of their own below."""

RUNS = sorted(set(VECTORS) - set(OTHERWISE))


@pytest.fixture(autouse=True)
def on(footfall_on: None) -> None:
    """Packages are sent."""


def exchanges_of(vector: dict[str, Any]) -> list[dict[str, Any]]:
    return vector.get("exchanges") or ([vector] if "request" in vector else [])


def call_of(number: int) -> dict[str, Any]:
    """The call, with what the vectors tell in their names only."""
    call = dict(VECTORS[number]["call"])
    call["valid_license"] = number not in {69, 70}
    call["shipping_configured"] = number != 71
    call["package"] = dict(call["package"])
    if number == 47:
        call["package"]["get_ingress_url"] = ""
    if number == 45:
        call["package"]["get_ingress_url"] = "https://127.0.0.1:9/api/ingress/v1/upload"
    if number == 43:
        call["package"].pop("_get_client_certificates")
    return call


def same_upload(asked: Asked, request: dict[str, Any], *, repaired: bool) -> None:
    """Assert that *asked* is what the original sent."""
    assert (asked.method, asked.path) == ("POST", request["path"])
    for name in ("Authorization", "User-Agent", "X-Extra", "x-rh-identity"):
        value = request["headers"].get(name)
        if value is None:
            assert name.lower() not in asked.headers or name == "User-Agent"
        elif "<VERSION>" not in value:
            assert asked.headers[name.lower()] == value
    (part,) = request["body_decoded"]["parts"]
    name, content_type, tarball = help_.part_of(asked)
    assert content_type == part["content_type"]
    assert name == part["file_name"]
    if repaired:
        return
    assert help_.tarball_name(tarball) == part["tarball"]["gzip_header_file_name"]
    same_members(help_.members(tarball), part["tarball"]["members"])


def same_members(found: list[dict[str, Any]], recorded: list[dict[str, Any]]) -> None:
    assert [each["name"] for each in found] == [each["name"] for each in recorded]
    for ours, theirs in zip(found, recorded, strict=True):
        assert (ours["mode"], ours["uid"], ours["uname"]) == (theirs["mode"], theirs["uid"], theirs["uname"])
        assert ours["pax_headers"] == theirs["pax_headers"]
        if theirs["mtime"] != "<TIMESTAMP>":
            assert ours["mtime"] == theirs["mtime"]
        if "content_text" in theirs:
            assert ours["text"] == theirs["content_text"]
        if "content_decoded" in theirs:
            assert ours["decoded"] == theirs["content_decoded"]


@pytest.mark.parametrize("number", RUNS, ids=[VECTORS[number]["file"] for number in RUNS])
def test_as_recorded(number: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The same tarballs, headers, returned names, packages and stored times, or the repaired ones."""
    vector, outcome = VECTORS[number], VECTORS[number]["client_outcome"]
    differs = REPAIRED.get(number, ({}, ""))[0]
    exchanges = exchanges_of(vector)
    scratch = tmp_path / "scratch"
    scratch.mkdir()
    monkeypatch.setattr("tempfile.tempdir", str(scratch))
    # Else chance may have it that a second attempt is due before the run is over; the first ones are compared here.
    monkeypatch.setattr("footfall.courier.backoff.FIRST_SECONDS", 3600.0)
    call = call_of(number)
    with help_.Ingress(exchanges) as server:
        if number == 66:  # it answers in time for nobody
            server.otherwise, server.exchanges = {"connection": "closed"}, {}
        collector = help_.program(call, server.url)
        returned = collector.gather(**help_.gather_arguments(call))
        uploads = server.uploads()
    # What was sent.
    assert len(uploads) == differs.get("requests", len(exchanges))
    for asked, exchange in zip(uploads, exchanges, strict=False):
        same_upload(asked, exchange["request"], repaired="requests" in differs and number in {15, 17, 29})
    assert len({asked.headers["x-rh-insights-request-id"] for asked in uploads}) == len(uploads)
    # What was returned.
    if returned is None or "returned" not in outcome:
        assert outcome.get("returned", []) is None or len(returned or []) == differs["returned"]
    elif "requests" not in differs or number in {41, 62, 63}:
        assert [Path(path).name for path in returned] == outcome["returned"]
    assert all(Path(path).exists() == (number == 67) for path in returned or [])
    # What was stored.
    entries = dict(outcome["saved"]).get(ENTRIES) if outcome["saved"] else {}
    wanted = differs.get("entries", entries)
    if len(outcome["saved"]) or differs.get("saved"):
        assert [name for name, _ in collector.saved] == [ENTRIES, LAST]
        assert collector.saved[0][1] == (wanted if wanted is not None else {})
        assert outcome.get("gather_until", collector.saved[1][1]) in {None, collector.saved[1][1]}
    else:
        assert collector.saved == []
    # What it was that was packed.
    packages = outcome.get("packages")
    if packages is not None and "requests" not in differs:
        found = {
            group: [
                {
                    "tarball": Path(each.tar_path).name if each.tar_path else None,
                    "keys": each.collection_keys,
                    "total_data_size": each.total_data_size,
                    "processed": each.processed,
                    "shipping_successful": each.shipping_successful,
                }
                for each in made
            ]
            for group, made in collector.packages.items()
        }
        if number in REPAIRED:
            for made in (*found.values(), *packages.values()):
                for each in made:
                    del each["shipping_successful"], each["processed"]
        assert found == packages
    # What is left.
    left = sorted(path.name for path in scratch.rglob("*.tar.gz"))
    assert left == (outcome["returned"] if number == 67 else [])
    assert number == 67 or list(scratch.iterdir()) == []
    assert len(collector._kept.progress.ids()) == differs.get("pending", 0)
    if "begins" in differs:
        (begin,) = collector._kept.progress.begins.values()
        assert begin.isoformat() == differs["begins"]
    if number not in REPAIRED:
        assert [list(each) for each in collector.log if each[0] != "INFO"] == outcome.get("log", [])
    if number == 67:
        (recorded,) = outcome["tarballs"].values()
        same_members(help_.members(Path(returned[0]).read_bytes()), recorded["members"])


def test_every_vector_is_handled() -> None:
    """A new one fails here until somebody says what becomes of it."""
    assert set(RUNS) | set(OTHERWISE) == set(VECTORS)
    assert all(name in globals() for name in OTHERWISE.values())
    assert set(REPAIRED) <= set(RUNS)


@pytest.mark.parametrize("number", [15, 17, 29])
def test_what_the_repaired_tables_hold(number: int, tmp_path: Path) -> None:
    """The rows are the same and whole; the failed slice says so in its own tarball."""
    call = call_of(number)
    with help_.Ingress() as server:
        collector = help_.program(call, server.url)
        collector.gather(**help_.gather_arguments(call))
        tarballs = [help_.members(help_.part_of(asked)[2]) for asked in server.uploads()]
    tables = [{each["name"]: each for each in members} for members in tarballs]
    rows = [table["./table1.csv"]["decoded"] for table in tables if "./table1.csv" in table]
    sizes = [len(table["./table1.csv"]["text"]) for table in tables if "./table1.csv" in table]
    if number == 15:
        assert [len(each) for each in rows] == [2] * 6
        assert max(sizes) <= 100
    if number == 17:
        assert [row for each in rows for row in each[1:]] == [[str(i), f"name{i}"] for i in range(12)]
        assert all(each[0] == ["id", "name"] for each in rows)
        assert max(sizes) <= 40
    if number == 29:
        status = [table["./data_collection_status.csv"]["decoded"][1] for table in tables]
        assert [each[4] for each in status] == ["ok", "failed", "ok"]
        assert [each[1] for each in status][1] == "2024-02-21 00:00:00+00:00"


class Connection:
    """Of a database, as far as a lock needs one."""

    def __init__(self, *, free: bool) -> None:
        self.said: list[list[Any]] = []
        self._free = free

    def cursor(self) -> Connection:
        return self

    def execute(self, statement: str, values: tuple[Any, ...]) -> None:
        self.said.append([statement, [str(value) for value in values]])

    def fetchall(self) -> list[tuple[bool]]:
        return [(self._free,)]

    def close(self) -> None:
        self.said.append(["<close>", []])


@pytest.mark.parametrize("number", [77, 78])
def test_the_advisory_lock(number: int, tmp_path: Path) -> None:
    """077, 078: the same statements; but what was not taken is not released (defect 14)."""
    vector, call = VECTORS[number], call_of(number)
    connection = Connection(free=number == 77)
    with help_.Ingress() as server:
        collector = help_.program(call, server.url)
        collector.db_connection = lambda: connection  # type: ignore[method-assign]
        returned = collector.gather(**help_.gather_arguments(call))
        assert len(server.asked) == (number == 77)
    recorded = vector["client_outcome"]["database_statements"]
    assert connection.said == (recorded if number == 77 else [recorded[0], recorded[2]])
    assert (returned is None) == (number == 78)
    assert [list(each) for each in collector.log] == vector["client_outcome"].get("log", [])


def test_the_folder_of_the_user_stays(tmp_path: Path) -> None:
    """079: what is in `dest` stays, and nothing lands beside it (defect 5)."""
    call = call_of(79)
    dest = tmp_path / "mine" / "inner"
    dest.mkdir(parents=True)
    (dest / "precious.txt").write_text("precious")
    with help_.Ingress() as server:
        collector = help_.program(call, server.url)
        returned = collector.gather(dest=str(dest), **help_.gather_arguments(call))
    assert [Path(path).name for path in returned or []] == VECTORS[79]["client_outcome"]["returned"]
    assert [path.name for path in dest.parent.rglob("*")] == ["inner", "precious.txt"]


def test_names_of_tarballs_are_free_ones(tmp_path: Path) -> None:
    """081: older tarballs of the same second are neither overwritten nor deleted (defect 13)."""
    call = call_of(81)
    base = "analytics-2024-02-23-000000+0000"
    for number in (1, 2):
        (tmp_path / f"{base}-{number}.tar.gz").write_text(f"old {number}")
    with help_.Ingress() as server:
        collector = help_.program(call, server.url)
        returned = collector.gather(dest=str(tmp_path), **help_.gather_arguments(call))
    assert returned == [str(tmp_path / f"{base}-0.tar.gz")]
    assert sorted(path.read_text() for path in tmp_path.glob("*.tar.gz")) == ["old 1", "old 2"]


def test_a_second_run_that_was_asked_for(tmp_path: Path) -> None:
    """082: who names the begin gets the interval again."""
    vector, call = VECTORS[82], call_of(82)
    with help_.Ingress() as server:
        collector = help_.program(call, server.url)
        for run in vector["client_outcome"]["runs"]:
            returned = collector.gather(**help_.gather_arguments(call))
            assert [Path(path).name for path in returned or []] == run["returned"]
        for asked, exchange in zip(server.asked, exchanges_of(vector), strict=True):
            same_upload(asked, exchange["request"], repaired=False)
    assert list(collector.saved) == vector["client_outcome"]["saved"]


def test_a_failed_upload_and_the_next_run(tmp_path: Path) -> None:
    """083: the next run delivers what the first could not, under the same id, and gathers nothing twice (1, 18)."""
    vector, call = VECTORS[83], call_of(83)
    first = vector["client_outcome"]["runs"][0]
    with help_.Ingress(exchanges_of(vector)[:1]) as server:
        collector = help_.program(call, server.url)
        returned = collector.gather(**help_.gather_arguments(call))
        assert [Path(path).name for path in returned or []] == first["returned"]
        assert collector.saved[0] == vector["client_outcome"]["saved"][0]
        for _ in range(100):  # the server is given a moment before it is asked again
            assert collector.gather(**help_.gather_arguments(call)) == []
            if len(server.asked) > 1:
                break
            time.sleep(0.05)
        failed, delivered = server.asked
    assert failed.headers["x-rh-insights-request-id"] == delivered.headers["x-rh-insights-request-id"]
    assert failed.body == delivered.body
    assert list(collector.saved)[-2:] == vector["client_outcome"]["saved"][-2:]


def test_interval_arithmetic() -> None:
    """084: every recorded case; but the last run never ends after this one (defect 18)."""
    now = datetime(2024, 3, 1, 12, tzinfo=timezone.utc)
    for case in VECTORS[84]["client_outcome"]["cases"]:
        given, warned = {name: help_.moment(value) for name, value in case["given"].items()}, []
        arguments = {"now": now, "stored": given["last_gathering"], "warn": warned.append}
        if "raises" in case:
            with pytest.raises(ValueError, match="nothing lies between"):
                intervals.resolve(given["since"], given["until"], **arguments)
        else:
            found = intervals.resolve(given["since"], given["until"], **arguments)
            since, until, last = (help_.moment(each) for each in case["result"].values())
            assert found == (since, until, min(last, until))
        assert len(warned) == case["warnings"]
    assert timedelta(weeks=4) == intervals.HORIZON


def test_a_time_needs_a_zone(tmp_path: Path) -> None:
    """085: a time without one is refused as before."""
    raised = VECTORS[85]["client_outcome"]["raised"]
    call = call_of(2)
    collector = help_.program(call, "http://127.0.0.1:9")
    with pytest.raises(TypeError) as caught:
        collector.gather(since=datetime(2024, 2, 1))  # noqa: DTZ001
    assert type(caught.value).__name__ == raised["exception"]
    assert str(caught.value) == raised["message"]


def test_answers_of_the_server() -> None:
    """086: what the server takes is what packages are: content types that the facade may be given."""
    cases = {case["name"]: case for case in VECTORS[86]["cases"]}
    taken = json.dumps(cases["accepted"]["request"]["parts"])
    assert call_of(2)["package"]["PAYLOAD_CONTENT_TYPE"] in taken
    assert {case["answer"]["status"] for case in cases.values()} >= {200, 202, 400, 413, 415}
