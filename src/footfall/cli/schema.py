"""Print the JSON Schema of footfall.yaml, for editors and checks.

An editor with a YAML language server completes and checks a file whose first line is, with the right path:

    # yaml-language-server: $schema=footfall.schema.json
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
"""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the options of ``footfall schema``."""
    parser.add_argument("-o", "--output", type=Path, metavar="FILE", help="write it there instead of to stdout")


def run(arguments: argparse.Namespace) -> int:
    """Print or write the schema."""
    from footfall.registry.schema import json_schema

    text = json.dumps(json_schema(), indent=2) + "\n"
    if arguments.output is None:
        print(text, end="")
        return DONE
    try:
        arguments.output.write_text(text, encoding="utf-8")
    except OSError as error:
        msg = f"--output {arguments.output}: {error.strerror}"
        raise ConfigurationError(msg) from error
    return DONE
