"""A real Collector starts with what the compose files give it: command, variables, mounts, token, user."""

from __future__ import annotations

import json
import subprocess
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest
import yaml

from tests.docker.composition import COMPOSE, KAFKA, collectors, services_of
from tests.docker.dockerfile import ROOT, Config, parse
from tests.docker.service import as_service, collector_root

NAMES = ("agent", "entry", "translator-1", "translator-2")

START = """
import json, subprocess, sys, time
from urllib.request import urlopen
process = subprocess.Popen(json.loads(sys.argv[1]))
end = time.monotonic() + 60
while True:
    try:
        urlopen("http://127.0.0.1:13133/", timeout=2).close()
        break
    except OSError:
        if process.poll() is not None or time.monotonic() > end:
            sys.exit("the Collector did not become healthy")
        time.sleep(0.05)
process.terminate()
sys.exit(process.wait(30))
"""


def sandboxed(collector: Path, service: dict[str, Any], folder: Path, command: Sequence[str]) -> list[str]:
    """Return the command line for *command* where the engine would run *service*."""
    root = collector_root(folder / "root", collector)
    hosts = "127.0.0.1 localhost translators entry gateway-1 gateway-2 kafka\n"
    return as_service(service, Config(), root, folder, command, hosts=hosts)


@pytest.mark.parametrize("name", NAMES)
def test_it_becomes_healthy_and_ends_when_told(collector: Path, tmp_path: Path, name: str) -> None:
    """On a read-only root directory, with its queue in a volume, as a user that is not root."""
    service = services_of(COMPOSE)[name]
    command = json.dumps(["/otelcol", *service["command"]])
    line = sandboxed(collector, service, tmp_path, ["python", "-c", START, command])
    done = subprocess.run(line, capture_output=True, text=True, timeout=120, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    assert list((tmp_path / f"{name}-queue").iterdir())


@pytest.mark.parametrize("name", NAMES)
def test_it_accepts_the_configuration_with_kafka(collector: Path, tmp_path: Path, name: str) -> None:
    """No broker is at hand here: tests/pipeline has one."""
    service = services_of(COMPOSE, KAFKA)[name]
    line = sandboxed(collector, service, tmp_path, ["/otelcol", "validate", *service["command"]])
    done = subprocess.run(line, capture_output=True, text=True, timeout=60, check=False)
    assert done.returncode == 0, done.stdout + done.stderr


def test_those_are_all_collectors() -> None:
    """One that is added is tried, too."""
    assert set(collectors(services_of(COMPOSE, KAFKA))) == set(NAMES)


def test_the_image_is_of_the_release_that_is_tried_here() -> None:
    """The stock image and the built one differ in what is left out, and in nothing else."""
    built = yaml.safe_load((ROOT / "collector-config" / "builder.yaml").read_text(encoding="utf-8"))
    release = parse()["collector"].base.partition(":")[2].partition("@")[0]
    assert release == built["dist"]["version"]
