"""Programs and calls of the migas client: the original's, and the facade's in their place."""

from __future__ import annotations

import base64
import json
import os
import re
import socketserver
import subprocess
import sys
import threading
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import footfall
from footfall.facade import migas
from footfall.facade.migas import operations
from footfall.facade.migas.config import Config
from footfall.testing.sink.client import Received, Sink
from tests.process.harness import GUARD_SECONDS, Observation
from tests.wire import recorded
from tests.wire.recorded import VECTORS

CLOSED_PORT = "9"
"""Of this machine: the discard service, which nobody runs."""

PINNED = ("language", "language_version", "platform", "container", "is_ci", "user_type")
"""What the recordings fix besides the ids."""

FUNCTIONS = {
    "migas.add_breadcrumb": migas.add_breadcrumb,
    "migas.check_project": migas.check_project,
    "migas.get_usage": migas.get_usage,
    "migas.operations.add_project": operations.add_project,
}

# Makes each call as the recording says, in one process, and prints what came of each.
_ORIGINAL = """
import json, os, sys, warnings, migas, migas.operations
from migas.config import Config
from footfall.testing.sink.client import read_requests
from pathlib import Path
warnings.simplefilter("ignore")
directory, calls = json.load(sys.stdin)
said = {}
for number, call in calls.items():
    os.environ.update(call["env"])
    config = call["config"]
    if config:
        ids = {name: config[name] for name in ("endpoint", "user_id", "session_id")}
        migas.setup(save_config=False, **ids)
        for name, value in config.items():
            setattr(Config, name, value)
    function = migas
    for name in call["function"].split(".")[1:]:
        function = getattr(function, name)
    before, outcome = len(read_requests(Path(directory))), {}
    try:
        outcome["returned"] = function(*call["args"], **call["kwargs"])
    except Exception as error:
        outcome["raised"] = type(error).__name__
    outcome["bodies"] = [json.loads(each.body) for each in read_requests(Path(directory))[before:]]
    said[number] = outcome
    for name in call["env"]:
        del os.environ[name]
    Config._reset()
    Config._pid = None
print(json.dumps(said))
"""


def original_calls(sink: Sink, directory: Path, numbers: Iterable[int]) -> dict[int, dict[str, Any]]:
    """Make the calls of recordings with migas 0.4.0; return what each returned or raised, and the bodies it sent."""
    calls = {number: call_for(number, sink) for number in numbers}
    done = subprocess.run(
        [sys.executable, "-c", _ORIGINAL],
        input=json.dumps([str(sink.directory), calls]),
        env=original_environment(directory),
        capture_output=True,
        text=True,
        timeout=GUARD_SECONDS,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    return {int(number): outcome for number, outcome in json.loads(done.stdout).items()}


def original_environment(directory: Path) -> dict[str, str]:
    """A home and a temporary folder of its own: the original keeps a file there for each process number."""
    kept = {name: value for name, value in os.environ.items() if name in {"PATH", "LANG", "SYSTEMROOT"}}
    return {**kept, "HOME": str(directory), "TMPDIR": str(directory)}


def call_for(number: int, sink: Sink) -> dict[str, Any]:
    """The call of a recording, with the sink in place of the recorder."""
    text = json.dumps(VECTORS[number]["call"])
    filled: dict[str, Any] = json.loads(with_sink(text, sink))
    return filled


def with_sink(text: str, sink: Sink) -> str:
    """Names and ports of the recorder, filled in."""
    filled = text.replace("<HOST>", "127.0.0.1").replace("<PORT>", str(sink.port))
    return filled.replace("<CLOSED_PORT>", CLOSED_PORT)


def set_up(config: dict[str, Any]) -> None:
    """Configure the facade as a recording was; the empty configuration is that of a program that never called setup."""
    if not config:
        return
    migas.setup(**{name: config[name] for name in ("endpoint", "user_id", "session_id")}, save_config=False)
    for name in PINNED:
        if name in config:
            setattr(Config, name, config[name])


def requests_after(sink: Sink, before: int) -> list[Received]:
    """What the sink received since it had *before* requests, once all is delivered that can be."""
    footfall.drain(10.0)
    return sink.requests()[before:]


def meaning_of(body: Any) -> dict[str, Any]:
    """Meaning of a crumb's decoded body, in either dialect."""
    return recorded.recorded_meaning({"body_json": body})


def question_in(body: dict[str, Any]) -> tuple[str, dict[str, Any]]:
    """Operation and arguments of a question, pasted into the document or sent as variables."""
    document = body["query"]
    if "variables" in body:
        operation = re.findall(r"\{(\w+)\(", document)[0]
        return operation, {name: body["variables"][key] for name, key in re.findall(r"(\w+):\$(\w+)", document)}
    return recorded.parse_document(document)


def run_program(observation: Observation, text: str, **extra: str) -> subprocess.Popen[str]:
    """Start a program of a migas user with nothing but its imports changed."""
    text = text.replace("import migas\n", "from footfall.facade import migas\n")
    text = text.replace("from migas", "from footfall.facade.migas")
    script = observation.directory / "program.py"
    script.write_text(text)
    environment = observation.environment(**extra)
    environment.pop("PYTHONWARNINGS")  # these programs end in ways that leave their own files open
    return subprocess.Popen(
        [sys.executable, str(script)], env=environment, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    )


class Replay(socketserver.ThreadingTCPServer):
    """Answers every request with one recorded answer."""

    allow_reuse_address = True
    daemon_threads = True

    def __init__(self, answer: dict[str, Any]) -> None:
        body = base64.b64decode(answer["body_base64"]) if "body_base64" in answer else answer.get("body", "").encode()
        head = f"HTTP/1.1 {answer['status']} Recorded\r\nConnection: close\r\nContent-Length: {len(body)}\r\n"
        head += "".join(f"{name}: {value}\r\n" for name, value in answer["headers"].items())
        self.answer = head.encode() + b"\r\n" + body
        super().__init__(("127.0.0.1", 0), _Replayed)


class _Replayed(socketserver.StreamRequestHandler):
    server: Replay

    def handle(self) -> None:
        length = 0
        while (line := self.rfile.readline()) not in (b"\r\n", b""):
            name, _, value = line.partition(b":")
            length = int(value) if name.lower() == b"content-length" else length
        self.rfile.read(length)
        self.wfile.write(self.server.answer)


@contextmanager
def replaying(answer: dict[str, Any]) -> Iterator[str]:
    """Base URL of a server that gives one recorded answer."""
    with Replay(answer) as server:
        thread = threading.Thread(target=server.serve_forever, args=(0.01,))
        thread.start()
        try:
            yield f"http://127.0.0.1:{server.server_address[1]}"
        finally:
            server.shutdown()
            thread.join()
