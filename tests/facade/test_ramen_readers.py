"""Several readers of one queue, in threads and in processes: nothing is lost, nothing is sent twice.

The server answers 202, 429 and 503, cuts connections before and after it has taken a message, and orders drops. A
message that it took without saying so is sent again, under the same request id: the only copies there are.
"""

from __future__ import annotations

import contextlib
import json
import signal
import subprocess
import sys
import threading
import time
import zlib
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from footfall.facade.ramen.queue_reader import QueueReader
from footfall.facade.ramen.queue_writer import QueueWriter
from tests.facade.ramenhelp import config_for

MESSAGES = 10_000
UNWANTED = 500
TYPES = 50
HERE = Path(__file__).parent
GUARD_SECONDS = 240


class Server:
    """The server's process, its address and what it wrote down."""

    def __init__(self, folder: Path) -> None:
        self.journal = folder / "server.journal"
        self.process = subprocess.Popen(
            [sys.executable, str(HERE / "ramen_server.py"), str(self.journal)], stdout=subprocess.PIPE, text=True
        )
        assert self.process.stdout is not None
        self.host = f"127.0.0.1:{int(self.process.stdout.readline())}"

    def fates(self) -> dict[str, list[str]]:
        """Return what became of the tries of each message, by its path and query."""
        found: dict[str, list[str]] = {}
        for line in self.journal.read_text().splitlines():
            fate, _, target = line.partition(" ")
            found.setdefault(target, []).append(fate)
        return found


@pytest.fixture
def server(tmp_path: Path) -> Iterator[Server]:
    running = Server(tmp_path)
    yield running
    running.process.kill()
    running.process.wait()
    assert running.process.stdout is not None
    running.process.stdout.close()


@pytest.fixture(autouse=True)
def on(footfall_on: None) -> None:
    """Messages are sent."""


def fill(writer: QueueWriter, messages: int = MESSAGES, unwanted: int = UNWANTED) -> None:
    for number in range(messages - unwanted):
        writer.push("events", f"type{number % TYPES}", "v1", {"n": number}, reqid=f"m{number}")
    for number in range(unwanted):
        writer.push("events", "unwanted", "v1", {"n": number})


def judge(server: Server, messages: int = MESSAGES, unwanted: int = UNWANTED, *, killed: int = 0) -> None:
    """Assert that each wanted message was taken once, but for copies of what was taken without a word."""
    fates = server.fates()
    wanted = {target: tries for target, tries in fates.items() if ".unwanted." not in target}
    assert len(wanted) == messages - unwanted
    counts = {target: Counter(tries) for target, tries in wanted.items()}
    assert [target for target, count in counts.items() if not count["accepted"] + count["unsaid"]] == []
    copies = sum(count["accepted"] + count["unsaid"] - 1 for count in counts.values())
    unsaid = sum(count["unsaid"] for count in counts.values())
    assert copies <= unsaid + killed
    if not killed:
        assert all(count["accepted"] == 1 for count in counts.values())
    dropped = [target for target in fates if ".unwanted." in target]
    assert 1 <= len(dropped) <= 8 + killed  # what was under way when the rule came


@contextlib.contextmanager
def child(task: str, config: Any, *more: str) -> Iterator[subprocess.Popen[str]]:
    process = subprocess.Popen(
        [sys.executable, str(HERE / "ramen_child.py"), json.dumps([task, config.to_native()]), *more],
        stdout=subprocess.PIPE,
        text=True,
    )
    try:
        yield process
    finally:
        process.kill()
        process.wait()
        assert process.stdout is not None
        process.stdout.close()


@pytest.mark.parametrize("readers", [1, 2, 4, 8])
def test_readers_in_threads(readers: int, tmp_path: Path, server: Server) -> None:
    """They share one outbox and take turns; the sum of what they return is the number of messages."""
    config = config_for(server.host, tmp_path)
    writer = QueueWriter(config)
    fill(writer)
    handled: list[int] = []

    def work() -> None:
        reader, mine = QueueReader(config), 0
        while writer.queue_size():
            mine += reader.run(blocking=False)
        handled.append(mine)

    threads = [threading.Thread(target=work) for _ in range(readers)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(GUARD_SECONDS)
    assert sum(handled) == MESSAGES
    judge(server)
    assert writer._queue.dropped() == {"rule": UNWANTED}


@pytest.mark.parametrize("readers", [1, 2, 4, 8])
def test_readers_in_processes(readers: int, tmp_path: Path, server: Server) -> None:
    """One holds the outbox, the others wait their turn; the sum of what they return is the number of messages."""
    config = config_for(server.host, tmp_path)
    writer = QueueWriter(config)
    fill(writer)
    with contextlib.ExitStack() as stack:
        processes = [stack.enter_context(child("drain", config)) for _ in range(readers)]
        handled = []
        for process in processes:
            said, _ = process.communicate(timeout=GUARD_SECONDS)
            handled.append(int(said.split()[-1]))
        assert sum(handled) == MESSAGES
    assert len(writer._queue) == 0
    judge(server)
    assert writer._queue.dropped() == {"rule": UNWANTED}


def test_another_reader_takes_over_when_one_dies(tmp_path: Path, server: Server) -> None:
    """SIGKILL in the middle: the waiting reader goes on; copies only of what was under way."""
    config = config_for(server.host, tmp_path)
    writer = QueueWriter(config)
    fill(writer, 3000, 100)
    with child("serve", config) as first, child("serve", config) as second:
        for victims, process in enumerate((first, second)):
            assert process.stdout is not None
            process.stdout.readline()
            while not server.journal.exists() or len(server.fates()) < 800 * (victims + 1):
                time.sleep(0.05)
            process.send_signal(signal.SIGKILL)
            process.wait()
    reader = QueueReader(config)
    while len(writer._queue):
        reader.run(blocking=False)
    judge(server, 3000, 100, killed=16)


def test_a_push_survives_sigkill(tmp_path: Path) -> None:
    """Whatever `push` returned for is in the queue, ten times over."""
    config = config_for("127.0.0.1:9", tmp_path)
    said = 0
    for round_ in range(10):
        with child("push", config) as process:
            assert process.stdout is not None
            for _ in range(50 + 37 * round_):
                process.stdout.readline()
            process.send_signal(signal.SIGKILL)
            rest, _ = process.communicate()
            said += 50 + 37 * round_ + rest.count("\n")
    assert said <= len(QueueWriter(config)._queue) <= said + 10


def test_many_processes_may_begin_at_once(tmp_path: Path) -> None:
    """The first use by several processes makes one queue (defect 13)."""
    config = config_for("127.0.0.1:9", tmp_path)
    with contextlib.ExitStack() as stack:
        processes = [stack.enter_context(child("push one", config, str(number))) for number in range(12)]
        assert [process.wait(GUARD_SECONDS) for process in processes] == [0] * 12
    writer, found = QueueWriter(config), set()
    while (item := writer._queue.pop()) is not None:
        found.add(json.loads(zlib.decompress(item["data"]))["from"])
    assert found == {str(number) for number in range(12)}
