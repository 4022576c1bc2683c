"""The whole of docker/compose.yaml, from the application to the sink, on networks of its own."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

from tests.docker.composition import COMPOSE, services_of
from tests.docker.dockerfile import ROOT
from tests.docker.sandbox import Images

# Root only in there; what is started in there ends with it.
ALONE = [
    *("unshare", "--user", "--map-root-user", "--net", "--mount"),
    *("--pid", "--fork", "--kill-child", "--mount-proc", "--"),
]


def test_what_the_application_does_arrives(images: Images, collector: Path, tmp_path: Path) -> None:
    """Through real Collectors and the gateway, each use once; and nobody reaches what is not next to it."""
    services = services_of(COMPOSE)
    given = {
        "services": services,
        "folder": str(tmp_path),
        "roots": {target: str(images.root(target)) for target in ("gateway", "demo")},
        "collector": str(collector),
    }
    done = subprocess.run(
        [*ALONE, sys.executable, "-m", "tests.docker.composed"],
        input=json.dumps(given), capture_output=True, text=True, timeout=400, cwd=ROOT, check=False,
    )  # fmt: skip
    logs = "\n".join(f"{path.stem}: {path.read_text(errors='replace')[-1500:]}" for path in tmp_path.glob("*.log"))
    assert done.returncode == 0, f"{done.stdout}{done.stderr}\n{logs}"
    told = json.loads(done.stdout)
    assert sorted(told["running"]) == sorted(services)
    assert told["healthy"] == ["app", "gateway-1", "gateway-2", "sink"]
    assert told["paths"] == ["/api/breadcrumb"]
    assert told["refused"] == []
    assert len(set(told["keys"])) == len(told["keys"])
    assert told["app reaches"] == ["agent"]
    assert told["translator-1 reaches"] == ["agent", "entry", "translator-1", "gateway-1"]
