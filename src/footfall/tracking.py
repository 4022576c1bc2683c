"""Jobs and this process: which configurations its projects have, and whether a server may be told of a job.

What is wrong with a configuration is an error for whoever configures: `footfall.instrument` raises it. What only turns
out when a job runs (another list of steps under a version that was registered, no customer) is logged, counted for
``footfall doctor``, and kept from servers, while the job runs on.

While a project is off its jobs have their log lines and their progress bar all the same: they are the program's own,
and nobody shall have to choose between them and saying no. Then nothing is written, and the file of configurations is
read where a terminal wants the bar, or a strict job wants to be checked.
"""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterable, Mapping
from typing import TYPE_CHECKING, Any, Final, cast

from footfall.errors import ConfigurationError, RegistryError, trouble
from footfall.registry.model import Registry, quote
from footfall.semver import semver

if TYPE_CHECKING:
    from footfall.destination import Destination
    from footfall.instrumentation.job_asked import Ask, Jobs
    from footfall.instrumentation.recorder import Subject
    from footfall.jobs.model import JobConfig, JobConfigs
    from footfall.jobs.reported import Reported
    from footfall.runtime import Instrumented, Runtime

WIRE: Final = "tracker"

MAX_BYTES: Final = 60_000
"""Of a configuration as JSON: it travels as one line of the journal."""


class Tracking:
    """The jobs of a `Runtime`."""

    def __init__(self, runtime: Runtime) -> None:
        self._runtime = runtime
        self._configs: dict[str, JobConfigs | None] = {}
        self._jobs: dict[str, Jobs] = {}
        self._off: dict[str, Callable[[], JobConfigs | None]] = {}

    def configure(self, registry: Registry, version: Callable[[], str], *, records: bool) -> None:
        """Take over the job configurations of *registry*; of a project that is off, how they could be read.

        Raises:
            ConfigurationError: Something is wrong; the message has file and line.
            OSError: The file cannot be read.
        """
        project = registry.project
        if records:
            self._configs[project] = load(registry, version)
            self._off.pop(project, None)
            self._jobs.pop(project, None)  # jobs under way go on with what they have
        else:
            self.withdraw(project)
            self.remember(project, lambda: load(registry, version))

    def remember(self, project: str, read: Callable[[], JobConfigs | None]) -> None:
        """Remember that *project* is off, and how its configurations could be read."""
        self._off[project] = read

    def withdraw(self, project: str) -> None:
        """Record nothing more of the jobs of *project*, which is not instrumented any more."""
        jobs = self._jobs.pop(project, None)
        if jobs is not None:
            jobs.recorder = None

    def jobs_of(self, project: str) -> Jobs:
        """Return what the jobs of *project* share."""
        known = self._runtime.projects.get(project)
        if known is None:
            return self._without_recorder(project)
        jobs = self._jobs.get(project)
        if jobs is None:
            jobs = self._jobs[project] = self._with_recorder(known)
        return jobs

    def find(self, project: str | None, package: str) -> Jobs:
        """Return what jobs share that code of *package* begins for *project*, or for the one that it belongs to."""
        runtime = self._runtime
        known = runtime.projects.get(project) if project else runtime.project_of(package)
        if known is not None:
            return self.jobs_of(known.registry.project)
        if not self._off and not runtime.refusal(project or ""):
            named = quote(project) if project else "its project"
            trouble.note("job", "footfall: a job is not told: %s is not instrumented; call footfall.instrument", named)
        return self._without_recorder(project or "")

    def _with_recorder(self, known: Instrumented) -> Jobs:
        import msgspec  # noqa: PLC0415

        from footfall.instrumentation.job import CONFIGURATION  # noqa: PLC0415  with the first job
        from footfall.instrumentation.job_asked import Jobs  # noqa: PLC0415

        runtime, project = self._runtime, known.registry.project
        configs = self._configs.get(project)

        def find(ask: Ask) -> JobConfig | None:
            return configs[ask.tag] if configs is not None else None

        def approve(ask: Ask, config: JobConfig | None) -> None:
            self._approve(known, ask, config)

        declaring: list[Subject] = []

        def subject(name: str, starts: bool) -> Subject:
            if name != CONFIGURATION:
                return runtime.subject(known, name, start=starts)
            if not declaring:  # other servers of the project have no use for it
                trackers = tuple(_trackers(known.state.send_to))
                state = msgspec.structs.replace(known.state, send_to=trackers, number=0)
                fields = {"project": state, "name": name, "is_function": False}
                declaring.append(runtime.recorder.subject(fields, rate_per_second=0))
            return declaring[0]

        def reported(job_id: str) -> Reported | None:
            from footfall.jobs.reported import Reported  # noqa: PLC0415  only for jobs that may be started again

            places = runtime.find_places()
            return Reported(places.state, project, job_id) if places is not None else None

        return Jobs(
            project=project,
            recorder=runtime.recorder,
            find=find,
            approve=approve,
            declares=lambda: bool(_trackers(known.state.send_to)),
            subject=subject,
            reported=reported,
            rest_of_process=runtime.rest_of_process,
        )

    def _without_recorder(self, project: str) -> Jobs:
        from footfall.instrumentation.job_asked import Jobs  # noqa: PLC0415  with the first job

        def find(ask: Ask) -> JobConfig | None:
            wanted = ask.strict or (ask.progress and _is_terminal())
            read = self._off.get(project) or (next(iter(self._off.values())) if len(self._off) == 1 else None)
            configs = read() if wanted and read is not None else None
            return configs[ask.tag] if configs is not None else None

        return Jobs(
            project=project,
            recorder=None,
            find=find,
            approve=_nothing,
            declares=lambda: False,
            subject=_nothing,
            reported=_nothing,
            rest_of_process=_nothing,
        )

    def _approve(self, known: Instrumented, ask: Ask, config: JobConfig | None) -> None:
        """Make sure that servers may be told of this job, and remember what they are told of its steps.

        Raises:
            ConfigurationError: They may not.
        """
        trackers = _trackers(known.state.send_to)
        if not trackers:
            return
        from footfall.jobs import registered  # noqa: PLC0415  with the first job
        from footfall.wire import tracker_fields  # noqa: PLC0415

        told = ask.customer_id, ask.metadata.get("tracker.customer_id"), known.state.extra.get("tracker.customer_id")
        for destination in trackers:
            customer = next((each for each in told if each is not None), destination.options.get("customer_id"))
            if tracker_fields.customer(customer) is None:
                given = "" if customer is None else f" {customer!r:.80} is none;"
                msg = f"whose is job {quote(ask.tag)}?{given} pass customer_id=, the number of a user of the server"
                raise ConfigurationError(msg)
        if config is None:
            return
        size = registered.size_bytes(config)
        if size > MAX_BYTES:
            msg = f"the configuration of job {quote(ask.tag)} is {size} bytes of JSON, more than {MAX_BYTES}"
            raise ConfigurationError(msg)
        places = self._runtime.find_places() if known.decision.sends else None
        if places is None:
            return
        configs = self._configs.get(known.registry.project)
        declared = configs.places.get(config.tag) if configs is not None else None
        named = servers(trackers)
        for server in named:
            registered.check(places.state, server, config, place=declared)
        for server in named:
            registered.remember(places.state, server, config)


def load(registry: Registry, version: Callable[[], str]) -> JobConfigs | None:
    """Return the job configurations of *registry*; None where it has none.

    Args:
        registry: Its entries are checked: each job and step that one names must be there.
        version: Of the project, asked for jobs that name none.

    Raises:
        ConfigurationError: Something is wrong; the message has file and line.
        OSError: The file cannot be read.
    """
    source = registry.jobs
    if source is None:
        return None
    from footfall.jobs import loading  # noqa: PLC0415  PyYAML is loaded where there are configurations
    from footfall.jobs.model import JobConfigs  # noqa: PLC0415
    from footfall.registry.nearest import hint  # noqa: PLC0415

    if isinstance(source, JobConfigs):
        configs = source
    else:
        found = registry.version or version()
        default = found if semver(found) else ""
        if isinstance(source, Mapping):
            configs = loading.load_mapping(cast("Mapping[str, Any]", source), registry.source, version=default)
        else:
            configs = loading.load(source, version=default)
    steps = [step.tag for job in configs.job_configs for step in job.step_configurations]
    for entry in registry.entries:
        for what, tag, known in (("job", entry.job, configs.tags), ("step", entry.step, steps)):
            if tag and tag not in known:
                msg = f"{entry.name} is {what} {quote(tag)}, which no job configuration declares{hint(tag, known)}"
                raise RegistryError(msg, source=entry.source, line=entry.line)
    return configs


def servers(send_to: Iterable[Destination]) -> list[str]:
    """Return whom configurations are registered with: endpoints, each with the name of the provider's credentials."""
    return [
        each.endpoint.rstrip("/") + ("" if each.credentials.startswith("memory:") else f" {each.credentials}".rstrip())
        for each in _trackers(send_to)
    ]


def _trackers(send_to: Iterable[Destination]) -> list[Destination]:
    return [destination for destination in send_to if destination.wire == WIRE]


def _is_terminal() -> bool:
    stream: Any = sys.stderr
    return stream is not None and stream.isatty()


def _nothing(*_: object) -> Any:
    """What a project that is off does about jobs."""
