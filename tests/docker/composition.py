"""The compose files as Compose's own library reads them, and what tests ask of the model."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
from pathlib import Path
from typing import Any

from tests.docker.dockerfile import DOCKER

CHECKER = Path(__file__).parent / "composecheck"
COMPOSE, KAFKA = DOCKER / "compose.yaml", DOCKER / "compose.kafka.yaml"
COLLECTORS = "footfall-collector"

# Go's caches are below the home directory, which a fixture moves; read before that.
ENVIRONMENT = dict(os.environ)


def checked(*paths: Path) -> subprocess.CompletedProcess[str]:
    """Let compose-go load *paths*, one laid over the other; it prints the model as JSON."""
    go = shutil.which("go")
    if go is None:
        raise RuntimeError("compose files are checked with Compose's own library; install Go 1.24 or newer")
    command = [go, "run", "-C", str(CHECKER), ".", *map(str, paths)]
    # The first run compiles for half a minute; then Go's cache answers in a second.
    return subprocess.run(command, capture_output=True, text=True, timeout=300, check=False, env=ENVIRONMENT)


def services_of(*paths: Path) -> dict[str, Any]:
    """Return the services of *paths*, laid over each other."""
    done = checked(*paths)
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout)["services"]


def collectors(services: dict[str, Any]) -> dict[str, Any]:
    """Return those that are Collectors."""
    return {name: service for name, service in services.items() if service["image"].partition(":")[0] == COLLECTORS}


def environment(service: dict[str, Any]) -> dict[str, str]:
    """Return a service's variables."""
    return service.get("environment") or {}


def configurations(service: dict[str, Any]) -> list[Path]:
    """Return the files on this machine that a Collector's command names."""
    (folder,) = [mount for mount in service["volumes"] if mount["type"] == "bind"]
    paths = [word.removeprefix("--config=") for word in service["command"]]
    assert all(path.startswith(f"{folder['target']}/") for path in paths)
    return [Path(folder["source"], path.removeprefix(f"{folder['target']}/")) for path in paths]
