"""Watch networkx, a real package that knows nothing of footfall, on its own data, and check every number.

Everything happens on this machine: a server on the loopback interface, directories of the demo's own, programs that are
children of this one. The server refuses connections at first, a program is killed inside a tracked run, workers are
forked, a call raises, one function is called faster than it is reported. At the end, the calls that the programs made
are compared with what the server wrote down. The exit status is 1 when any number is not as it must be, and 2 when
something is not installed: pip install "footfall[demo]"
"""

from __future__ import annotations

import json
import os
import shutil
import sys
import tempfile
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from footfall.cli.demo import checks, telling
from footfall.cli.demo.stage import DemoError, Stage, missing, opted_out
from footfall.cli.main import DONE, UNFINISHED, WRONG_USE
from footfall.errors import ConfigurationError

if TYPE_CHECKING:
    import argparse
    from collections.abc import Callable

    from footfall.testing.sink import Sink

EXAMPLE: Final = """\
$ footfall demo
$ footfall demo --json
"""

SEND_SECONDS: Final = 30

SINK_SECONDS: Final = 300.0
"""After which the server ends by itself, should this process be killed."""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the options of ``footfall demo``."""
    parser.add_argument("--json", action="store_true", help="for programs: the result as one JSON object")
    parser.add_argument(
        "--keep", metavar="DIR", help="play in this directory, new or empty, and leave all files there to look at"
    )


def run(arguments: argparse.Namespace) -> int:
    """Play the demo; return 1 when a check fails, 2 when it cannot be played here."""
    absent = missing()
    if absent:
        print(f'footfall demo needs {" and ".join(absent)}: pip install "footfall[demo]"', file=sys.stderr)
        return WRONG_USE
    if not hasattr(os, "fork"):
        print("footfall demo shows forked workers, which this platform does not have", file=sys.stderr)
        return WRONG_USE
    directory = _directory(arguments.keep)
    tell = _silent if arguments.json else _print
    try:
        result = _play(directory, tell)
    except DemoError as error:
        print(f"footfall demo: {error}", file=sys.stderr)
        if arguments.json:
            print(json.dumps({"ok": False, "error": str(error)}))
        return UNFINISHED
    finally:
        if not arguments.keep:
            shutil.rmtree(directory, ignore_errors=True)
    if arguments.json:
        print(json.dumps(result, indent=2))
    elif arguments.keep:
        print(f"\nall files are in {directory}")
    return DONE if result["ok"] else UNFINISHED


def _print(line: str) -> None:
    print(line, flush=True)


def _silent(line: str) -> None:
    del line


def _directory(keep: str | None) -> Path:
    """Return an empty directory of mode 0700.

    Raises:
        ConfigurationError: The one that was asked for holds something, or cannot be made.
    """
    if keep is None:
        return Path(tempfile.mkdtemp(prefix="footfall-demo-"))
    directory = Path(keep).absolute()
    try:
        directory.mkdir(mode=0o700, exist_ok=True)
        empty = not any(directory.iterdir())
    except OSError as error:
        msg = f"--keep {keep}: {error.strerror}; name a directory that can be made"
        raise ConfigurationError(msg) from None
    if not empty:
        msg = f"--keep {keep}: it is not empty; name a new directory"
        raise ConfigurationError(msg)
    return directory


def _play(directory: Path, tell: Callable[[str], None]) -> dict[str, Any]:
    """Play in *directory* and return the result as plain data; *tell* is given each line for people."""
    from footfall.testing.sink import Sink

    began = time.monotonic()
    stage = Stage.build(directory, os.environ)
    for name in opted_out(os.environ):
        tell(f"{name}={os.environ[name]} is set: it holds for you, but not for the demo's own programs.")
    sink = Sink(directory / "sink", max_seconds=SINK_SECONDS)
    try:
        sink.start()
    except RuntimeError as error:
        raise DemoError(str(error)) from None
    try:
        evidence = _story(stage, sink, tell)
    finally:
        sink.stop()
    found = checks.judge(evidence)
    seconds = time.monotonic() - began
    for line in telling.lines(evidence, found, seconds):
        tell(line)
    return telling.result(evidence, found, seconds)


def _story(stage: Stage, sink: Sink, tell: Callable[[str], None]) -> checks.Evidence:
    """Run the programs, one after the other; return what there is to judge by."""
    from footfall.wire.destinations import Migas, Otlp

    url = sink.url
    sink.set_mode("refuse")
    tell(f"A server listens at {url}, and refuses connections for now.")
    tell("1. An application that knows nothing of footfall, under opentelemetry-instrument:")
    tell(f"   {stage.application(url)}")
    tell(f"2. A program that tracks a run, killed in the middle: process {stage.killed(url)}, SIGKILL.")
    waiting, refused = stage.status(), len(sink.requests())
    tell(f"   footfall status: {waiting['ledger']['pending']} records pending, {refused} requests at the server.")
    sink.set_mode("ok")
    tell("3. The server is up now. A program with footfall.instrument(), a pool of workers, and forked children:")
    tell(f"   {stage.library(url)}")
    sent, printed = stage.footfall("send", "--deadline", str(SEND_SECONDS))
    tell("4. footfall send:")
    for line in printed.splitlines():
        tell(f"   {line}")
    return checks.Evidence(
        calls=stage.reports(),
        refused=refused,
        waiting=waiting,
        sent=sent,
        status=stage.status(),
        requests=sink.requests(),
        paths={
            Migas(url, dialect="graphql").key: "/graphql",
            Migas(url).key: "/api/breadcrumb",
            Otlp(url).key: "/v1/",
        },
    )
