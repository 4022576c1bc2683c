"""Ask the collectors of a module, and keep what they say for delivery.

MODULE holds functions under @footfall.collector, or under @register of the insights facade. Where packages go is said
by --to, or by a destination named `send_to` in the module: send_to = footfall.Insights("https://..."). They are
delivered by whoever delivers here; --wait does it now. A dry run leaves the tarballs in a folder, and sends nothing.
"""

from __future__ import annotations

import argparse
import contextlib
import importlib
import logging
import sys
from collections.abc import Generator
from datetime import datetime, timezone
from typing import TYPE_CHECKING, Final

from footfall.cli import tables
from footfall.cli.arguments import seconds
from footfall.cli.main import DONE, UNFINISHED
from footfall.cli.progress import Steps
from footfall.errors import ConfigurationError

if TYPE_CHECKING:
    from types import ModuleType

    from footfall.destination import Destination
    from footfall.gathering.task import Gathered

EXAMPLE: Final = """\
$ footfall gather --help
footfall gather mypackage.collectors --dry-run
footfall gather mypackage.collectors --since 2026-01-05 --to https://ingress.example.org/api/ingress/v1/upload
"""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the options of ``footfall gather``."""
    parser.add_argument("module", metavar="MODULE", help="dotted name of the module with the collectors")
    parser.add_argument("--dry-run", action="store_true", help="send nothing, remember nothing, leave the tarballs")
    parser.add_argument("--dest", metavar="FOLDER", help="for the tarballs of a dry run (default: a new temporary one)")
    parser.add_argument("--since", type=moment, metavar="TIME", help="begin, ISO 8601 (default: where each got to)")
    parser.add_argument("--until", type=moment, metavar="TIME", help="end (default: now); at most 4 weeks after begin")
    parser.add_argument("--subset", action="append", metavar="NAME", help="only the function NAME; may be repeated")
    parser.add_argument("--to", metavar="URL", help="of the server that packages are posted to")
    parser.add_argument("--credentials", default="", metavar="REF", help="env:NAME or file:/path")
    parser.add_argument(
        "--wait", type=seconds, default=0.0, metavar="SECONDS", help="deliver now, for so long at most (default: 0)"
    )


def moment(text: str) -> datetime:
    """Return the moment that *text* says in ISO 8601; without a zone it is UTC.

    Raises:
        argparse.ArgumentTypeError: It says none.
    """
    try:
        found = datetime.fromisoformat(text.replace("Z", "+00:00"))
    except ValueError:
        msg = f"{text!r} is no time; write 2026-01-31 or 2026-01-31T08:00:00+00:00"
        raise argparse.ArgumentTypeError(msg) from None
    return found if found.tzinfo is not None else found.replace(tzinfo=timezone.utc)


def run(arguments: argparse.Namespace) -> int:
    """Gather, say what came of it, and return 1 when a collector failed or nothing could be gathered."""
    from footfall.gathering.functions import gather

    module = _module(arguments.module)
    destination = None if arguments.dry_run else _destination(arguments, module)
    bar = Steps("gathering")
    try:
        with bar, _warnings_shown():
            gathered = gather(
                module,
                since=arguments.since,
                until=arguments.until,
                subset=arguments.subset,
                dry_run=arguments.dry_run,
                dest=arguments.dest,
                send_to=destination,
                timeout_seconds=arguments.wait,
                told=bar.at,
            )
    except ValueError as error:
        raise ConfigurationError(str(error)) from None
    return _tell(gathered, dry_run=arguments.dry_run)


@contextlib.contextmanager
def _warnings_shown() -> Generator[None]:
    """Have stderr show what collectors raise: whoever types this is the one to mend them."""
    logger, handler = logging.getLogger("footfall"), logging.StreamHandler()
    handler.setLevel(logging.WARNING)
    logger.addHandler(handler)
    try:
        yield
    finally:
        logger.removeHandler(handler)


def _module(name: str) -> ModuleType:
    try:
        return importlib.import_module(name)
    except ModuleNotFoundError as error:
        if error.name is None or not f"{name}.".startswith(f"{error.name}."):
            raise
        msg = f"there is no module {name!r}; it must be importable: installed, or in PYTHONPATH"
        raise ConfigurationError(msg) from None


def _destination(arguments: argparse.Namespace, module: ModuleType) -> Destination:
    from footfall.destination import Destination, check

    if arguments.to:
        return check(Destination(wire="insights", endpoint=arguments.to, credentials=arguments.credentials))
    named = getattr(module, "send_to", None)
    if not isinstance(named, Destination):
        msg = "nowhere to send to: say --to URL or --dry-run, or write send_to = footfall.Insights(url) in the module"
        raise ConfigurationError(msg)
    return named


def _tell(gathered: Gathered, *, dry_run: bool) -> int:
    if gathered.reason:
        print(f"footfall: nothing is gathered: {tables.escaped(gathered.reason)}", file=sys.stderr)
        return UNFINISHED
    failed = f", {gathered.failed} failed" if gathered.failed else ""
    print(f"{tables.plural(gathered.intervals, 'interval')} gathered{failed}")
    if dry_run:
        print("\n".join(str(path) for path in gathered.tarballs))
    else:
        print(f"{tables.plural(gathered.pending, 'tarball')} pending, {gathered.delivered} delivered just now")
    return UNFINISHED if gathered.failed else DONE
