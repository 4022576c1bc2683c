"""A Dockerfile as data, read by the parser of BuildKit itself (the package `dockerfile` wraps it)."""

from __future__ import annotations

import fnmatch
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

import dockerfile

ROOT = Path(__file__).resolve().parents[2]
DOCKER = ROOT / "docker"
DOCKERFILE = DOCKER / "Dockerfile"


@dataclass(frozen=True)
class Stage:
    """One ``FROM`` and what follows it.

    Attributes:
        name: After ``AS``.
        base: Name of another stage, or an image with its tag.
        steps: The instructions.
    """

    name: str
    base: str
    steps: tuple[dockerfile.Command, ...]

    def last(self, instruction: str) -> dockerfile.Command | None:
        """Return the last such *instruction*, which is the one that holds."""
        return next((step for step in reversed(self.steps) if step.cmd.upper() == instruction), None)


@dataclass
class Config:
    """What an image says of its process; a stage begins with that of its base."""

    env: dict[str, str] = field(default_factory=dict[str, str])
    user: str = ""
    workdir: str = "/"
    entrypoint: tuple[str, ...] = ()
    cmd: tuple[str, ...] = ()
    healthcheck: tuple[str, ...] = ()

    def take(self, step: dockerfile.Command) -> None:
        """Apply one instruction."""
        name, value = step.cmd.upper(), tuple(step.value)
        if name == "ENV":
            self.env.update(zip(value[0::2], (text.strip('"') for text in value[1::2]), strict=True))
        elif name == "USER":
            self.user = value[0]
        elif name == "WORKDIR":
            self.workdir = value[0]
        elif name == "ENTRYPOINT":
            self.entrypoint, self.cmd = value, ()
        elif name == "CMD":
            self.cmd = value
        elif name == "HEALTHCHECK":
            self.healthcheck = value[1:]


def parse(path: Path = DOCKERFILE) -> dict[str, Stage]:
    """Return the stages of *path* by name, in order, with the defaults of ``ARG`` filled in."""
    arguments: dict[str, str] = {}
    stages: dict[str, list[dockerfile.Command]] = {}
    bases: dict[str, str] = {}
    name = ""
    for step in dockerfile.parse_file(str(path)):
        if step.cmd.upper() == "FROM":
            image, _, name = step.value
            bases[name], stages[name] = expanded(image, arguments), []
        elif not stages:
            key, _, default = step.value[0].partition("=")
            arguments[key] = default
        else:
            stages[name].append(step)
    return {name: Stage(name, bases[name], tuple(steps)) for name, steps in stages.items()}


def expanded(text: str, values: Mapping[str, str]) -> str:
    """Return *text* with ``${NAME}`` replaced; an unknown name is a KeyError."""
    return re.sub(r"\$\{(\w+)\}", lambda found: values[found[1]], text)


def configuration(stages: Mapping[str, Stage], name: str) -> Config:
    """Return what the image of stage *name* says of its process."""
    stage = stages[name]
    config = configuration(stages, stage.base) if stage.base in stages else Config()
    for step in stage.steps:
        config.take(step)
    return config


def sent_to_the_build(relative: str, rules: Path = DOCKER / "Dockerfile.dockerignore") -> bool:
    """Whether the builder sees the file at *relative*: the last rule that fits decides, for it or a folder above it."""
    sees = True
    above = [relative, *(str(folder) for folder in Path(relative).parents if folder.name)]
    for line in rules.read_text(encoding="utf-8").splitlines():
        rule = line.strip()
        if not rule or rule.startswith("#"):
            continue
        pattern = rule.removeprefix("!")
        names = [Path(each).name for each in above] if pattern.startswith("**/") else above
        if any(fnmatch.fnmatchcase(each, pattern.removeprefix("**/")) for each in names):
            sees = rule.startswith("!")
    return sees
