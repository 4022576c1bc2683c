"""The queue's promises beyond the recorded cases: each defect of the original that is not in a vector has a test here.

Numbers in docstrings are those of section 11 of the wire's description.
"""

from __future__ import annotations

import importlib
import json
import logging
import os
import re
import signal
import sqlite3
import subprocess
import sys
import threading
import time
import warnings
import zlib
from datetime import datetime
from pathlib import Path
from typing import Any

import pytest

import footfall
from footfall.consent.choice import turn_off
from footfall.errors import OutboxBusyError, trouble
from footfall.facade.ramen import takeover
from footfall.facade.ramen.blacklist import Blacklist
from footfall.facade.ramen.config import QueueReaderConfig, QueueWriterConfig, validate_name
from footfall.facade.ramen.errors import AutheticationError, DataError, NotSyncedError, ValidationError
from footfall.facade.ramen.payload import dump_json
from footfall.facade.ramen.queue_reader import QueueReader
from footfall.facade.ramen.queue_writer import QueueWriter
from footfall.facade.ramen.utils import create_queue_reader_and_writer
from footfall.journal import lines
from footfall.places import config_directory
from footfall.testing import Sink
from tests.facade.ramenhelp import ACCEPTED, Recorder, config_for
from tests.raw_fork import raw_fork

GUARD_SECONDS = 20
REFUSED = {"status": 401, "body": '{"code": "UNAUTHORIZED", "details": "no"}'}


@pytest.fixture(autouse=True)
def on(footfall_on: None) -> None:
    """Messages are sent."""


def wait_for(condition: Any) -> None:
    """Return when *condition* holds; fail when it never does."""
    end = time.monotonic() + GUARD_SECONDS
    while not condition():
        assert time.monotonic() < end
        time.sleep(0.01)


def items(writer: QueueWriter) -> list[dict[str, Any]]:
    found = []
    while (item := writer._queue.pop()) is not None:
        found.append(item)
    return found


# -- the reader ----------------------------------------------------------------------------------------------------


def test_a_refused_token_is_told_and_a_new_one_reaches_what_waits(tmp_path: Path, hidden_errors: list[Any]) -> None:
    """401 leaves the message where it is; after a change of the token, in the same reader, it goes out with the new."""
    with Recorder([REFUSED, REFUSED]) as server:
        config = config_for(server.host, tmp_path)
        writer, reader = QueueWriter(config), QueueReader(config)
        writer.push("metrics", "m", 1, {})
        with pytest.raises(AutheticationError, match="UNAUTHORIZED - no"):
            reader.consume_one()
        with pytest.raises(AutheticationError, match="UNAUTHORIZED - no"):
            reader.run(blocking=False)
        assert writer.queue_size() == 1
        config.auth_token = "another"
        assert reader.consume_one() == QueueReader.ACCEPTED
        assert [each.headers["x-api-token"] for each in server.asked] == ["good-token", "good-token", "another"]


def test_a_message_follows_to_another_host(tmp_path: Path) -> None:
    """Where a queue goes is the reader's to say; what was tried at one host goes to the next."""
    writer = QueueWriter(config_for("127.0.0.1:9", tmp_path))
    writer.push("metrics", "m", 1, {})
    assert QueueReader(config_for("127.0.0.1:9", tmp_path)).consume_one() == QueueReader.RETRY
    with Recorder() as server:
        assert QueueReader(config_for(server.host, tmp_path)).consume_one() == QueueReader.ACCEPTED


def test_the_thread_outlives_refusals_and_odd_answers(tmp_path: Path, hidden_errors: list[Any]) -> None:
    """8: after a 401, a 202 that is no JSON, one without a code, and a cut body, messages still go out."""
    odd = [
        REFUSED,
        {"status": 403, "body": "no"},
        {"status": 202, "body": "<html>"},
        {"status": 202, "body": "[]"},
        {"status": 202, "body": '{"co', "claim_length": 200},
        {"status": 200, "body": ""},
    ]
    with Recorder(list(odd)) as server:
        reader, writer = create_queue_reader_and_writer(config_for(server.host, tmp_path))
        writer.push("metrics", "m", 1, {"n": 1})
        wait_for(lambda: writer.queue_size() == 0)
        reader.stop()
        assert len(server.asked) == len(odd) + 1
        assert len({each.query["reqid"] for each in server.asked}) == 1


def test_stop_before_the_start_is_remembered(tmp_path: Path) -> None:
    """15: the run that comes after it does not begin; the next one does."""
    with Recorder() as server:
        config = config_for(server.host, tmp_path)
        writer, reader = QueueWriter(config), QueueReader(config)
        writer.push("metrics", "m", 1, {})
        reader.stop()
        assert reader.run() == 0
        assert writer.queue_size() == 1
        assert reader.run(blocking=False) == 1
        reader.stop()  # of nothing, after a run: the next one is not meant
        writer.push("metrics", "m", 1, {})
        assert reader.run(blocking=False) == 1


def test_one_message_that_always_fails_stops_no_other_kind(tmp_path: Path) -> None:
    """12: what is behind it goes out, but for its own kind, whose order is kept."""
    with Recorder([{"status": 500}]) as server:
        config = config_for(server.host, tmp_path)
        writer, reader = QueueWriter(config), QueueReader(config)
        writer.push("metrics", "poison", 1, {})
        writer.push("metrics", "poison", 1, {"behind": 1})
        for number in range(5):
            writer.push("metrics", f"good{number}", 1, {})
        assert reader.run(blocking=False) == 5
        assert writer.queue_size() == 2


def test_a_pause_that_the_server_asks_for_is_kept(tmp_path: Path) -> None:
    """`Retry-After` holds for every reader: none sends before it is over."""
    with Recorder([{"status": 429, "headers": {"Retry-After": "120"}}]) as server:
        config = config_for(server.host, tmp_path)
        QueueWriter(config).push("metrics", "m", 1, {})
        assert QueueReader(config).consume_one() == QueueReader.RETRY
        assert QueueReader(config).consume_one() == QueueReader.RETRY
        assert QueueReader(config).run(blocking=False) == 0
        assert len(server.asked) == 1


def test_rules_hold_for_all_readers_and_after_a_restart(tmp_path: Path) -> None:
    """A rule lies in the outbox, not in the memory of one reader."""
    dropped = {"status": 202, "body": '{"code": "DROPPED", "rule": {"data_type": "m"}}'}
    with Recorder([dropped]) as server:
        config = config_for(server.host, tmp_path)
        writer = QueueWriter(config)
        writer.push("metrics", "m", 1, {})
        assert QueueReader(config).consume_one() == QueueReader.DROPPED
        writer._queue.engine.let_go()
        writer.push("metrics", "m", 1, {})
        reader = QueueReader(config)
        assert [rule.to_primitive() for rule in reader.get_blacklist()] == [{"data_type": "m"}]
        assert reader.consume_one() == QueueReader.DROPPED
        assert len(server.asked) == 1
        assert writer._queue.dropped() == {"rule": 2}


def test_a_proxy_that_is_named_is_used(tmp_path: Path) -> None:
    """`proxy` holds for loopback too, in the absolute form that proxies take."""
    with Recorder() as proxy:
        config = config_for("127.0.0.1:9", tmp_path, proxy=f"http://{proxy.host}/")
        QueueWriter(config).push("metrics", "m", 1, {})
        assert QueueReader(config).consume_one() == QueueReader.ACCEPTED
        assert proxy.asked[0].path.startswith("http://127.0.0.1:9/ramen/v1/metrics/")


def test_an_idle_reader_lets_other_processes_read(tmp_path: Path) -> None:
    """Whoever waits for messages holds nothing; whoever is asked while another is at it says so."""
    config = config_for("127.0.0.1:9", tmp_path)
    writer, reader = QueueWriter(config), QueueReader(config)
    writer.push("metrics", "m", 1, {})
    engine = reader._queue.engine
    with engine.turn(config, patience_seconds=1) as held:
        assert held is not None
        with pytest.raises(OutboxBusyError), engine.turn(config, patience_seconds=0.2):
            pass
    engine._used_at -= 10
    engine.rest()
    assert engine._delivery is None
    assert writer.queue_size() == 1


def test_the_token_is_nowhere_but_in_the_request(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    """Not in the queue's files, not in a log record, not in a `repr` (and 19: files are private)."""
    caplog.set_level(logging.DEBUG)
    with Recorder([{"status": 503}]) as server:
        config = config_for(server.host, tmp_path, auth_token="canary-4711")
        writer, reader = QueueWriter(config), QueueReader(config)
        writer.push("metrics", "m", 1, {})
        assert reader.consume_one() == QueueReader.RETRY
        assert server.asked[0].headers["x-api-token"] == "canary-4711"
    kept = b"".join(path.read_bytes() for path in tmp_path.rglob("*") if path.is_file())
    assert b"canary" not in kept
    assert "canary" not in caplog.text + repr(config) + repr(vars(reader._sending))


def test_a_fork_child_uses_nothing_of_its_parent(tmp_path: Path) -> None:
    """14: it pushes into a journal of its own, and reads through an outbox of its own."""
    with Recorder() as server:
        config = config_for(server.host, tmp_path)
        writer, reader = QueueWriter(config), QueueReader(config)
        writer.push("metrics", "m", 1, {"from": "parent"})
        assert reader.consume_one() == QueueReader.ACCEPTED
        pid = os.fork()
        if not pid:
            status = 1
            try:
                writer.push("metrics", "m", 1, {"from": "child"})
                status = 0
            finally:
                os._exit(status)
        assert os.waitpid(pid, 0)[1] == 0
        writer.push("metrics", "m", 1, {"from": "parent again"})
        assert reader.run(blocking=False) == 2
        said = sorted(json.loads(each.plain)["from"] for each in server.asked)
        assert said == ["child", "parent", "parent again"]


# -- the writer ----------------------------------------------------------------------------------------------------


def test_push_waits_for_no_reader(tmp_path: Path) -> None:
    """16: nothing that another process holds makes a push fail or wait."""
    config = config_for("127.0.0.1:9", tmp_path)
    writer, reader = QueueWriter(config), QueueReader(config)
    with reader._queue.engine.turn(config, patience_seconds=1):
        writer.push("metrics", "m", 1, {})
    assert writer.queue_size() == 1


def test_a_synced_push_says_when_the_disk_refuses(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """It asked for the disk, so it is told; the message stays in the journal."""
    writer = QueueWriter(config_for("127.0.0.1:9", tmp_path), sync=True)
    writer.push("metrics", "m", 1, {})

    def fail(_fd: int) -> None:
        raise OSError(5, "no")

    monkeypatch.setattr(os, "fsync", fail)
    with pytest.raises(NotSyncedError, match="not on the disk"):
        writer.push("metrics", "m", 1, {})
    writer.push("metrics", "m", 1, {}, sync=False)
    monkeypatch.undo()
    assert writer.queue_size() == 3


def test_threads_share_a_sync(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Eight threads whose disk takes its time need far fewer syncs than pushes, and each waited for one."""
    writer = QueueWriter(config_for("127.0.0.1:9", tmp_path), sync=True)
    writer.push("metrics", "m", 1, {})
    syncs: list[int] = []

    def slow(fd: int) -> None:
        time.sleep(0.01)
        syncs.append(fd)

    monkeypatch.setattr(os, "fsync", slow)
    threads = [
        threading.Thread(target=lambda: [writer.push("metrics", "m", 1, {}) for _ in range(10)]) for _ in range(8)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    monkeypatch.undo()
    assert writer.queue_size() == 81
    assert 10 <= len(syncs) <= 40


def test_a_large_message_and_one_that_is_no_text(tmp_path: Path) -> None:
    """Neither the size of a journal line nor its being text limits what can be pushed."""
    writer = QueueWriter(config_for("127.0.0.1:9", tmp_path))
    large, binary = list(range(400_000)), bytes(range(256)) * 10
    writer.push("metrics", "m", 1, large)
    writer.push("metrics", "m", 1, binary)
    writer.push("metrics", "m", 1, "after")
    first, second, third = items(writer)
    assert json.loads(zlib.decompress(first["data"])) == large
    assert zlib.decompress(second["data"]) == binary
    assert zlib.decompress(third["data"]) == b"after"


def test_what_json_cannot_say_is_told(tmp_path: Path) -> None:
    """18: ``null`` as ever, but with a count; keys that are none raise, and nothing is stored."""
    writer = QueueWriter(config_for("127.0.0.1:9", tmp_path))
    before = trouble.counts["ramen payload: set"]
    writer.push("metrics", "m", 1, {"s": {1}})
    assert trouble.counts["ramen payload: set"] == before + 1
    with pytest.raises(TypeError):
        writer.push("metrics", "m", 1, {(1, 2): 3})
    around: list[Any] = []
    around.append(around)
    with pytest.raises(ValueError, match="Circular"):
        writer.push("metrics", "m", 1, around)
    with pytest.raises(ValueError, match="surrogates"):
        writer.push("metrics", "m", 1, "\ud800")
    assert writer.queue_size() == 1


def test_json_is_the_librarys(tmp_path: Path) -> None:
    """The quick way writes what the library's encoder writes."""
    value = {"a": [1, 2.5, 1e100, float("nan"), None, True], "é": "\U0001f600\n", 1: {"x": ()}, None: 0}
    assert dump_json(value) == json.dumps(value, separators=(",", ":"))


def test_lines_are_those_of_the_journal(tmp_path: Path) -> None:
    """What `push` writes by itself is, byte for byte, what the journal's encoder makes of it."""
    writer = QueueWriter(config_for("127.0.0.1:9", tmp_path))
    bodies = [
        "",
        'a "b" \\ \n\x00\x7f',
        "\u00e9\u2028\U0001f600",
        b"bytes",
        b"\xff",
        {"a": [1, 2.5, "\u00e9"]},
        "x" * 70_000,
    ]
    for number, body in enumerate(bodies, 1):
        writer.push("metrics", "m", number, body)
        writer.push("metrics", "m", "v1", body, "own id")
    records = [line for line in written(tmp_path) if b'"kind":"event"' in line]
    assert len(records) == 2 * len(bodies)
    for line in records:
        assert lines.encode(lines.decoder.decode(line)) == line + b"\n"


def written(folder: Path) -> list[bytes]:
    """The lines of all journals."""
    return [line for path in sorted(folder.rglob("*.jsonl")) for line in path.read_bytes().splitlines()]


def names(folder: Path) -> list[str]:
    """The ids of all messages in journals."""
    found = [lines.decoder.decode(line) for line in written(folder)]
    return [line.ids for line in found if isinstance(line, lines.Event)]


@pytest.mark.parametrize("fork", [os.fork, raw_fork], ids=["os.fork", "fork"])
def test_no_two_messages_share_their_ids(fork: Any, tmp_path: Path) -> None:
    """Not those of threads, nor those of parent and child: the outbox would keep one of the two."""
    writer = QueueWriter(config_for("127.0.0.1:9", tmp_path))

    def push() -> None:
        for number in range(100):
            writer.push("metrics", "m", 1, {"n": number})

    writer.push("metrics", "m", 1, {})
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", DeprecationWarning)  # of forking with threads, which is the point here
        child = fork()
    if child == 0:
        try:
            push()
        finally:
            os._exit(0)
    threads = [threading.Thread(target=push) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(GUARD_SECONDS)
    assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 0
    found = names(tmp_path)
    assert len(found) == len(set(found)) == 501
    assert all(re.fullmatch("[0-9a-f]{48}", each) for each in found)
    assert len({path.name.split("-")[1] for path in tmp_path.rglob("*.jsonl")}) == 2


@pytest.mark.parametrize("version", [["v1"], {"v": 1}, 1.5, None, "", 0, "a b", "v1\n", "\u00e9"])
def test_versions_that_are_none(version: Any, tmp_path: Path) -> None:
    """Are refused as ever, also after one that equals them."""
    writer = QueueWriter(config_for("127.0.0.1:9", tmp_path))
    writer.push("metrics", "m", 1, {})
    writer.push("metrics", "m", True, {})
    for _ in range(2):
        with pytest.raises(AssertionError):
            writer.push("metrics", "m", version, {})
    assert writer.queue_size() == 2


def test_kinds_without_end_do_not_fill_memory(tmp_path: Path) -> None:
    """Beyond a thousand kinds each message spells out its own."""
    writer = QueueWriter(config_for("127.0.0.1:9", tmp_path))
    for number in range(1100):
        writer.push("metrics", "m", f"v{number}", {})
    assert len(writer._queue.spool.numbers) <= 1001
    assert [item["data_version"] for item in items(writer)] == [f"v{number}" for number in range(1100)]


def test_a_clock_that_is_set_back_hides_no_word_of_the_user(tmp_path: Path) -> None:
    """The choice is looked at by the clock that may jump: a jump back is a reason to look, too (reliability.md P12)."""
    writer = QueueWriter(config_for("127.0.0.1:9", tmp_path))
    writer.push("metrics", "m", 1, {})
    spool = writer._queue.spool
    spool.looked_ns += 3600 * 10**9
    spool.look_ns += 3600 * 10**9
    directory = config_directory(os.environ)
    assert directory is not None
    turn_off(directory)
    writer.push("metrics", "m", 1, {})
    assert spool.mode == "off"
    assert len(names(tmp_path)) == 1


def test_a_removed_folder_is_made_anew(tmp_path: Path) -> None:
    """Within a second of pushes there is a queue again."""
    config = config_for("127.0.0.1:9", tmp_path)
    writer = QueueWriter(config)
    writer.push("metrics", "m", 1, {"n": 1})
    subprocess.run(["rm", "-r", config.queue_dir], check=True)
    writer._queue.spool.look_ns = 0
    writer.push("metrics", "m", 1, {"n": 2})
    assert [json.loads(zlib.decompress(item["data"])) for item in items(writer)] == [{"n": 2}]


def test_a_folder_of_somebody_else_is_not_used(tmp_path: Path) -> None:
    """19: others could read what is pushed."""
    config = config_for("127.0.0.1:9", tmp_path)
    (tmp_path / "queue" / "imx_1099.footfall").mkdir(parents=True, mode=0o755)
    with pytest.raises(OSError, match="open to others"):
        QueueWriter(config)


# -- consent -------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(("name", "value"), [("FOOTFALL", "off"), ("DO_NOT_TRACK", "1")])
def test_no_means_no(name: str, value: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Nothing is written and nothing is sent; calls return as if the queue were empty."""
    monkeypatch.setenv(name, value)
    with Recorder() as server:
        config = config_for(server.host, tmp_path)
        writer, reader = QueueWriter(config), QueueReader(config)
        writer.push("metrics", "m", 1, {})
        assert (reader.consume_one(), reader.run(blocking=False), writer.queue_size()) == (0, 0, 0)
        assert reader.test_connection() is False
        assert server.asked == []
    assert not (tmp_path / "queue").exists()


def test_a_no_on_file_drops_what_waits(tmp_path: Path) -> None:
    """`footfall off`, heard within a second, and what waits is counted `opted_out` when it is taken back."""
    with Recorder() as server:
        config = config_for(server.host, tmp_path)
        writer, reader = QueueWriter(config), QueueReader(config)
        writer.push("metrics", "m", 1, {})
        directory = config_directory(os.environ)
        assert directory is not None
        turn_off(directory)
        assert reader.consume_one() == QueueReader.EMPTY
        writer._queue.spool.look_ns = 0
        writer.push("metrics", "m", 1, {})
        (directory / "choice.json").write_text(f'{{"refused_ns":{{"":{time.time_ns()}}}}}')
        assert reader.consume_one() == QueueReader.EMPTY
        assert server.asked == []
        assert writer._queue.dropped() == {"opted_out": 1}


# -- what the original left ----------------------------------------------------------------------------------------

TABLE = (
    "CREATE TABLE queue (id INTEGER PRIMARY KEY AUTOINCREMENT, ts TIMESTAMP DEFAULT CURRENT_TIMESTAMP,"
    " category TEXT NOT NULL, data_type TEXT NOT NULL, data_version INTEGER NOT NULL, reqid TEXT, data BLOB NOT NULL)"
)
INSERT = "INSERT INTO queue (category, data_type, data_version, reqid, data) VALUES (?, ?, ?, ?, ?)"


def original(folder: Path, rows: int) -> Path:
    """Leave a queue as the original does, made by the original itself, and return its database."""
    config = config_for("127.0.0.1:9", folder)
    program = """
import json, sys
from infi.ramen_client.config import QueueWriterConfig
from infi.ramen_client.queue_writer import QueueWriter
fields, rows = json.loads(sys.argv[1])
names = ("sender", "system_serial", "system_version", "queue_dir")
writer = QueueWriter(QueueWriterConfig({name: fields[name] for name in names}))
for n in range(rows):
    writer.push("metrics", "m%d" % (n % 3), 1, {"n": n}, reqid="given" if n == 1 else None)
"""
    subprocess.run([sys.executable, "-W", "ignore", "-c", program, json.dumps([config.to_native(), rows])], check=True)
    return folder / "queue" / "imx_1099.db"


def left(path: Path) -> int:
    with sqlite3.connect(path) as connection:
        (count,) = connection.execute("SELECT count(*) FROM queue").fetchone()
    connection.close()
    return int(count)


def test_what_the_original_left_is_taken_over(tmp_path: Path) -> None:
    """Its rows are sent as it would have sent them, before what was pushed since, and its file is empty afterwards."""
    path = original(tmp_path, 30)
    with Recorder() as server:
        config = config_for(server.host, tmp_path)
        writer, reader = QueueWriter(config), QueueReader(config)
        writer.push("metrics", "m0", 1, {"n": 30})
        assert writer.queue_size() == 31
        assert left(path) == 0
        assert reader.run(blocking=False) == 31
        assert sorted(json.loads(each.plain)["n"] for each in server.asked) == list(range(31))
        by_number = {json.loads(each.plain)["n"]: each for each in server.asked}
        assert by_number[0].path == "/ramen/v1/metrics/1099/imx.m0.1/"
        assert [by_number[n].query["reqid"] for n in (0, 1, 2)] == ["1", "given", "3"]
        numbers = [json.loads(each.plain)["n"] for each in server.asked]
        assert [n for n in numbers if n % 3 == 0] == list(range(0, 31, 3))
        assert reader.consume_one() == QueueReader.EMPTY


def test_a_program_that_still_uses_the_original_is_served(tmp_path: Path) -> None:
    """What it pushes after the takeover is taken over as well."""
    path = original(tmp_path, 2)
    with Recorder() as server:
        config = config_for(server.host, tmp_path)
        reader = QueueReader(config)
        assert reader.run(blocking=False) == 2
        original(tmp_path, 3)
        assert reader.run(blocking=False) == 3
        assert left(path) == 0


KILLED = """
import json, os, signal, sys
from footfall.facade.ramen import takeover
from footfall.facade.ramen.config import QueueReaderConfig
from footfall.facade.ramen.queue_writer import QueueWriter
from footfall.outbox.store import Outbox
takeover.BATCH_ROWS = 7
fields, at = json.loads(sys.argv[1])
intake = Outbox.intake
def counted(self, requests, **given):
    global at
    at -= 1
    if at == 0 and sys.argv[2] == "before":
        os.kill(os.getpid(), signal.SIGKILL)
    found = intake(self, requests, **given)
    if at == 0:
        os.kill(os.getpid(), signal.SIGKILL)
    return found
Outbox.intake = counted
len(QueueWriter(QueueReaderConfig(fields))._queue)
"""


@pytest.mark.parametrize("when", ["before", "after"])
def test_a_takeover_that_is_killed_goes_on(when: str, tmp_path: Path) -> None:
    """SIGKILL before or after a batch is kept and before it is deleted: nothing is lost and nothing taken twice."""
    original(tmp_path, 40)
    with Recorder() as server:
        config = config_for(server.host, tmp_path)
        for at in (1, 2, 3):
            command = [sys.executable, "-c", KILLED, json.dumps([config.to_native(), at]), when]
            assert subprocess.run(command, check=False).returncode == -signal.SIGKILL
        assert QueueReader(config).run(blocking=False) == 40
        assert sorted(json.loads(each.plain)["n"] for each in server.asked) == list(range(40))


def test_remains_of_the_originals_set_up_stop_nothing(tmp_path: Path) -> None:
    """13: a file without its table, as a crash leaves it, and one that is damaged."""
    config = config_for("127.0.0.1:9", tmp_path)
    (tmp_path / "queue").mkdir(mode=0o700)
    path = tmp_path / "queue" / "imx_1099.db"
    sqlite3.connect(path).close()
    path.touch()
    writer = QueueWriter(config)
    writer.push("metrics", "m", 1, {})
    assert writer.queue_size() == 1


def test_a_row_that_the_original_cannot_have_written_is_counted(tmp_path: Path) -> None:
    """A name that is none is booked `untranslatable`, not dropped in silence."""
    (tmp_path / "queue").mkdir(mode=0o700)
    path = tmp_path / "queue" / "imx_1099.db"
    connection = sqlite3.connect(path)
    connection.execute(TABLE)
    connection.execute(INSERT, ("a/b", "m", 1, None, zlib.compress(b"{}")))
    connection.execute(INSERT, ("metrics\n", "m", "01", None, zlib.compress(b"{}")))
    connection.commit()
    connection.close()
    writer = QueueWriter(config_for("127.0.0.1:9", tmp_path))
    (item,) = items(writer)
    assert (item["category"], item["data_version"]) == ("metrics", 1)
    assert writer._queue.dropped() == {"untranslatable": 1}
    assert takeover.Original.is_there(writer._queue.spool.root)


# -- configuration and rules ---------------------------------------------------------------------------------------


def test_errors_are_also_the_originals() -> None:
    """Whoever catches schematics' errors catches ours."""
    exceptions = importlib.import_module("schematics.exceptions")  # it comes with the original, and has no types
    with pytest.raises(exceptions.DataError) as caught:
        QueueWriterConfig({"sender": "x"}).validate()
    assert isinstance(caught.value, DataError)
    assert caught.value.to_primitive() == {"system_serial": "is required", "system_version": "is required"}
    assert "system_serial: is required" in str(caught.value)
    with pytest.raises(exceptions.ValidationError, match="only letters"):
        validate_name("a.b")
    with pytest.raises(ValidationError):
        validate_name("a.b")


@pytest.mark.parametrize("hostname", ["", "user:pw@h", "h?x=1", "h:port"])
def test_a_reader_needs_a_host(hostname: str, tmp_path: Path) -> None:
    """A user in it would be a secret in a URL."""
    with pytest.raises(DataError, match="hostname"):
        QueueReader(config_for(hostname, tmp_path))


def test_a_token_that_no_header_may_hold(tmp_path: Path) -> None:
    """It would never be accepted, and messages would wait for ever; its text is not in the error."""
    with pytest.raises(DataError, match="auth_token") as caught:
        QueueReader(config_for("h", tmp_path, auth_token="canary\nX: y"))
    assert "canary" not in str(caught.value)


def test_a_rule_matches_the_version_as_it_is_sent() -> None:
    """A number and its text are one version; an empty rule and unknown fields are refused (section 6)."""
    config = QueueReaderConfig(
        {"sender": "a", "system_serial": 1, "system_version": "1", "hostname": "h", "auth_token": "t"}
    )
    rules = Blacklist(config)
    rules.add({"data_version": "1", "last_seen": datetime(2001, 1, 1)})  # noqa: DTZ001
    assert rules.matches({"category": "c", "data_type": "d", "data_version": 1})
    assert not rules.matches({"category": "c", "data_type": "d", "data_version": 2})
    assert str(rules.get_list()[0]) == "Rule(data_version=1)"
    for wrong in ({}, {"reason": "quota"}, {"system_serial": "abc"}):
        with pytest.raises(DataError):
            rules.add(wrong)
    assert ACCEPTED["status"] == 202


# -- beside the queue ----------------------------------------------------------------------------------------------


def test_a_push_is_an_event_where_its_project_is_instrumented(tmp_path: Path, footfall_sink: Sink) -> None:
    """It says what kind of message there was, and nothing of what the message says; without the project, nothing."""
    writer = QueueWriter(config_for("127.0.0.1:9", tmp_path))
    writer.push("metrics", "before", 1, {"secret": "canary"})
    footfall.instrument("ramen/imx", send_to=[footfall.Otlp(footfall_sink.url)])
    writer.push("metrics", "totals", 2, {"secret": "canary"})
    assert footfall.drain(GUARD_SECONDS).pending == 0
    [told] = footfall_sink.records()
    said = json.dumps(told)
    assert "totals" in said
    assert "metrics" in said
    assert "canary" not in said
    assert writer.queue_size() == 2
