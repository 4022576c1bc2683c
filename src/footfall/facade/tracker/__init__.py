"""The interface of trackerapi on footfall: change the import, and keep the code.

    from footfall.facade.tracker import JobConfigManager, TrackerApi

The modules are named as in the original: `api`, `helpers`, `schemas`, `generate_json_schemas`. Keys are verified, and
configurations and jobs told, at once and with a time-out; events go into this process's journal and are delivered
later. ``docs/tracker.md`` has one row for each name: the same, repaired, or not offered, and why.
"""

from footfall.facade.tracker.api import TrackerApi, TrackerEventApi, TrackerJobApi
from footfall.facade.tracker.helpers import (
    DuplicateJobConfigException,
    JobConfigManager,
    MissingJobConfigException,
    load_job_configuration_from_json,
    load_job_configurations_from_json,
)
from footfall.facade.tracker.schemas import JobConfig, JobConfigs, MetadataConfig, StepConfig

__all__ = [
    "DuplicateJobConfigException",
    "JobConfig",
    "JobConfigManager",
    "JobConfigs",
    "MetadataConfig",
    "MissingJobConfigException",
    "StepConfig",
    "TrackerApi",
    "TrackerEventApi",
    "TrackerJobApi",
    "load_job_configuration_from_json",
    "load_job_configurations_from_json",
]
