"""Builds the Collector of ``builder.yaml`` once, keeps it outside the tree, and prints where it lies.

    python3 collector-config/build.py

Needs Go and the module proxy; nothing of Python but its standard library. A binary named by ``OTELCOL`` is taken
instead. The cache is ``$XDG_CACHE_HOME/footfall`` (or ``~/.cache/footfall``), a folder for each state of the manifest.
"""

from __future__ import annotations

import contextlib
import hashlib
import os
import re
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

MANIFEST = Path(__file__).with_name("builder.yaml")
NAME = "otelcol-footfall"
BUILD_SECONDS = 1500
"""From an empty module cache; 190 s were measured on two busy cores."""

WITHOUT_GO = """\
No Collector was built: there is no `go` on PATH. Install Go 1.25 or newer, or run the stock image, which has all that
these configurations use:

    docker run --rm -v "$PWD/collector-config:/etc/otelcol:ro" \\
        otel/opentelemetry-collector-contrib:{version} --config /etc/otelcol/agent.yaml

or say OTELCOL=/path/to/otelcol-contrib, and that binary is taken."""


UNREACHABLE = 3
"""Exit status where the modules could not be fetched."""

# Not 404, which says that a version in the manifest is none.
_OF_THE_NETWORK = re.compile(
    r"dial tcp|no such host|i/o timeout|TLS handshake timeout|proxyconnect|connection reset"
    r"|reading https?://\S+: (?:403|407|429|5\d\d)"
)


class NoCollectorError(Exception):
    """There is none, and the message says what to do."""


class UnreachableError(NoCollectorError):
    """Nor can one be built: the module proxy is out of reach."""


def version() -> str:
    """Return the release that the manifest names."""
    found = re.search(r"(?m)^  version: (\S+)$", MANIFEST.read_text(encoding="utf-8"))
    if found is None:
        msg = f"{MANIFEST}: there is no dist.version"
        raise NoCollectorError(msg)
    return found.group(1)


def cached() -> Path:
    """Return where the binary of the manifest as it is now lies, once it is built."""
    caches = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache")
    digest = hashlib.sha256(MANIFEST.read_bytes()).hexdigest()[:16]
    return caches / "footfall" / f"otelcol-{digest}" / NAME


def collector() -> Path:
    """Return the path of a Collector, built now if need be.

    Raises:
        NoCollectorError: There is none to be had; UnreachableError: for want of a network.
    """
    named = os.environ.get("OTELCOL")
    if named:
        path = shutil.which(named)
        if path is None:
            msg = f"OTELCOL is {named!r}, which is no program"
            raise NoCollectorError(msg)
        return Path(path)
    binary = cached()
    return binary if binary.exists() else _build(binary)


def _build(binary: Path) -> Path:
    if shutil.which("go") is None:
        raise NoCollectorError(WITHOUT_GO.format(version=version()))
    binary.parent.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(prefix="otelcol-", dir=binary.parent.parent) as folder:
        manifest = Path(folder) / "builder.yaml"
        output = Path(folder) / "output"
        text = MANIFEST.read_text(encoding="utf-8")
        manifest.write_text(text.replace("dist:\n", f"dist:\n  output_path: {output}\n", 1), encoding="utf-8")
        command = ["go", "run", f"go.opentelemetry.io/collector/cmd/builder@v{version()}", "--config", str(manifest)]
        print("building", binary, "(some minutes, once)", file=sys.stderr)
        done = subprocess.run(
            command,
            env={**os.environ, "CGO_ENABLED": "0"},
            capture_output=True,
            text=True,
            timeout=BUILD_SECONDS,
            check=False,
            cwd=folder,
        )
        if done.returncode:
            words = [line for line in done.stderr.splitlines() if "downloading" not in line]
            msg = "the Collector Builder failed:\n" + "\n".join(words[-20:])
            raise UnreachableError(msg) if _OF_THE_NETWORK.search(msg) else NoCollectorError(msg)
        binary.parent.mkdir(exist_ok=True)
        # Another build of the same manifest may be as far: each replaces the other's with its like.
        (output / NAME).replace(binary)
    return binary


def main() -> int:
    """Print the path; say why, and return 1 or `UNREACHABLE`, when there is none."""
    with contextlib.suppress(BrokenPipeError):
        try:
            print(collector())
        except UnreachableError as error:
            print(error, file=sys.stderr)
            return UNREACHABLE
        except NoCollectorError as error:
            print(error, file=sys.stderr)
            return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
