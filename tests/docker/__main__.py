"""Tries what docker/ holds, without an engine: ``python -m tests.docker``, which is ``make images``.

No part of ``make test``, which needs nothing but Python: this needs Go (Compose's own library, and a Collector),
bubblewrap (a root directory for each image) and iproute2 (networks between services). The first run builds the
Collector, which takes minutes. A missing tool is an error that says how to get it; where the system allows no
namespaces, as in most containers, or the Collector's modules cannot be fetched, the one line that is printed says so.
"""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from tests.pipeline import tools

HERE = Path(__file__).parent
TOOLS = {
    "go": "Go 1.25 or newer, from go.dev",
    "bwrap": "apt-get install bubblewrap",
    "ip": "apt-get install iproute2",
    "unshare": "apt-get install util-linux",
    "nsenter": "apt-get install util-linux",
}

NAMESPACES = (
    ("unshare", "--user", "--map-root-user", "--net", "--mount"),
    ("bwrap", "--unshare-user", "--unshare-net", "--ro-bind", "/", "/"),
)


def main(arguments: list[str]) -> int:
    """Run the checks; return the exit status of pytest, or 1 when a tool is missing."""
    missing = {tool: remedy for tool, remedy in TOOLS.items() if shutil.which(tool) is None}
    for tool, remedy in missing.items():
        print(f"{tool} is missing: {remedy}", file=sys.stderr)
    if missing:
        return 1
    for command in NAMESPACES:
        tried = subprocess.run([*command, "true"], capture_output=True, text=True, check=False)
        if tried.returncode:
            print(f"images: skipped, there are no namespaces here ({tried.stderr.strip() or command[0]})")
            return 0
    try:
        os.environ["OTELCOL"] = str(tools.collector())
    except tools.MissingError as error:
        print(f"images: skipped ({error})")
        return 0
    return int(pytest.main(["-n2", "-o", "python_files=check_*.py", *(arguments or [str(HERE)])]))


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
