"""The sink as a process: it starts, restarts, dies and ends by itself, and its journal outlives it."""

from __future__ import annotations

import contextlib
import hashlib
import json
import os
import socket
import subprocess
import sys
import threading
import time
from pathlib import Path

import pytest
from sinkhelp import CRUMB, GUARD_SECONDS, post, raw_exchange

import footfall
from footfall.testing import Sink, read_requests

SOURCE = str(Path(footfall.__file__).parents[1])


def gone(pid):
    """Whether the process has ended, reaped or not."""
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return True
    return Path(f"/proc/{pid}/stat").read_text(encoding="ascii").rpartition(")")[2].split()[0] == "Z"


def test_journal_and_port_survive_a_kill(tmp_path):
    """After SIGKILL the journal reads on; the next start has the same port and goes on in the same file."""
    with Sink(tmp_path) as sink:
        url = sink.url
        assert raw_exchange(sink.port, post(Idempotency_Key="one")).status == 200
        sink.kill()
        assert sink.pid == 0
        assert [each.key for each in read_requests(tmp_path)] == ["one"]
        sink.start()
        assert sink.url == url
        assert raw_exchange(sink.port, post(Idempotency_Key="two")).status == 200
        assert [each.key for each in sink.requests()] == ["one", "two"]
        assert len(sink.records()) == 2


def test_a_torn_last_line_is_skipped_and_does_not_swallow_the_next(tmp_path):
    """Half a line from a dead sink stays alone."""
    with Sink(tmp_path) as sink:
        raw_exchange(sink.port, post(Idempotency_Key="one"))
        sink.kill()
        with (tmp_path / "requests.jsonl").open("ab") as journal:
            journal.write(b'{"time_ns":1,"met')
        sink.start()
        raw_exchange(sink.port, post(Idempotency_Key="two"))
        assert [each.key for each in sink.requests()] == ["one", "two"]


def test_no_answer_without_a_line_also_when_killed(tmp_path):
    """Four clients at full speed, then SIGKILL: each answer that arrived has its line in the journal."""
    answered = []

    def client(number):
        with contextlib.suppress(ConnectionError), socket.create_connection(("127.0.0.1", port), GUARD_SECONDS) as line:
            for count in range(1_000_000):
                line.sendall(post(close=False, Idempotency_Key=f"{number}-{count}"))
                if not line.recv(65536).startswith(b"HTTP/1.1 200"):
                    return
                answered.append(f"{number}-{count}")

    with Sink(tmp_path) as sink:
        port = sink.port
        threads = [threading.Thread(target=client, args=(number,)) for number in range(4)]
        for thread in threads:
            thread.start()
        sink.wait_for(lambda requests: len(requests) > 200)
        sink.kill()
        for thread in threads:
            thread.join(GUARD_SECONDS)
    assert len(answered) > 190
    assert {*answered} <= {each.key for each in read_requests(tmp_path)}


def test_a_port_that_is_taken_is_an_error(tmp_path):
    """Somebody listens there: the sink says so instead of answering in their place."""
    with socket.create_server(("127.0.0.1", 0)) as other, pytest.raises(RuntimeError, match="in use"):
        Sink(tmp_path, port=other.getsockname()[1]).start()


def test_stop_ends_hanging_and_dripping_connections(tmp_path):
    """The process ends although connections are open; stopping twice is fine."""
    with Sink(tmp_path, mode="hang") as sink:
        pid = sink.pid
        with socket.create_connection(("127.0.0.1", sink.port), timeout=GUARD_SECONDS) as hanging:
            hanging.sendall(post())
            sink.wait_for(lambda requests: len(requests) == 1)
            sink.stop()
            assert hanging.recv(1) == b""
        assert gone(pid)
        sink.stop()


def test_it_ends_when_its_parent_is_killed(tmp_path):
    """A test run that is killed leaves no sink behind."""
    program = (
        "import os, signal, sys; from footfall.testing import Sink; sink = Sink(sys.argv[1]).start();"
        "print(sink.pid, flush=True); os.kill(os.getpid(), signal.SIGKILL)"
    )
    environment = os.environ | {"PYTHONPATH": SOURCE}
    said = subprocess.run(
        [sys.executable, "-c", program, str(tmp_path)],
        env=environment,
        capture_output=True,
        timeout=60,
        check=False,
    )
    pid = int(said.stdout)
    watch = subprocess.run(
        [sys.executable, "-c", WATCH, str(pid), str(GUARD_SECONDS)], timeout=60, check=False, capture_output=True
    )
    assert watch.returncode == 0


WATCH = """
import os, pathlib, sys, time
pid, end = int(sys.argv[1]), time.monotonic() + float(sys.argv[2])
def alive():
    try:
        os.kill(pid, 0)
        return pathlib.Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except OSError:
        return False
while alive():
    if time.monotonic() > end:
        os.kill(pid, 9)
        sys.exit("still there")
    time.sleep(0.01)
"""
"""Waits for a process that is not a child of ours."""


def test_it_ends_after_its_time(tmp_path):
    """As a command, with its own limit; exit status 0."""
    command = [sys.executable, "-m", "footfall.testing.sink", "--directory", str(tmp_path), "--max-seconds", "0.3"]
    done = subprocess.run(
        command, env=os.environ | {"PYTHONPATH": SOURCE}, timeout=60, check=False, capture_output=True
    )
    assert (done.returncode, done.stdout, done.stderr) == (0, b"", b"")
    assert json.loads((tmp_path / "ready.json").read_text())["port"] > 0


def test_a_sink_that_cannot_start_says_why(tmp_path):
    """The error holds the words of the process, here about an unknown mode."""
    with pytest.raises(RuntimeError, match="'sulk'"):
        Sink(tmp_path, mode="sulk").start()


def test_starting_twice_is_an_error(tmp_path):
    """One object, one process."""
    with Sink(tmp_path) as sink, pytest.raises(RuntimeError, match="runs already"):
        sink.start()


def test_the_environment_of_the_program_under_test_stays_out(tmp_path, monkeypatch):
    """A `sitecustomize` or a module of the working directory, planted for the program, does not reach the sink."""
    for name in ("sitecustomize.py", "json.py", "socket.py"):
        (tmp_path / name).write_text("raise SystemExit('planted')")
    monkeypatch.setenv("PYTHONPATH", str(tmp_path))
    monkeypatch.setenv("OTEL_PYTHON_DISABLED_INSTRUMENTATIONS", "all")
    monkeypatch.chdir(tmp_path)
    with Sink(tmp_path / "sink") as sink:
        assert raw_exchange(sink.port, post()).status == 200


def test_wait_for_says_what_came_instead(tmp_path):
    """A condition that does not come true ends in a list of what did arrive."""
    with Sink(tmp_path, mode="status:503") as sink:
        raw_exchange(sink.port, post())
        with pytest.raises(
            TimeoutError, match=r"1 arrived, the last ones:\n  POST /api/breadcrumb\?wait=true status:503 503"
        ):
            sink.wait_for(lambda requests: len(requests) > 1, timeout_seconds=0.05)


def test_credentials_are_named_and_never_kept(tmp_path):
    """The journal says that an Authorization header came; its value is nowhere in the directory."""
    with Sink(tmp_path) as sink:
        raw_exchange(sink.port, post(Authorization="Bearer canary-1", X_Api_Key="canary-2", Cookie="c=canary-3"))
        (line,) = sink.requests()
    assert line.auth_headers == ["authorization", "cookie", "x-api-key"]
    assert line.headers["authorization"] == "***"
    assert all(b"canary" not in path.read_bytes() for path in tmp_path.iterdir())


def test_what_the_journal_keeps_of_a_request(tmp_path):
    """Key, body, its digest, and the fields; a body that is not text in base64."""
    body = json.dumps(CRUMB).encode()
    with Sink(tmp_path) as sink:
        raw_exchange(sink.port, post(Idempotency_Key="k1", User_Agent="footfall/1"))
        raw_exchange(sink.port, post("/elsewhere", b"\xff\xfe"))
        first, second = sink.requests()
    assert (first.method, first.path, first.wire, first.key) == ("POST", "/api/breadcrumb?wait=true", "migas", "k1")
    assert first.body.encode() == body
    assert first.body_sha256 == hashlib.sha256(body).hexdigest()
    assert first.headers["user-agent"] == "footfall/1"
    assert (second.answer, second.wire, second.body_encoding, second.body) == (404, "", "base64", "//4=")


def test_chunked_bodies_and_expect_are_understood(tmp_path):
    """Clients that announce no length, or ask before they send, get the same answer."""
    body = json.dumps(CRUMB).encode()
    head = b"POST /api/breadcrumb HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\nConnection: close\r\n"
    chunks = b"%x\r\n%s\r\n%x;a=b\r\n%s\r\n0\r\n\r\n" % (9, body[:9], len(body) - 9, body[9:])
    with Sink(tmp_path) as sink:
        assert raw_exchange(sink.port, head + b"Transfer-Encoding: chunked\r\n\r\n" + chunks).status == 202
        expecting = raw_exchange(
            sink.port, head + b"Expect: 100-continue\r\nContent-Length: %d\r\n\r\n%s" % (len(body), body)
        )
    assert expecting.received.startswith(b"HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 202 ")


@pytest.mark.parametrize(
    "request_bytes",
    [
        b"HELO me\r\n\r\n",
        b"POST /x HTTP/1.1\r\nno colon here\r\n\r\n",
        b"POST /x HTTP/1.1\r\nContent-Length: many\r\n\r\n",
        b"POST /x HTTP/1.1\r\nContent-Length: -1\r\n\r\n",
        b"POST /x HTTP/1.1\r\nContent-Length: 99999999999\r\n\r\n",
        b"POST /x HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\n",
        b"POST /x HTTP/1.1\r\n" + b"A: b\r\n" * 300 + b"\r\n",
    ],
    ids=["words", "colon", "length", "negative", "large", "chunk", "headers"],
)
def test_what_is_not_http_is_400_and_noted(footfall_sink, request_bytes):
    """The line in the journal has no path, because nothing about such a request is known."""
    assert raw_exchange(footfall_sink.port, request_bytes).status == 400
    (line,) = footfall_sink.requests()
    assert (line.answer, line.accepted, line.path) == (400, False, "")


def test_it_listens_where_it_is_told_and_is_steered_from_this_machine_only(tmp_path: Path) -> None:
    """In a container other machines reach its records' door; its mode is nobody's but the test's."""
    command = [sys.executable, "-m", "footfall.testing.sink", "--directory", str(tmp_path), "--host", "0.0.0.0"]
    with subprocess.Popen([*command, "--max-seconds", "60"], env=os.environ) as process:
        try:
            end = time.monotonic() + 30
            while not (tmp_path / "ready.json").exists():
                assert process.poll() is None
                assert time.monotonic() < end
                time.sleep(0.01)
            ready = json.loads((tmp_path / "ready.json").read_text(encoding="utf-8"))
            listening = {line.split()[1] for line in Path("/proc/net/tcp").read_text().splitlines() if " 0A " in line}
            assert f"00000000:{ready['port']:04X}" in listening
            assert f"0100007F:{ready['control_port']:04X}" in listening
        finally:
            process.kill()
