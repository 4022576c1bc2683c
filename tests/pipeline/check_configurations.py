"""Every configuration is one that the real Collector accepts, alone or laid over the one that it is for."""

from __future__ import annotations

import os
import subprocess
from pathlib import Path

import pytest
import yaml

from tests.pipeline.processes import command
from tests.pipeline.tools import CONFIGURATIONS

USES = [
    ["agent.yaml"],
    ["gateway.yaml"],
    ["gateway.yaml", "tls.yaml"],
    ["gateway.yaml", "kafka-producer.yaml"],
    ["gateway.yaml", "kafka-producer.yaml", "tls.yaml"],
    ["translator.yaml"],
    ["translator.yaml", "kafka-consumer.yaml"],
]


def validate(binary: Path, files: list[str]) -> subprocess.CompletedProcess[str]:
    environment = {"PATH": os.environ["PATH"]}
    arguments = command(binary, files, ["validate"])
    return subprocess.run(arguments, env=environment, capture_output=True, text=True, timeout=60, check=False)


@pytest.mark.parametrize("files", USES, ids=" + ".join)
def check_the_collector_accepts(binary: Path, files: list[str]) -> None:
    """With no variable set: what is left out has a default."""
    done = validate(binary, files)
    assert (done.returncode, done.stdout, done.stderr) == (0, "", "")


def check_every_file_is_among_them() -> None:
    """A configuration that nobody tries is none."""
    used = {name for files in USES for name in files}
    assert {path.name for path in CONFIGURATIONS.glob("*.yaml")} - {"builder.yaml"} == used


def check_a_wrong_one_is_refused(binary: Path, tmp_path: Path) -> None:
    """The command can say no."""
    wrong = yaml.safe_load((CONFIGURATIONS / "agent.yaml").read_text())
    wrong["exporters"]["otlp_http/gateway"]["sending_queue"]["no_such_option"] = 1
    path = tmp_path / "wrong.yaml"
    path.write_text(yaml.safe_dump(wrong))
    done = validate(binary, [str(path)])
    assert done.returncode != 0
    assert "no_such_option" in done.stderr
