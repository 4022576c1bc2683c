"""Child processes that measure when told to.

Each side of a figure runs in a process of its own, because what one loads changes the other: where the OpenTelemetry
SDK is loaded, footfall looks whether the host traces. A worker that is not measured is stopped (SIGSTOP), background
threads and all, so that sides take turns in earnest.

``python -m bench.worker bench.calls:reported`` imports the module, calls the function with the JSON object on the first
line of stdin as keywords, and then calls what that returned once a line; each answer is one JSON line.
"""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from collections.abc import Mapping
from importlib import import_module
from pathlib import Path
from types import TracebackType
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from typing_extensions import Self

ROOT = Path(__file__).resolve().parent.parent

_STOP, _CONTINUE = getattr(signal, "SIGSTOP", None), getattr(signal, "SIGCONT", None)

_ABOUT_CONSENT = ("DO_NOT_TRACK", "OTEL_SDK_DISABLED", "MIGAS_OPTOUT")


def environment(directory: Path, extra: Mapping[str, str] | None = None) -> dict[str, str]:
    """Return the environment of a child whose files all lie below *directory*.

    Compiled modules go there too: whether the tree's own are fresh, or writable, must not matter.
    """
    foreign = ("FOOTFALL", "OTEL_", "XDG_", "PYTHONDONTWRITEBYTECODE", *_ABOUT_CONSENT)
    kept = {name: value for name, value in os.environ.items() if not name.startswith(foreign)}
    paths = [str(ROOT), os.environ.get("PYTHONPATH", ""), str(ROOT / "src")]
    directory.mkdir(mode=0o700, parents=True, exist_ok=True)
    return {
        **kept,
        "FOOTFALL": "on",
        "FOOTFALL_DIR": str(directory / "state"),
        "XDG_CONFIG_HOME": str(directory / "config"),
        "XDG_STATE_HOME": str(directory / "xdg-state"),
        "PYTHONPATH": os.pathsep.join(filter(None, paths)),
        "PYTHONPYCACHEPREFIX": str(directory.parent / "compiled"),
        "PYTHONHASHSEED": "0",
        "NO_PROXY": "127.0.0.1,localhost",
        **(extra or {}),
    }


class Worker:
    """One child; calling it runs one round and returns what it measured.

    Args:
        setup: ``module:function`` that returns the function of a round.
        directory: For its files.
        environ: On top of `environment`.
        arguments: Keywords of *setup*.
    """

    def __init__(
        self, setup: str, directory: Path, *, environ: Mapping[str, str] | None = None, **arguments: Any
    ) -> None:
        self.directory = directory
        self._process = subprocess.Popen(
            [sys.executable, "-m", "bench.worker", setup],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            env=environment(directory, environ),
            text=True,
        )
        self._say(json.dumps(arguments))
        self._hear()
        self._pause()

    def __call__(self) -> Any:
        """Run one round; return what it measured."""
        self.begin()
        return self.end()

    def begin(self) -> None:
        """Start a round, and do not wait for it."""
        if _CONTINUE is not None:
            self._process.send_signal(_CONTINUE)
        self._say("")

    def end(self) -> Any:
        """Wait for the round that was begun; return what it measured."""
        measured = self._hear()
        self._pause()
        return measured

    def close(self) -> None:
        """Let the child end in good order, and wait for that."""
        if _CONTINUE is not None and self._process.poll() is None:
            self._process.send_signal(_CONTINUE)
        if self._process.stdin is not None:
            self._process.stdin.close()
        self._process.wait(60)
        if self._process.stdout is not None:
            self._process.stdout.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if kind is not None:
            self._process.kill()
        self.close()

    def _say(self, text: str) -> None:
        stdin = self._process.stdin
        if stdin is None:
            raise RuntimeError("a worker is told what to do through a pipe")
        stdin.write(text + "\n")
        stdin.flush()

    def _hear(self) -> Any:
        stdout = self._process.stdout
        line = stdout.readline() if stdout is not None else ""
        if not line:
            msg = f"bench worker {self._process.args!r} ended with {self._process.wait()}; its stderr is above"
            raise RuntimeError(msg)
        return json.loads(line)

    def _pause(self) -> None:
        if _STOP is not None:
            self._process.send_signal(_STOP)


def main() -> None:
    """Serve one parent until it closes the pipe."""
    module, _, name = sys.argv[1].partition(":")
    measure = getattr(import_module(module), name)(**json.loads(sys.stdin.readline()))
    answers = os.fdopen(os.dup(sys.stdout.fileno()), "w")
    answers.write("null\n")
    answers.flush()
    for _ in sys.stdin:
        answers.write(json.dumps(measure()) + "\n")
        answers.flush()


if __name__ == "__main__":
    main()
