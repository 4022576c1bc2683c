"""A service of a compose file in a sandbox, as an engine would run it: user, mounts, secrets, variables, command."""

from __future__ import annotations

import shutil
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from tests.docker.composition import ENVIRONMENT, environment
from tests.docker.dockerfile import DOCKER, ROOT, Config
from tests.docker.sandbox import bubblewrap, lay_base_image

BUILD_SECONDS = 1600


def built_collector() -> Path:
    """Return the Collector of collector-config/builder.yaml; building it takes minutes, once a machine."""
    build = [sys.executable, str(ROOT / "collector-config" / "build.py")]
    done = subprocess.run(build, capture_output=True, text=True, env=ENVIRONMENT, timeout=BUILD_SECONDS, check=False)
    assert done.returncode == 0, done.stderr
    return Path(done.stdout.strip())


def collector_root(root: Path, collector: Path) -> Path:
    """Make *root* what the image of the Collector is, a single program, and return it."""
    lay_base_image(root)
    shutil.copy2(collector, root / "otelcol")
    return root


def command_of(service: dict[str, Any], config: Config) -> list[str]:
    """Return what the service's container would run: its own words before those of the image."""
    entrypoint = service.get("entrypoint") or config.entrypoint
    return [*entrypoint, *(service.get("command") or config.cmd)]


def as_service(
    service: dict[str, Any],
    config: Config,
    root: Path,
    folder: Path,
    command: Sequence[str],
    *,
    hosts: str,
    network: bool = False,
) -> list[str]:
    """Return the command line for *command* in place of the process of *service*.

    Args:
        service: Of a compose file.
        config: Of its image.
        root: Of its image; mount points are made there.
        folder: For its volumes, each below its name, and its file of hosts.
        command: To run.
        hosts: Content of ``/etc/hosts``.
        network: Whether the caller's network is reached; else there is a loopback and nothing else.
    """
    names = folder / f"hosts-{abs(hash(hosts))}"
    names.write_text(hosts, encoding="utf-8")
    mounts = {"/etc/hosts": (names, False)}
    for mount in service.get("volumes", []):
        source = Path(mount["source"]) if mount["type"] == "bind" else folder / mount["source"]
        if mount["type"] == "volume":
            source.mkdir(exist_ok=True)
        (root / mount["target"].lstrip("/")).mkdir(parents=True, exist_ok=True)
        mounts[mount["target"]] = (source, not mount.get("read_only", False))
    for secret in service.get("secrets", []):
        target = root / secret["target"].lstrip("/")
        target.parent.mkdir(parents=True, exist_ok=True)
        target.touch()
        mounts[secret["target"]] = (DOCKER / "demo" / "token", False)
    return bubblewrap(
        root,
        command,
        environment={**config.env, **environment(service)},
        user=int(service["user"].partition(":")[0]),
        workdir=config.workdir,
        network=network,
        mounts=mounts,
    )
