"""Job configurations: which steps a job has, and how much of the work each is.

jobs = footfall.jobs.load("job_configurations.yaml")
jobs["my_job"].step("say_hello").points
"""

from footfall.jobs.changes import changes
from footfall.jobs.loading import load, load_mapping, load_one
from footfall.jobs.model import JobConfig, JobConfigs, MetadataConfig, StepConfig

__all__ = [
    "JobConfig",
    "JobConfigs",
    "MetadataConfig",
    "StepConfig",
    "changes",
    "load",
    "load_mapping",
    "load_one",
]
