"""Files of job configurations, JSON and YAML, and directories of them, to `JobConfigs`."""

from __future__ import annotations

import os
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any, Final

from footfall.errors import ConfigurationError, DuplicateJobError, RegistryError, trouble
from footfall.jobs.json_text import from_json
from footfall.jobs.model import JobConfig, JobConfigs, Place
from footfall.jobs.reading import LEAST, Reader
from footfall.registry.model import quote
from footfall.registry.nodes import Node, from_python, from_text
from footfall.registry.yaml import read_file
from footfall.semver import semver

SUFFIXES: Final = (".json", ".yaml", ".yml")
"""Of the files in a directory that are read; other files may lie there as well."""

GENERATED: Final = ".generated.json"
"""A JSON Schema, which is usually written beside the files that it is for."""


def load(path: str | os.PathLike[str], *, version: str = "") -> JobConfigs:
    """Return the jobs declared in the file or directory at *path*.

    A file that is called ``.json`` is JSON, one called ``.yaml`` or ``.yml`` is YAML, and any other is JSON if it
    begins with a brace. Of a directory, the files with these three names are read in the order of their names, but
    none in directories below, none that begins with a dot, and no ``*.generated.json``.

    Args:
        path: A file of at most 256 KiB, or a directory.
        version: For jobs that name none, such as that of the program; PEP 440 or SemVer. Without it they are refused.

    Raises:
        RegistryError: Something is wrong; the message has file and line.
        DuplicateJobError: Two jobs have the same tag.
        OSError: It cannot be read.
    """
    default = _default(version)
    place = Path(path)
    if not place.is_dir():
        return _warned(Reader(os.fspath(path), version=default).file(_tree(place)))
    files = sorted(file for file in place.iterdir() if _is_read(file))
    if not files:
        msg = f"no file in this directory is called {', '.join(f'*{suffix}' for suffix in SUFFIXES)}; name the file"
        raise RegistryError(msg, source=os.fspath(path))
    return _warned(join(Reader(os.fspath(file), version=default).file(_tree(file)) for file in files))


def load_mapping(mapping: Mapping[str, Any], source: str = "mapping", *, version: str = "") -> JobConfigs:
    """Return the jobs that a *mapping* holds, which has the shape of the file. Else as `load`."""
    return _warned(Reader(source, version=_default(version)).file(from_python(mapping, source)))


def load_one(path: str | os.PathLike[str], *, version: str = "") -> JobConfig:
    """Return the job in a file that holds only that, without ``job_configs`` around it. Else as `load`."""
    reader = Reader(os.fspath(path), version=_default(version))
    job = reader.job(_tree(Path(path)))
    _warned(JobConfigs((job,), warnings=tuple(reader.warnings)))
    return job


def join(several: Iterable[JobConfigs]) -> JobConfigs:
    """Return the jobs of *several* `JobConfigs`, in their order.

    Raises:
        DuplicateJobError: Two have the same tag.
    """
    jobs: list[JobConfig] = []
    places: dict[str, Place] = {}
    warnings: list[str] = []
    for each in several:
        for job in each.job_configs:
            place = each.places.get(job.tag, Place())
            if job.tag in places:
                msg = f"job {quote(job.tag)} was already given in {places[job.tag]}; give each its own tag"
                raise DuplicateJobError(msg, source=place.source, line=place.line)
            places[job.tag] = place
            jobs.append(job)
        warnings += each.warnings
    return JobConfigs(tuple(jobs), places, tuple(warnings))


def _default(version: str) -> str:
    made = semver(version)
    if version and not made:
        msg = f"version {quote(version)} is neither PEP 440 nor SemVer; give one such as '1.4.0'"
        raise ConfigurationError(msg)
    return made


def _is_read(file: Path) -> bool:
    name = file.name.lower()
    return name.endswith(SUFFIXES) and not name.endswith(GENERATED) and not name.startswith(".") and file.is_file()


def _tree(file: Path) -> Node:
    data = read_file(file)
    suffix = file.suffix.lower()
    is_json = suffix == ".json" or (suffix not in SUFFIXES and data.removeprefix(b"\xef\xbb\xbf").lstrip()[:1] == b"{")
    return from_json(data, os.fspath(file)) if is_json else from_text(data, os.fspath(file), least=LEAST)


def _warned(jobs: JobConfigs) -> JobConfigs:
    for warning in jobs.warnings:
        trouble.note("job configurations: key", "footfall: %s", warning)
    return jobs
