"""A program of a trackerapi user with its imports changed. It is not run: mypy and pyright must accept it."""

from __future__ import annotations

import uuid
from pathlib import Path

from footfall.facade.tracker import (
    DuplicateJobConfigException,
    JobConfig,
    JobConfigManager,
    JobConfigs,
    MissingJobConfigException,
    StepConfig,
    TrackerApi,
    load_job_configuration_from_json,
    load_job_configurations_from_json,
)
from footfall.facade.tracker.api import ApiUrls, TrackerEventApi, TrackerJobApi
from footfall.facade.tracker.generate_json_schemas import generate_job_configs_json_schema, parse_args
from footfall.facade.tracker.schemas import MetadataConfig


def configure(folder: Path) -> JobConfig:
    """Every way to say which steps there are."""
    steps = [
        StepConfig(name="Say Hello", tag="say_hello", points=10),
        StepConfig("Say Bye", "say_bye", 5, [MetadataConfig("Duration", "number", "s")]),
    ]
    job = JobConfig(name="My Job", tag="my_job", step_configurations=steps, version="1.0.0")
    several = JobConfigs(job_configs=[job])
    manager = JobConfigManager(configs=[job], configurations_file=folder / "jobs.json", version="2.0.0")
    try:
        manager.add_job_config(job, allow_override=True)
        manager.init_from_bulk_job_config_json(str(folder / "jobs.json"))
        manager.init_from_job_configs(list(several.job_configs))
        found: JobConfig = manager.get_job_config(manager.tags[0])
    except (DuplicateJobConfigException, MissingJobConfigException) as error:
        raise SystemExit(str(error)) from error
    generate_job_configs_json_schema(location=folder, filename=parse_args(["-n", "schema"]).name)
    one = load_job_configuration_from_json("job.json")
    all_of_them = load_job_configurations_from_json(folder / "jobs.json", version="1.4")
    return found if found == one else all_of_them.job_configs[0]


def work(config: JobConfig, key: str | None) -> int | None:
    """A job and its events, in both forms."""
    tracker = TrackerApi(api_key=key, base_url="https://tracker.example.org", skip_verify=True)
    quick = TrackerApi("key", project="owner/tool", insecure=False, timeout_seconds=1.0)
    urls: ApiUrls = quick.urls
    urls.set_base_url(TrackerApi.DEFAULT_BASE_URL)
    tracker.verify_api_key()
    tracker.register_job_config(config)
    job: TrackerJobApi = tracker.create_job(provider_job_id=str(uuid.uuid4()), customer_id=142, tag=config.name)
    for step in config.step_configurations:
        job.send_event(kind="step", name=step.tag, metadata={"Points": step.points})
        job.send_event("info", step.tag, {"Metadata": len(step.metadata_configurations)})
    event: TrackerEventApi = tracker.send_event("complete", None, job.provider_job_id, {})
    return event.event_id
