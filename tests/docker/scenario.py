"""Runs inside a sandbox, as the image's user: starts the image's process and a sink, waits, and prints what came of it.

It gets one JSON object: ``process`` (entry point and command), ``healthcheck``, ``sink`` (a port), ``wanted`` (how many
accepted requests to wait for), and ``application``, a further command that is run to its end meanwhile, or null.
Everything ends with this process, for it is alone in its namespace of processes.
"""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

SECONDS = 60
REQUESTS = Path("/tmp/sink/requests.jsonl")


def until(true: Callable[[], object], what: str) -> None:
    """Wait for *true*, or end with the words of what was waited for."""
    end = time.monotonic() + SECONDS
    while not true():
        if time.monotonic() > end:
            sys.exit(f"{what} did not come about in {SECONDS} s")
        time.sleep(0.05)


def lines() -> list[dict]:
    return [json.loads(line) for line in REQUESTS.read_text().splitlines()] if REQUESTS.exists() else []


def writable(path: str) -> bool:
    try:
        Path(path, "probe").touch()
    except OSError:
        return False
    return True


def main() -> None:
    given = json.loads(sys.argv[1])
    sink = [sys.executable, "-m", "footfall.testing.sink", "--directory=/tmp/sink", f"--port={given['sink']}"]
    subprocess.Popen(sink)
    until(lambda: Path("/tmp/sink/ready.json").exists(), "the sink")
    process = subprocess.Popen(given["process"])
    healthy = lambda: subprocess.run(given["healthcheck"], capture_output=True, check=False).returncode == 0  # noqa: E731
    until(lambda: healthy() or process.poll(), "health")
    if process.poll():
        sys.exit(f"{given['process']} ended with {process.poll()}")
    if given["application"]:
        subprocess.run(given["application"], check=True, timeout=SECONDS)
    until(lambda: sum(line["accepted"] for line in lines()) >= given["wanted"], f"{given['wanted']} accepted requests")
    still_healthy = healthy()
    if process.poll() is None:
        process.send_signal(signal.SIGTERM)
    print(
        json.dumps(
            {
                "ids": [os.getuid(), os.getgid()],
                "status": process.wait(SECONDS),
                "healthy": still_healthy,
                "writable": [path for path in ("/", "/opt", "/opt/footfall", "/etc", "/usr/lib") if writable(path)],
                "requests": [{"path": line["path"], "records": line["records"]} for line in lines()],
            }
        )
    )


if __name__ == "__main__":
    main()
