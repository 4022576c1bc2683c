"""Every test: a clean environment, directories of its own, a fresh runtime, and no error hidden."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

import pytest

from footfall import runtime
from footfall.errors import trouble
from footfall.registry import decorator

_PREFIXES = (
    "FOOTFALL",
    "OTEL_",
    "MIGAS_",
    "XDG_",
    "GITHUB_",
    "GITLAB_",
    "CI_",
    "JENKINS_",
    "CIRCLE",
    "TRAVIS",
    "BUILD",
)
_NAMES = (
    "DO_NOT_TRACK",
    "CI",
    "CONTINUOUS_INTEGRATION",
    "RUN_ID",
    "TF_BUILD",
    "TEAMCITY_VERSION",
    "container",
    "IPYTHONDIR",
)


@pytest.fixture(autouse=True)
def clean_environment(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """Nothing of this machine decides, and nothing of a test stays on it; footfall records and sends nothing."""
    for name in tuple(os.environ):
        if name in _NAMES or name.startswith(_PREFIXES):
            monkeypatch.delenv(name)
    monkeypatch.setenv("HOME", str(tmp_path / "home"))
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path / "xdg-state"))
    monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path / "xdg-config"))
    monkeypatch.setenv("FOOTFALL_DIR", str(tmp_path / "footfall-state"))
    monkeypatch.setenv("FOOTFALL", "local")


@pytest.fixture(autouse=True)
def fresh_runtime(clean_environment: None) -> Iterator[None]:
    """No runtime before the test, and whatever it made is stopped after it."""
    previous, wrap = runtime.replace(None), decorator.hook.wrap
    decorator.hook.wrap = None
    yield
    used = runtime.replace(previous)
    decorator.hook.wrap = wrap
    if used is not None:
        used.stop()


@pytest.fixture
def footfall_on(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let footfall send, as a user's ``FOOTFALL=on`` says."""
    monkeypatch.setenv("FOOTFALL", "on")
    stopped = runtime.replace(None)
    if stopped is not None:
        stopped.stop()


@pytest.fixture
def hidden_errors() -> list[tuple[str, BaseException]]:
    """What footfall hid from its host during the test: ask for it where a test expects something there."""
    return []


@pytest.fixture(autouse=True)
def nothing_hidden(request: pytest.FixtureRequest) -> Iterator[None]:
    """A hidden error fails the test, unless the test asks for `hidden_errors` and looks for itself."""
    expected = "hidden_errors" in request.fixturenames
    found: list[tuple[str, BaseException]] = request.getfixturevalue("hidden_errors") if expected else []

    def observe(doing: str, exception: BaseException) -> None:
        found.append((doing, exception))

    trouble.observers.append(observe)
    trouble._logged_at.clear()  # what another test was told within the minute, this one may hear as well
    trouble.counts.clear()  # and no test lives on what another one counted
    yield
    trouble.observers.remove(observe)
    if found and not expected:
        doing, exception = found[0]
        message = f"{len(found)} hidden error(s); first while doing {doing!r}"
        raise AssertionError(message) from exception
