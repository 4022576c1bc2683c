"""Receive OTLP over HTTP, keep it, and feed usage servers from it: stands behind an OpenTelemetry Collector.

It says 200 only to what is on the disk, and 503 to what it cannot keep. The configuration says where each project's
uses go; docs/gateway.md explains it. Stop it with SIGTERM or Ctrl-C. Needs the extra ``gateway``.
"""

from __future__ import annotations

import argparse
import sys
from pathlib import Path
from typing import Final

from footfall.cli.main import DONE
from footfall.errors import ConfigurationError, NotOfferedError

EXAMPLE: Final = """\
$ footfall gateway --example
  footfall gateway --config gateway.yaml --check
  footfall gateway --config gateway.yaml
"""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the options of ``footfall gateway``."""
    parser.add_argument("--config", type=Path, metavar="FILE", help="the gateway's own YAML file")
    parser.add_argument("--example", action="store_true", help="print a configuration to begin with, and exit")
    parser.add_argument("--check", action="store_true", help="read the configuration, say what is wrong, and exit")


def run(arguments: argparse.Namespace) -> int:
    """Serve until a signal comes."""
    if arguments.example:
        from footfall.gateway.schema import EXAMPLE as FILE

        print(FILE, end="")
        return DONE
    if arguments.config is None:
        msg = "--config is missing; `footfall gateway --example` prints a file to begin with"
        raise ConfigurationError(msg)
    from footfall.gateway.reading import load
    from footfall.wire.load import NAMES

    try:
        configuration = load(arguments.config, wires=NAMES)
    except OSError as error:
        msg = f"--config {arguments.config}: {error.strerror or error}"
        raise ConfigurationError(msg) from None
    if arguments.check:
        print(
            f"{arguments.config}: {len(configuration.projects)} projects, {len(configuration.destinations())} servers"
        )
        return DONE
    try:
        from footfall.gateway.program import serve
    except ModuleNotFoundError as error:
        msg = f"the gateway needs the package {error.name}; run: pip install 'footfall[gateway]'"
        raise NotOfferedError(msg) from None
    serve(configuration, ready=lambda url: print(f"footfall gateway: listening on {url}", file=sys.stderr, flush=True))
    return DONE
