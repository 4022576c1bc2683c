"""What docker/Dockerfile makes runs: its own steps are carried out, and what they made is started as an engine would.

See `tests.docker.sandbox` for what stands for what.
"""

from __future__ import annotations

import json
import subprocess
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from footfall.version import VERSION
from tests.docker.sandbox import Images, bubblewrap

USES = 12
SCENARIO = Path(__file__).with_name("scenario.py")
STATE = "/var/lib/footfall"


def run(
    images: Images, name: str, state: Path, command: Sequence[str], environment: Mapping[str, str] | None = None
) -> str:
    """Run *command* in image *name* as its user, with *state* as its volume; return what it printed."""
    config = images.config(name)
    state.mkdir(exist_ok=True)
    hosts = state.with_name("hosts")
    hosts.write_text("127.0.0.1 localhost sink\n", encoding="utf-8")
    line = bubblewrap(
        images.root(name),
        command,
        environment={**config.env, **(environment or {})},
        user=int(config.user.partition(":")[0]),
        workdir=config.workdir,
        mounts={STATE: (state, True), "/etc/hosts": (hosts, False)},
    )
    done = subprocess.run(line, capture_output=True, text=True, timeout=180, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


def played(images: Images, name: str, state: Path, *, environment: Mapping[str, str], **given: Any) -> dict[str, Any]:
    """Play the scenario in image *name*, and return what it tells."""
    config = images.config(name)
    said = {"process": [*config.entrypoint, *config.cmd], "healthcheck": config.healthcheck, "application": None}
    code = SCENARIO.read_text(encoding="utf-8")
    told = run(images, name, state, ["python", "-c", code, json.dumps(said | given)], environment)
    return json.loads(told.splitlines()[-1])


def test_the_gateway_image_holds_this_version_and_nothing_to_install_more_with(images: Images, tmp_path: Path) -> None:
    """From the wheel of this tree."""
    printed = run(images, "gateway", tmp_path / "state", ["footfall", "--version"])
    assert VERSION in printed
    packages = run(images, "gateway", tmp_path / "state", ["sh", "-c", "ls /opt/footfall/lib/python3*/site-packages"])
    names = {name.partition("-")[0] for name in packages.split()}
    assert {"footfall", "starlette", "uvicorn"} <= names
    assert not {"pip", "setuptools", "wheel", "hatchling", "pytest"} & names


def test_every_file_of_an_image_can_be_read_by_its_user(images: Images) -> None:
    """Files are root's, processes are not."""
    for path in (images.root("demo") / "opt").rglob("*"):
        if not path.is_symlink():
            assert path.stat().st_mode & 0o044 == 0o044, path


def test_the_demo_sends_what_it_did(images: Images, tmp_path: Path) -> None:
    """Without root, on a read-only root directory, with the state in a volume; its health check agrees."""
    environment = {
        "FOOTFALL": "on",
        "DEMO_OTLP_ENDPOINT": "http://127.0.0.1:4318",
        "DEMO_USES": str(USES),
        "DEMO_PAUSE_SECONDS": "0.2",
    }
    told = played(images, "demo", tmp_path / "state", environment=environment, sink=4318, wanted=2)
    assert told["ids"] == [65532, 65532]
    assert told["writable"] == []
    assert told["healthy"]
    assert list((tmp_path / "state" / "state").iterdir())


def test_the_gateway_passes_on_what_comes_in(images: Images, tmp_path: Path) -> None:
    """With the configuration that is in the image; its `sink` is this machine, and the demo's code the application."""
    app = images.root("demo") / "opt/demo/app.py"
    environment = {
        "FOOTFALL": "on",
        "DEMO_OTLP_ENDPOINT": "http://127.0.0.1:4318",
        "DEMO_USES": str(USES),
        "DEMO_PAUSE_SECONDS": "0",
    }
    told = played(
        images,
        "gateway",
        tmp_path / "state",
        environment=environment,
        sink=4319,
        wanted=2 * USES,
        # A job and its epilogue: one so short ends before its first delivery.
        application=["sh", "-c", 'python -c "$1" && footfall send', "job", app.read_text(encoding="utf-8")],
    )
    assert told["ids"] == [65532, 65532]
    assert told["writable"] == []
    assert told["healthy"]
    assert told["status"] == 0
    assert {request["path"] for request in told["requests"]} == {"/api/breadcrumb"}
    assert list((tmp_path / "state" / "gateway").iterdir())
