"""What the tests of the command line share: running it as a user does, and something to deliver."""

from __future__ import annotations

import os
import subprocess
import sys
import textwrap
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path

from tests.terminal import run_python

from footfall.delivery import Delivery
from footfall.places import Places, find
from footfall.settings import Settings

SECONDS = 60.0

PROGRAM = """
import sys, footfall
url, events, project = sys.argv[1:]
send_to = [footfall.Migas(url, credentials="env:TOOL_TOKEN"), footfall.Otlp(url)]
footfall.instrument(project, version="1.0", send_to=send_to)
for number in range(int(events)):
    footfall.event("step", number=number)
"""


def footfall(*arguments: str, **variables: str) -> subprocess.CompletedProcess[str]:
    """Run the command line in a process of its own, with footfall on unless *variables* say otherwise."""
    return subprocess.run(
        [sys.executable, "-m", "footfall", *arguments],
        env=environ(variables),
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        timeout=SECONDS,
        check=False,
    )


def start(*arguments: str, **variables: str) -> subprocess.Popen[str]:
    """Start the command line and go on."""
    return subprocess.Popen(
        [sys.executable, "-m", "footfall", *arguments],
        env=environ(variables),
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )


def on_a_terminal(arguments: Sequence[str], variables: Mapping[str, str]) -> tuple[int, str, str]:
    """Run the command line with a terminal on stderr; return status, stdout, and what the terminal was sent."""
    return run_python(["-m", "footfall", *arguments], environ(variables), timeout_seconds=SECONDS)


def environ(variables: Mapping[str, str]) -> dict[str, str]:
    """Return the test's environment with *variables* on top."""
    return {**os.environ, "FOOTFALL": "on", "TOOL_TOKEN": "Authorization: Bearer canary-7731", **variables}


def record(url: str, events: int = 1, *, project: str = "owner/tool", **variables: str) -> None:
    """Have a process record *events* events for a migas and an OTLP server at *url*, and leave them to others."""
    subprocess.run(
        [sys.executable, "-c", PROGRAM, url, str(events), project],
        env=environ({"FOOTFALL_EXIT_BUDGET_SECONDS": "0", "FOOTFALL_DELIVERY_INTERVAL_SECONDS": "600", **variables}),
        stdin=subprocess.DEVNULL,
        timeout=SECONDS,
        check=True,
    )


def registered(directory: Path, registry: str, **modules: str) -> dict[str, str]:
    """Write a registry and the *modules* of package ``lib`` that it names; return the variables that lead to both."""
    package = directory / "path" / "lib"
    package.mkdir(parents=True, exist_ok=True)
    (package / "__init__.py").touch()
    for name, source in modules.items():
        (package / f"{name}.py").write_text(textwrap.dedent(source))
    file = directory / "usage.yaml"
    file.write_text(textwrap.dedent(registry))
    file.chmod(0o600)
    return {"PYTHONPATH": str(package.parent), "FOOTFALL_CONFIG": str(file)}


def places() -> Places:
    """Return where the test's files are."""
    found = find(os.environ["FOOTFALL_DIR"], os.environ)
    assert found is not None
    return found


@contextmanager
def delivering() -> Iterator[Delivery]:
    """Be the process that delivers, but do not."""
    delivery = Delivery(places(), Settings())
    try:
        yield delivery
    finally:
        delivery.close()


def files() -> list[Path]:
    """Return everything below the directories that footfall would use in this test."""
    roots = [Path(os.environ[name]) for name in ("FOOTFALL_DIR", "XDG_CONFIG_HOME", "XDG_STATE_HOME", "HOME")]
    return [path for root in roots for path in (root, *root.rglob("*")) if path.exists()]
