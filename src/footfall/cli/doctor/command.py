"""Say what would happen here, what does not work, and what to do about it.

For each project that `opentelemetry-instrument` would observe: what it may do and why, its servers, and which of its
functions are wrapped, missed, or cannot be. To know that, the registered modules are imported and instrumented in a
process of their own, where nothing is recorded for good and nothing sent. The exit status is 1 when something is to be
mended. While footfall is off nothing is imported, unless modules are named.
"""

from __future__ import annotations

import argparse
import json
from typing import TYPE_CHECKING, Any, Final

import msgspec

from footfall.cli.arguments import seconds
from footfall.cli.main import DONE, UNFINISHED

if TYPE_CHECKING:
    from footfall.cli.doctor.findings import Report

EXAMPLE: Final = """\
$ footfall doctor
$ footfall doctor --no-import --json
  footfall doctor intake_esm.core --project intake/intake-esm
"""

IMPORT_SECONDS: Final = 60.0


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the arguments of ``footfall doctor``."""
    parser.add_argument("modules", nargs="*", metavar="MODULE", help="only functions of this module or package")
    parser.add_argument("--project", default="", metavar="PROJECT", help="only this project, owner/name")
    parser.add_argument("--no-import", action="store_true", help="only see whether the modules are installed")
    parser.add_argument(
        "--timeout",
        type=seconds,
        default=IMPORT_SECONDS,
        metavar="SECONDS",
        help=f"longest time to import one module (default: {IMPORT_SECONDS:g})",
    )
    parser.add_argument("--json", action="store_true", help="for programs: the report as one JSON object")


def run(arguments: argparse.Namespace) -> int:
    """Print the report; return 1 when something is to be mended."""
    from footfall.cli.doctor.examination import Wanted, examine
    from footfall.cli.doctor.telling import lines

    report = examine(
        Wanted(
            modules=tuple(arguments.modules),
            project=arguments.project,
            importing=not arguments.no_import,
            seconds=arguments.timeout,
        )
    )
    if arguments.json:
        print(json.dumps(to_json(report), indent=2))
    else:
        for line in lines(report):
            print(line)
    return UNFINISHED if report.problems else DONE


def to_json(report: Report) -> dict[str, Any]:
    """Return *report* as plain data."""
    data: dict[str, Any] = msgspec.to_builtins(report)
    return data
