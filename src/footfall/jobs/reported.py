"""Which steps of a job were reported already, so that a program that is started again goes on where it was.

Only for jobs whose id the program chose: nobody comes back to a random one. An empty file for each step,
``<state>/jobs/<digest of project and job id>-<digest of the step's tag>.step``, mode 0600: made once, by whichever
process is first, on any file system; no descriptor is held and nothing is ever appended. They go when the job is
complete, or after `registered.KEEP_SECONDS`.

What is kept is only what this machine reported. Nothing that is missing here does more harm than a step that is
reported twice.
"""

from __future__ import annotations

import contextlib
import hashlib
import os
from collections.abc import Iterable
from pathlib import Path
from typing import Final

from footfall.jobs.registered import FOLDER
from footfall.places import open_private, private_directory

SUFFIX: Final = ".step"


class Reported:
    """The steps of one job.

    Args:
        state_directory: `footfall.places.Places.state`.
        project: ``owner/name``.
        job_id: As the program chose it.
    """

    def __init__(self, state_directory: Path, project: str, job_id: str) -> None:
        self._directory = state_directory / FOLDER
        self._prefix = _digest(project, job_id) + "-"

    def among(self, tags: Iterable[str]) -> frozenset[str]:
        """Return those of *tags* that a process of this machine reported. Never raises."""
        present = {path.name for path in self._files()}
        return frozenset(tag for tag in tags if self._file(tag).name in present)

    def __contains__(self, tag: str) -> bool:
        """Whether the step *tag* was reported. Never raises."""
        with contextlib.suppress(OSError):
            return self._file(tag).exists()
        return False

    def add(self, tag: str) -> None:
        """Remember that the step *tag* was reported. Never raises; where nothing can be kept nothing is."""
        with contextlib.suppress(OSError):
            private_directory(self._directory)
            os.close(open_private(self._file(tag)))

    def forget(self) -> None:
        """Remember nothing of this job any more. Never raises."""
        for path in self._files():
            with contextlib.suppress(OSError):
                path.unlink()

    def _file(self, tag: str) -> Path:
        return self._directory / f"{self._prefix}{_digest(tag)}{SUFFIX}"

    def _files(self) -> list[Path]:
        try:
            return [path for path in self._directory.iterdir() if path.name.startswith(self._prefix)]
        except OSError:
            return []


def _digest(*words: str) -> str:
    return hashlib.blake2b(ascii(words).encode(), digest_size=16).hexdigest()
