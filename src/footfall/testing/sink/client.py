"""A test's side of the sink: start the process, steer it, read its journal."""

from __future__ import annotations

import http.client
import json
import os
import subprocess
import sys
import time
from dataclasses import dataclass, field, fields
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final, final

from footfall.testing.sink.server import CONTROL_PATH, READY_FILE, REQUESTS_FILE

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable
    from types import TracebackType
_START_SECONDS: Final = 30.0
_STOP_SECONDS: Final = 5.0
_POLL_SECONDS: Final = 0.01
_LOG_FILE: Final = "sink.log"

# -I keeps the environment, the working directory and `sitecustomize` of the program under test out of the sink; the
# module search path of this process goes after the sink's own.
_BOOT: Final = (
    "import json, sys; sys.path.extend(p for p in json.loads(sys.argv.pop(1)) if p not in sys.path); "
    "from footfall.testing.sink.server import main; sys.exit(main())"
)


@dataclass(frozen=True, kw_only=True)
class Received:
    """One request as the sink's journal has it.

    Attributes:
        time_ns: UTC, when it had been read.
        path: With its query.
        wire: ``access``, ``insights``, ``migas``, ``otlp``, ``ramen``, ``tracker``, or "" when no wire has that path.
        mode: In force for this request; ``ok`` where the mode spared it.
        answer: Status that reached the client; None when none did.
        accepted: Whether the server took the records: the documented yes, or a yes that was lost on its way.
        key: Of the ``Idempotency-Key`` header, or "".
        auth_headers: Lower-case names of headers that carry credentials.
        headers: All headers, lower-case names; the values of `auth_headers` are masked.
        body: Text, or base64 where `body_encoding` says so.
        records: What it carried. A crumb: the fields of the REST body. A span or log: name, ids in hexadecimal,
            attributes, resource, times, status. A call record: its ``endpoint``, and its ``fields`` as sent. A message
            of ramen: the parts of its URL, ``packing``, and ``data``, ``text`` or ``data_base64``. What a tracker
            takes: its ``fields`` as sent. A package for insights: its ``members``, unpacked. ``type`` is ``crumb``,
            ``span``, ``log``, ``record``, ``message``, ``configuration``, ``job``, ``event`` or ``package``;
            ``refused`` says why the server did not take this one, ``lost`` why it loses it after having said yes.
        sink_error: Not empty when the sink itself failed: report it.
    """

    time_ns: int
    method: str = ""
    path: str = ""
    wire: str = ""
    mode: str = ""
    answer: int | None
    accepted: bool
    key: str = ""
    auth_headers: list[str] = field(default_factory=list[str])
    headers: dict[str, str] = field(default_factory=dict[str, str])
    body_sha256: str = ""
    body_encoding: str = "utf-8"
    body: str = ""
    records: list[dict[str, Any]] = field(default_factory=list[dict[str, Any]])
    sink_error: str = ""

    @property
    def crumb(self) -> dict[str, Any]:
        """The only record.

        Raises:
            ValueError: There is none, or more than one.
        """
        (only,) = self.records
        return only


_NAMES: Final = frozenset(each.name for each in fields(Received))


def read_requests(directory: Path) -> list[Received]:
    """Return what the sink in *directory* received so far, in order; works on a sink that is dead."""
    return _Reader(directory / REQUESTS_FILE).read()


class _Reader:
    """Reads the journal on from where it was; a test that waits on 100 000 requests reads each line once."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._offset = 0
        self._requests: list[Received] = []

    def read(self) -> list[Received]:
        try:
            with self._path.open("rb") as file:
                file.seek(self._offset)
                new = file.read()
        except FileNotFoundError:
            return []
        whole = new[: new.rfind(b"\n") + 1]
        self._offset += len(whole)
        for line in whole.splitlines():
            try:
                values = json.loads(line)
            except ValueError:  # torn by a kill; the sink answers after it wrote, so nobody was told yes
                continue
            self._requests.append(Received(**{name: values[name] for name in values.keys() & _NAMES}))
        return list(self._requests)


@final
class Sink:
    """A sink in a process of its own; a context manager that starts and stops it.

    Args:
        directory: For its journal; made if need be. A sink started again in the same directory goes on with the same
            journal.
        mode: The first one, see `footfall.testing.sink.modes`.
        register: Registered projects; empty registers every ``owner/name``.
        port: 0 takes a free one, and keeps it when the sink is started again.
        max_seconds: After which the process ends by itself.
    """

    def __init__(
        self,
        directory: Path | str,
        *,
        mode: str = "ok",
        register: Iterable[str] = (),
        port: int = 0,
        max_seconds: float = 600.0,
    ) -> None:
        self.directory = Path(directory)
        self._mode = mode
        self._register = list(register)
        self._port = port
        self._max_seconds = max_seconds
        self._control_port = 0
        self._process: subprocess.Popen[bytes] | None = None
        self._reader = _Reader(self.directory / REQUESTS_FILE)

    def __enter__(self) -> Sink:
        return self.start()

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.stop()

    @property
    def url(self) -> str:
        """Base URL, without a final slash; the same after a restart."""
        return f"http://127.0.0.1:{self._port}"

    @property
    def port(self) -> int:
        """Of ``127.0.0.1``; 0 before the first start."""
        return self._port

    @property
    def pid(self) -> int:
        """Of the running process; 0 when there is none."""
        return self._process.pid if self._process is not None else 0

    def start(self) -> Sink:
        """Start the process, and return when it answers.

        Raises:
            RuntimeError: It runs already, or did not come up; the message holds what it said.
        """
        if self._process is not None:
            msg = f"this sink runs already, as process {self.pid}"
            raise RuntimeError(msg)
        self.directory.mkdir(parents=True, exist_ok=True)
        ready = self.directory / READY_FILE
        ready.unlink(missing_ok=True)
        command = [sys.executable, "-I", "-c", _BOOT, json.dumps([str(Path(path).resolve()) for path in sys.path])]
        command += ["--directory", str(self.directory.resolve()), "--port", str(self._port), "--mode", self._mode]
        command += ["--parent", str(os.getpid()), "--max-seconds", str(self._max_seconds)]
        command += ["--register", *self._register]
        with (self.directory / _LOG_FILE).open("ab") as log:
            self._process = subprocess.Popen(
                command, stdin=subprocess.DEVNULL, stdout=log, stderr=log, cwd=self.directory
            )
        end = time.monotonic() + _START_SECONDS
        while not ready.exists():
            if self._process.poll() is not None or time.monotonic() > end:
                said = (self.directory / _LOG_FILE).read_text(encoding="utf-8", errors="replace")[-2000:]
                self.kill()
                msg = f"the sink did not start in {_START_SECONDS:.0f} s; it said:\n{said}"
                raise RuntimeError(msg)
            time.sleep(_POLL_SECONDS)
        found = json.loads(ready.read_text(encoding="utf-8"))
        self._port, self._control_port = found["port"], found["control_port"]
        return self

    def stop(self) -> None:
        """End the process, hanging connections and all; does nothing when it has ended."""
        self._end(kill=False)

    def kill(self) -> None:
        """End the process as SIGKILL does. The journal stays, and `start` brings the sink back on the same port."""
        self._end(kill=True)

    def _end(self, *, kill: bool) -> None:
        process, self._process = self._process, None
        if process is None:
            return
        if not kill:
            process.terminate()
            try:
                process.wait(_STOP_SECONDS)
            except subprocess.TimeoutExpired:
                kill = True
        if kill:
            process.kill()
            process.wait()

    def set_mode(self, mode: str, where: str = "") -> None:
        """Switch to *mode*; in force when this returns.

        Args:
            mode: See `footfall.testing.sink.modes`.
            where: "" for every request (ends all narrower modes), a wire's name, or the beginning of a path.

        Raises:
            ValueError: No such mode, wrong parameters, or a mode of the socket for some requests only.
        """
        self._order("mode", {"mode": mode, "where": where})

    def set_project(
        self, name: str, *, latest: str | None = None, flagged: Iterable[str] = (), message: str = ""
    ) -> None:
        """Register *name*, and set what migas' ``check_project`` says of it.

        Args:
            name: ``owner/name``.
            latest: Newest version; None answers the version asked about, "" fails as when the server cannot find out.
            flagged: Versions that their developers flagged.
            message: From the developers.
        """
        self._order("project", {"name": name, "latest": latest, "flagged": list(flagged), "message": message})

    def _order(self, order: str, given: dict[str, Any]) -> None:
        connection = http.client.HTTPConnection("127.0.0.1", self._control_port, timeout=_START_SECONDS)
        try:
            connection.request("POST", CONTROL_PATH + order, json.dumps(given))
            answer = connection.getresponse()
            said = json.loads(answer.read())
        finally:
            connection.close()
        if answer.status != 200:
            raise ValueError(said["error"])

    def requests(self) -> list[Received]:
        """Return all requests so far, in the order in which they were read."""
        return self._reader.read()

    def records(self) -> list[dict[str, Any]]:
        """Return the records that the sink took, in order; one that came twice is there twice."""
        taken = (request.records for request in self.requests() if request.accepted)
        return [record for records in taken for record in records if "refused" not in record]

    def wait_for(self, predicate: Callable[[list[Received]], object], timeout_seconds: float = 10.0) -> list[Received]:
        """Return the requests as soon as *predicate* holds of them.

        Raises:
            TimeoutError: It did not hold within *timeout_seconds*; the message lists what did arrive.
        """
        end = time.monotonic() + timeout_seconds
        while True:
            requests = self.requests()
            if predicate(requests):
                return requests
            if time.monotonic() > end:
                lines = [
                    f"  {each.method} {each.path} {each.mode} {each.answer} accepted={each.accepted}"
                    f" records={len(each.records)}"
                    for each in requests[-20:]
                ]
                msg = f"no such requests within {timeout_seconds} s; {len(requests)} arrived, the last ones:\n"
                raise TimeoutError(msg + "\n".join(lines))
            time.sleep(_POLL_SECONDS)
