"""`JobConfigManager` and what loads files for it."""

from __future__ import annotations

import os
from collections.abc import Iterable

from footfall import jobs
from footfall.errors import DuplicateJobError, UnknownTagError
from footfall.facade.tracker.known import configurations
from footfall.facade.tracker.schemas import UNDECLARED, JobConfig, JobConfigs, all_by_content, by_content, of

__all__ = [
    "DuplicateJobConfigException",
    "JobConfigManager",
    "MissingJobConfigException",
    "load_job_configuration_from_json",
    "load_job_configurations_from_json",
]

File = str | os.PathLike[str]


class DuplicateJobConfigException(DuplicateJobError):  # noqa: N818  the original's name
    """A job configuration's tag is there twice."""


class MissingJobConfigException(UnknownTagError):  # noqa: N818  likewise
    """No job configuration has this tag; the message lists those there are."""


def load_job_configurations_from_json(filepath: File, *, version: str = "") -> JobConfigs:
    """Return the jobs of the file at *filepath*, JSON or YAML.

    Args:
        filepath: As `footfall.jobs.load` takes it.
        version: For jobs that name none; without it one is made of their content.

    Raises:
        DuplicateJobError: A tag is there twice.
        RegistryError: Something else is wrong; the message has file and line.
        OSError: It cannot be read.
    """
    return of(JobConfigs, all_by_content(jobs.load(filepath, version=version or UNDECLARED)))


def load_job_configuration_from_json(filepath: File, *, version: str = "") -> JobConfig:
    """Return the job of a file that holds only that. Else as `load_job_configurations_from_json`."""
    return of(JobConfig, by_content(jobs.load_one(filepath, version=version or UNDECLARED)))


class JobConfigManager:
    """Job configurations by tag.

    Args:
        configs: To begin with.
        configurations_file: To begin with, beside *configs*.
        version: For jobs in files that name none, such as that of the program; without it one is made of their content.

    Raises:
        DuplicateJobConfigException: A tag is there twice.
        RegistryError: The file is wrong; the message has file and line.
        OSError: It cannot be read.

    Attributes:
        config_dict: Tag to configuration.
    """

    def __init__(
        self,
        configs: Iterable[JobConfig] | None = None,
        configurations_file: File | None = None,
        *,
        version: str = "",
    ) -> None:
        self.config_dict: dict[str, JobConfig] = {}
        self._version = version
        if configs:
            self.init_from_job_configs(configs)
        if configurations_file:
            self.init_from_bulk_job_config_json(configurations_file)

    def add_job_config(self, config: JobConfig, allow_override: bool = False) -> None:
        """Add *config*.

        Args:
            config: The configuration.
            allow_override: Let it take the place of one with its tag.

        Raises:
            DuplicateJobConfigException: There is one with its tag.
        """
        if config.tag in self.config_dict and not allow_override:
            raise DuplicateJobConfigException(_twice(config.tag))
        self.config_dict[config.tag] = config
        configurations.remember(config.model)

    def init_from_bulk_job_config_json(self, filepath: File) -> None:
        """Add the jobs of the file at *filepath*.

        Raises:
            DuplicateJobConfigException: A tag is there twice.
            RegistryError: The file is wrong; the message has file and line.
            OSError: It cannot be read.
        """
        try:
            found = load_job_configurations_from_json(filepath, version=self._version)
        except DuplicateJobError as error:
            raise DuplicateJobConfigException(str(error)) from None
        self.init_from_job_configs(found.job_configs)

    def init_from_job_configs(self, configs: Iterable[JobConfig]) -> None:
        """Add *configs*.

        Raises:
            DuplicateJobConfigException: A tag is there twice.
        """
        for config in configs:
            self.add_job_config(config)

    @property
    def tags(self) -> list[str]:
        """The tags of all configurations."""
        return list(self.config_dict)

    def get_job_config(self, tag: str) -> JobConfig:
        """Return the configuration with *tag*.

        Raises:
            MissingJobConfigException: There is none.
        """
        if tag in self.config_dict:
            return self.config_dict[tag]
        msg = f"No config with tag: '{tag}'. Available job configs are: {', '.join(self.tags)}"
        raise MissingJobConfigException(msg)


def _twice(tag: str) -> str:
    return f"Attempting to add config with already existing tag: {tag}"
