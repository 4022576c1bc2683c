"""Write the JSON Schema of files of job configurations, for editors.

    python -m footfall.facade.tracker.generate_json_schemas [DIRECTORY] [-l LOCATION] [-n NAME]

The original's README gives the directory as a bare argument, its ``--help`` with ``-l`` only: both are taken. A
directory that is missing is made, as there. ``footfall schema jobs`` prints the same schema.
"""

from __future__ import annotations

import argparse
import os
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Final

from footfall.errors import ConfigurationError
from footfall.jobs.schema import text
from footfall.registry.model import quote

__all__ = ["generate_job_configs_json_schema", "main", "parse_args"]

PROGRAM: Final = "python -m footfall.facade.tracker.generate_json_schemas"
NAME: Final = "job-configurations-schema"


def generate_job_configs_json_schema(
    location: str | os.PathLike[str] | None = None, filename: str | None = None
) -> None:
    """Write ``<filename>.generated.json`` to the directory *location* and print where it is.

    Args:
        location: Made if missing; default: the working directory.
        filename: Default: `NAME`.

    Raises:
        ConfigurationError: *filename* is not the name of a file.
        OSError: It cannot be written.
    """
    name = f"{filename or NAME}.generated.json"
    if Path(name).name != name or "\0" in name:
        msg = f"name {quote(filename or '')} must be that of a file, without directories; give those as location"
        raise ConfigurationError(msg)
    directory = Path(location or ".")
    directory.mkdir(parents=True, exist_ok=True)
    path = directory / name
    path.write_text(text(), encoding="utf-8")
    print(f"Generated JSON Schema for JobConfigs at {path.absolute()}")


def parse_args(args: Sequence[str]) -> argparse.Namespace:
    """Return ``location`` and ``name`` as given in *args*, None where they are not."""
    parser = argparse.ArgumentParser(
        prog=PROGRAM, description="Write the JSON Schema of files of job configurations, for editors."
    )
    parser.add_argument("directory", nargs="?", metavar="DIRECTORY", help="Location of generated schemas")
    parser.add_argument("-l", "--location", help="Location of generated schemas")
    parser.add_argument("-n", "--name", help="Name to use for the generated <name>.generated.json schema file")
    parsed = parser.parse_args(args)
    if parsed.location is None:
        parsed.location = parsed.directory
    elif parsed.directory not in {None, parsed.location}:
        parser.error(f"two locations, {parsed.directory!r} and {parsed.location!r}; give one")
    return parsed


def main(argv: Sequence[str] | None = None) -> int:
    """Do what *argv* says, default this process's arguments; return the exit status."""
    parsed = parse_args(sys.argv[1:] if argv is None else argv)
    try:
        generate_job_configs_json_schema(parsed.location, parsed.name)
    except (ConfigurationError, OSError) as error:
        print(f"footfall: {error}", file=sys.stderr)
        return 2
    return 0


if __name__ == "__main__":
    sys.exit(main())
