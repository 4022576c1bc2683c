"""Collectors as plain functions: what they are asked, what becomes of their answers, what is remembered."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Iterator
from datetime import datetime, timedelta, timezone
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest
from tests.facade import insightshelp as help_

import footfall
from footfall.errors import ConfigurationError, FootfallError
from footfall.gathering import functions

UNTIL = datetime(2026, 3, 2, tzinfo=timezone.utc)
DAY = timedelta(days=1)

BIG = """
import sys
import footfall

ROWS = {rows}

@footfall.collector("big", "1.0", format="csv", header=("number", "text"))
def big():
    return ((number, "x" * 1000) for number in range(ROWS))

gathered = footfall.gather(dry_run=True, dest=sys.argv[1])
# Not `getrusage`: its figure begins with that of the process that started this one.
with open("/proc/self/status") as status:
    peak = next(line.split()[1] for line in status if line.startswith("VmHWM"))
print(len(gathered.tarballs), int(peak) * 1024)
"""


@pytest.fixture(autouse=True)
def nothing_registered(monkeypatch: pytest.MonkeyPatch) -> None:
    """Collectors of one test are none of another's."""
    monkeypatch.setattr(functions, "_known", {})


def contents(path: Path) -> dict[str, Any]:
    return {each["name"]: each["decoded"] for each in help_.members(path.read_bytes())}


def test_a_dry_run_leaves_tarballs_and_nothing_else(tmp_path: Path) -> None:
    """Functions take what they name; a config comes of itself; the interval is what was asked for."""
    asked: list[Any] = []

    @footfall.collector("info", "1.0")
    def info(since: datetime, until: datetime) -> Any:
        asked.append((since, until))
        return {"nodes": 3}

    @footfall.collector("table", "2.0", format="csv", header=("a", "b"))
    def table() -> Iterator[tuple[int, str]]:
        yield 1, "x"

    told: list[tuple[int, int]] = []
    gathered = footfall.gather(
        since=UNTIL - DAY, until=UNTIL, dry_run=True, dest=tmp_path, told=lambda *each: told.append(each)
    )
    assert asked == [(UNTIL - DAY, UNTIL)]
    assert told == [(0, 2), (1, 2), (2, 2)]
    assert (gathered.intervals, gathered.failed, gathered.pending) == (2, 0, 0)
    assert list(tmp_path.iterdir()) == list(gathered.tarballs)
    found = contents(gathered.tarballs[0])
    assert found["./info.json"] == {"nodes": 3}
    assert found["./table.csv"] == [["a", "b"], ["1", "x"]]
    assert found["./config.json"]["telemetry.distro.name"] == "footfall"
    assert found["./manifest.json"]["table.csv"] == "2.0"
    assert list((tmp_path.parent / "footfall-state").rglob("progress.json")) == []


def test_a_module_or_a_subset_is_asked(tmp_path: Path) -> None:
    """Otherwise everybody; nobody is an error."""

    @footfall.collector("one", "1.0")
    def one() -> int:
        return 1

    @footfall.collector("two", "1.0")
    def two() -> int:
        return 2

    module = ModuleType("m")
    module.two = two
    for arguments, wanted in (({}, 2), ({"subset": ["one"]}, 1), ({"module": module}, 1)):
        assert footfall.gather(dry_run=True, dest=tmp_path, **arguments).intervals == wanted
    with pytest.raises(ConfigurationError, match="no collectors"):
        footfall.gather(dry_run=True, subset=["three"])
    with pytest.raises(ConfigurationError, match="nowhere to send to"):
        footfall.gather()


def test_a_collector_that_fails_is_told_of(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    """In the status table, and in the result; the others go on."""

    @footfall.collector("bad", "1.0", format="csv")
    def bad() -> Iterator[tuple[int]]:
        yield (1,)
        raise RuntimeError("canary")

    @footfall.collector("good", "1.0")
    def good() -> int:
        return 1

    gathered = footfall.gather(dry_run=True, dest=tmp_path)
    assert (gathered.intervals, gathered.failed) == (2, 1)
    status = contents(gathered.tarballs[0])["./data_collection_status.csv"]
    assert sorted((row[3], row[4]) for row in status[1:]) == [("bad.csv", "failed"), ("good.json", "ok")]
    assert "Could not generate metric bad.csv" in caplog.text


@pytest.mark.parametrize("key", ["", "a/b", "../x", "a\n", ".x", "config", "manifest", "data_collection_status"])
def test_a_key_is_the_name_of_a_file(key: str) -> None:
    """What is none, or is taken, is refused where it is written."""
    with pytest.raises(ConfigurationError, match="a key is letters"):
        footfall.collector(key, "1.0")
    with pytest.raises(ConfigurationError, match="say 'json' or 'csv'"):
        footfall.collector("k", "1.0", format="xml")  # type: ignore[arg-type]


def test_a_config_that_fails_ends_the_run(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    """Every package needs it."""

    @footfall.collector("config", "1.0", config=True)
    def config() -> int:
        raise RuntimeError

    with pytest.raises(FootfallError, match="config collector failed"):
        footfall.gather(dry_run=True, dest=tmp_path)
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("mode", ["off", "local"])
def test_the_user_decides(mode: str, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """Off: nothing is asked, nothing written. Local: kept, and not sent."""
    monkeypatch.setenv("FOOTFALL", mode)
    asked = []

    @footfall.collector("one", "1.0")
    def one() -> int:
        asked.append(1)
        return 1

    with help_.Ingress() as server:
        gathered = footfall.gather(send_to=footfall.Insights(server.url, auth="headers"), timeout_seconds=5.0)
        assert server.asked == []
    assert len(asked) == gathered.intervals == gathered.pending == (mode == "local")
    assert bool(gathered.reason) == (mode == "off")
    assert (tmp_path / "footfall-state").exists() == (mode == "local")


def test_an_upload_is_what_the_destination_says(footfall_on: None, monkeypatch: pytest.MonkeyPatch) -> None:
    """Content type, credentials and request id; the stored time moves."""
    monkeypatch.setenv("INGRESS", "user:password")

    @footfall.collector("one", "1.0")
    def one(since: datetime, until: datetime) -> Any:
        return [since.isoformat(), until.isoformat()]

    with help_.Ingress() as server:
        send_to = footfall.Insights(
            server.url, content_type="application/vnd.redhat.tower.data+tgz", credentials="env:INGRESS"
        )
        for until in (UNTIL, UNTIL + DAY):
            gathered = footfall.gather(until=until, send_to=send_to, timeout_seconds=20.0)
            assert (gathered.delivered, gathered.pending, gathered.failed) == (1, 0, 0)
        first, second = server.asked
    for asked in (first, second):
        assert asked.headers["authorization"].startswith("Basic ")
        assert help_.part_of(asked)[1] == "application/vnd.redhat.tower.data+tgz"
    assert first.headers["x-rh-insights-request-id"] != second.headers["x-rh-insights-request-id"]
    answers = [json.loads(help_.members(help_.part_of(asked)[2])[0]["text"]) for asked in (first, second)]
    assert answers == [
        [(UNTIL - timedelta(weeks=4)).isoformat(), UNTIL.isoformat()],
        [UNTIL.isoformat(), (UNTIL + DAY).isoformat()],
    ]


def test_rows_are_streamed(tmp_path: Path) -> None:
    """256 MB of rows leave the process as small as it was: below 64 MiB."""
    done = subprocess.run(
        [sys.executable, "-c", BIG.replace("{rows}", "256_000"), str(tmp_path)],
        capture_output=True,
        text=True,
        timeout=120,
        check=True,
    )
    tarballs, peak_bytes = map(int, done.stdout.split())
    assert tarballs == 2
    assert peak_bytes < 64 * 2**20


def test_damaged_memory_is_an_error_in_words(footfall_on: None, tmp_path: Path) -> None:
    """Guessing would send things twice."""

    @footfall.collector("one", "1.0")
    def one() -> int:
        return 1

    folder = tmp_path / "footfall-state" / "insights" / "tests_observed"
    folder.mkdir(parents=True, mode=0o700)
    (tmp_path / "footfall-state").chmod(0o700)
    (tmp_path / "footfall-state" / "insights").chmod(0o700)
    (folder / "progress.json").write_text("{")
    (folder / "progress.json").chmod(0o600)
    with pytest.raises(FootfallError, match="not what footfall wrote"):
        footfall.gather(
            send_to=footfall.Insights("http://127.0.0.1:9/upload", auth="headers"), project="tests/observed"
        )
