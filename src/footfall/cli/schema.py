"""Print the JSON Schema of footfall.yaml, of job configurations or of a gateway's file, for editors and checks.

An editor with a YAML language server completes and checks a file whose first line is, with the right path:

    # yaml-language-server: $schema=footfall.schema.json

A JSON file says the same in its key "$schema".
"""

from __future__ import annotations

import argparse
import json
from pathlib import Path
from typing import Final

from footfall.cli.main import DONE
from footfall.errors import ConfigurationError

EXAMPLE: Final = """\
$ footfall schema
  footfall schema -o footfall.schema.json
$ footfall schema jobs
$ footfall schema gateway
"""

FOOTFALL: Final = "footfall"
JOBS: Final = "jobs"
GATEWAY: Final = "gateway"


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the options of ``footfall schema``."""
    parser.add_argument(
        "of",
        nargs="?",
        choices=(FOOTFALL, JOBS, GATEWAY),
        default=FOOTFALL,
        help="which files (default: footfall.yaml)",
    )
    parser.add_argument("-o", "--output", type=Path, metavar="FILE", help="write it there instead of to stdout")


def run(arguments: argparse.Namespace) -> int:
    """Print or write the schema."""
    text = {FOOTFALL: _registry, JOBS: _jobs, GATEWAY: _gateway}[arguments.of]()
    if arguments.output is None:
        print(text, end="")
        return DONE
    try:
        arguments.output.write_text(text, encoding="utf-8")
    except OSError as error:
        msg = f"--output {arguments.output}: {error.strerror}"
        raise ConfigurationError(msg) from error
    return DONE


def _registry() -> str:
    from footfall.registry.schema import json_schema

    return json.dumps(json_schema(), indent=2) + "\n"


def _jobs() -> str:
    from footfall.jobs.schema import text

    return text()


def _gateway() -> str:
    from footfall.gateway.schema import json_schema

    return json.dumps(json_schema(), indent=2) + "\n"
