"""What the checks need besides Python, and where it comes from: a Collector through Go, Kafka through Maven.

Both are kept in the user's cache, outside the tree, and made once. What a machine cannot make it is told by name.
"""

from __future__ import annotations

import hashlib
import os
import re
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

ROOT = Path(__file__).parents[2]
CONFIGURATIONS = ROOT / "collector-config"
KAFKA_VERSION = "4.1.2"
FETCH_SECONDS = 600
UNREACHABLE = 3
"""What the build of the Collector exits with where its modules could not be fetched."""

_OUT_OF_REACH = re.compile("Could not transfer artifact|No plugin found for prefix")

_POM = f"""\
<project xmlns="http://maven.apache.org/POM/4.0.0">
  <modelVersion>4.0.0</modelVersion>
  <groupId>footfall</groupId><artifactId>broker</artifactId><version>1</version>
  <dependencies>
    <dependency>
      <groupId>org.apache.kafka</groupId><artifactId>kafka_2.13</artifactId><version>{KAFKA_VERSION}</version>
    </dependency>
  </dependencies>
</project>
"""


class MissingError(Exception):
    """A tool is not here; the message is a word or two for the last line."""


def collector() -> Path:
    """Return a Collector, built if need be.

    Raises:
        MissingError: There is no Go to build it with, or nowhere to fetch its modules from.
    """
    build = [sys.executable, str(CONFIGURATIONS / "build.py")]
    done = subprocess.run(build, stdout=subprocess.PIPE, text=True, check=False)
    if done.returncode and not os.environ.get("OTELCOL") and shutil.which("go") is None:
        msg = "no Go"
        raise MissingError(msg)
    if done.returncode == UNREACHABLE:
        msg = "the modules of the Collector cannot be fetched"
        raise MissingError(msg)
    done.check_returncode()
    return Path(done.stdout.strip())


def kafka() -> Path:
    """Return a folder with Kafka's jars, fetched if need be.

    Raises:
        MissingError: There is no Java to run it, no Maven to fetch it with, or nowhere to fetch it from.
    """
    if shutil.which("java") is None:
        msg = "no Java"
        raise MissingError(msg)
    caches = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "footfall"
    jars = caches / f"kafka-{hashlib.sha256(_POM.encode()).hexdigest()[:16]}"
    if jars.exists():
        return jars
    if shutil.which("mvn") is None:
        msg = "no Maven"
        raise MissingError(msg)
    caches.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(prefix="kafka-", dir=caches) as folder:
        (Path(folder) / "pom.xml").write_text(_POM, encoding="utf-8")
        output = Path(folder) / "jars"
        fetch = ["mvn", "-q", "-B", "dependency:copy-dependencies", f"-DoutputDirectory={output}"]
        done = subprocess.run(
            [*fetch, "-DincludeScope=runtime"],
            cwd=folder,
            stdout=subprocess.PIPE,
            text=True,
            timeout=FETCH_SECONDS,
            check=False,
        )
        if done.returncode:
            print(done.stdout, file=sys.stderr)
            if _OUT_OF_REACH.search(done.stdout):
                msg = "its artifacts cannot be fetched"
                raise MissingError(msg)
        done.check_returncode()
        output.rename(jars)
    return jars
