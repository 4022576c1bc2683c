"""The public functions: `footfall.instrument`, `uninstrument`, `register`, `track`, `event`, `job`, `step`, `drain`.

Configuring may raise `ConfigurationError`; nothing else here raises for anything telemetry does.
"""

from __future__ import annotations

import inspect
import os
import sys
from collections.abc import Callable, Iterable, Mapping, Sequence
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final, TypeVar

from footfall import runtime
from footfall.destination import Destination, check
from footfall.errors import ConfigurationError, trouble
from footfall.ledger import Ledger
from footfall.registry import decorator
from footfall.registry.model import Consent, OnCi, Registry, check_project, merge
from footfall.tracking import load

if TYPE_CHECKING:
    from opentelemetry._logs import LoggerProvider
    from opentelemetry.trace import TracerProvider

    from footfall.instrumentation.job import Job
    from footfall.instrumentation.job_asked import Jobs
    from footfall.instrumentation.run import Run
    from footfall.jobs.model import JobConfigs

F = TypeVar("F", bound=Callable[..., Any])

DRAIN_SECONDS: Final = 10.0

_DOORS: Final = frozenset({__name__, "footfall.distro", "opentelemetry.instrumentation.instrumentor"})
"""Modules between a caller and what is done for it."""


def instrument(
    project: str | None = None,
    *,
    version: str | None = None,
    registry: str | os.PathLike[str] | Mapping[str, Any] | None = None,
    send_to: Sequence[Destination] | None = None,
    extra: Mapping[str, Any] | None = None,
    consent: Consent | None = None,
    ci: OnCi | None = None,
    jobs: str | os.PathLike[str] | Mapping[str, Any] | JobConfigs | None = None,
    user_name: bool = False,
    tracer_provider: TracerProvider | None = None,
    logger_provider: LoggerProvider | None = None,
) -> str:
    """Observe a project's registered functions in this process (design.md section 2).

    Call it once for each project. For a project that is observed already, what is given is merged into what is known.
    While the user has opted out nothing is done, not even reading the registry.

    Args:
        project: ``owner/name``; may be left to the registry.
        version: Of the project; default: the installed distribution's.
        registry: A ``footfall.yaml``, or an ACCESS-NRI file as it is: a path, a package resource
            ``package:file.yaml``, or its content as a mapping. None for functions that the decorator registers.
        send_to: Where uses go, made by `footfall.Migas` and its like; default: the registry's.
        extra: Fields of every use.
        consent: ``opt-out`` (default) or ``opt-in``.
        ci: ``mark`` (default) or ``skip``.
        jobs: Configurations of the project's jobs (`footfall.job`): a path or package resource, the content of such a
            file as a mapping, or what `footfall.jobs.load` returned; default: those that the registry names. Jobs that
            name no version have that of the project.
        user_name: Send the login name along to servers that have a place for it (the format ``access``), in the stead
            of the installation's random id. `footfall fields` says so to the user.
        tracer_provider: As OpenTelemetry's instrumentors take it: spans of uses appear there too. Default: the global
            one where the host has set one.
        logger_provider: Likewise for events.

    Returns:
        Why uses are recorded, or are not: a sentence.

    Raises:
        ConfigurationError: Something given is wrong; the message names it, and file and line where there are some.
        UnsafeFileError, OSError: The registry or the job configurations cannot be read.
    """
    caller = calling_module()
    packages = frozenset({caller.partition(".")[0]} - {"__main__", ""})
    here = runtime.current()

    def given() -> Registry:
        declared = _path(os.fspath(jobs), caller) if isinstance(jobs, (str, os.PathLike)) else jobs
        asked = Registry(
            project=check_project(project) if project else "",
            version=version or "",
            consent=consent or "opt-out",
            ci=ci or "mark",
            send_to=_checked(send_to),
            extra=dict(extra or {}),
            jobs=declared,
            user_name=user_name,
        )
        return _merged(asked, _read(registry, caller, project))

    no = here.refusal(project or "")
    if no:
        here.decorated.decline(project or "", packages)
        here.tracking.remember(project or "", lambda: load(given(), lambda: ""))
        return no
    asked = given()
    decorator.hook.wrap = here.decorated.wrap
    decision = here.instrument(
        asked,
        packages=packages,
        tracer_provider=tracer_provider,
        logger_provider=logger_provider,
    )
    return decision.reason


def uninstrument(project: str | None = None) -> None:
    """Undo `instrument` for *project*, or for all: every name holds its original object again."""
    runtime.current().uninstrument(project)


def register(
    service: str = "",
    *,
    project: str | None = None,
    capture: Mapping[str, Any] | None = None,
    extra: Mapping[str, Any] | None = None,
    drop: Iterable[str] = (),
    start: bool = False,
    outermost: bool = False,
    rate: float | None = None,
) -> Callable[[F], F]:
    """Return a decorator that registers the function at hand, as a registry file would.

    It may run before `instrument`; uses count from then on. While the user has opted out the function stays the same
    object. The arguments are those of `footfall.registry.decorator.register`.

    Raises:
        RegistryError: The service, a capture or the rate is wrong.
    """
    decorator.hook.wrap = runtime.current().decorated.wrap
    return decorator.register(
        service,
        project=project,
        capture=capture,
        extra=extra,
        drop=drop,
        start=start,
        outermost=outermost,
        rate=rate,
    )


def track(project: str, version: str | None = None, **extra: Any) -> Run:
    """Track a run of *project*: its start, its end, and how it ended.

    ``with footfall.track("nipreps/fmriprep"):`` tracks the block, ``@footfall.track("nipreps/fmriprep")`` each call of
    a function, and a plain call the rest of the process. The project must have been instrumented; where it was not, or
    is switched off, nothing is recorded and nothing is raised.

    Args:
        project: ``owner/name``.
        version: Of the run's software; default: the project's.
        **extra: Fields of its records, scrubbed.
    """
    here = runtime.current()
    if project not in here.projects and not here.refusal(project):
        trouble.note("track", "footfall: %r is not instrumented; call footfall.instrument first", project)
    return here.track(project, version or "", _scrubbed(extra))


def event(name: str, /, *, project: str | None = None, **fields: Any) -> None:
    """Record that something happened: ``footfall.event("step", name="say_hello", points=10)``.

    Args:
        name: Low-cardinality name of what happened.
        project: Whose event it is; default: the only instrumented project, or that of the calling package.
        **fields: Its attributes, scrubbed.
    """
    here = runtime.current()
    if not here.projects:
        return
    package = calling_module().partition(".")[0]
    known = here.project_of(package) if project is None else here.projects.get(project)
    if known is None:
        trouble.note("event", "footfall: event %r belongs to no instrumented project; pass project=", name)
        return
    here.event(known, name, _scrubbed(fields))


def job(
    tag: str,
    /,
    *,
    customer_id: int | str | None = None,
    provider_job_id: str | int | None = None,
    project: str | None = None,
    progress: bool = True,
    strict: bool = False,
    **metadata: Any,
) -> Job:
    """Return a job, whose steps, notes and end its server is told of.

    ``with footfall.job("my_job", customer_id=142) as job:`` is the block, ``@footfall.job("my_job")`` each call of a
    function. Without either the job begins with its first step, and ends with the process, as well as that ends. It
    needs its project to be instrumented, best with ``jobs=``, the configurations; where that is off, it only has its
    log lines (logger ``footfall.job``) and its bar.

    Args:
        tag: Of its configuration.
        customer_id: Whose it is: a user of the server; default: as the destination says.
        provider_job_id: By which the server knows it, unique for ever. A program that is started again with the same id
            goes on with the job: steps that were reported are not repeated. Default: a new one.
        project: Whose job it is; default: the only instrumented project, or that of the calling package.
        progress: Show a bar by points where stderr is a terminal and rich is installed.
        strict: Raise `ConfigurationError` for an unknown job or step, a changed configuration or a missing customer,
            which are logged otherwise: for tests of the program.
        **metadata: Fields of its start and end, scrubbed.
    """
    from footfall.instrumentation.job import Job  # noqa: PLC0415  for programs that are jobs
    from footfall.instrumentation.job_asked import Ask  # noqa: PLC0415

    package = calling_module().partition(".")[0]
    ask = Ask(
        tag=str(tag),
        customer_id=customer_id,
        provider_job_id="" if provider_job_id is None else str(provider_job_id),
        metadata=_scrubbed(metadata),
        progress=progress,
        strict=strict,
    )
    return Job(ask, partial(_find_jobs, project, package))


def _find_jobs(project: str | None, package: str) -> Jobs:
    """Return what the jobs of a project share in this process, which may be a worker that a job was sent to."""
    return runtime.current().tracking.find(project, package)


def step(
    tag: str,
    /,
    *,
    project: str | None = None,
    capture: Mapping[str, Any] | None = None,
    extra: Mapping[str, Any] | None = None,
) -> Callable[[F], F]:
    """Return a decorator that registers the function at hand as a step: each call is one of the job under way.

    Outside of a job of its project a call is an ordinary use. Else as `register`, without a limit to their rate.

    Args:
        tag: As declared in the configuration of the job.
        project: ``owner/name``; None for the project that was instrumented for the function's package.
        capture: Parameters to report with the step, and in which form.
        extra: Further fields of each call.

    Raises:
        RegistryError: A capture is wrong.
    """
    decorator.hook.wrap = runtime.current().decorated.wrap
    return decorator.register(project=project, capture=capture, extra=extra, step=tag)


def drain(timeout_seconds: float = DRAIN_SECONDS) -> Ledger:
    """Deliver what is pending now, waiting at most *timeout_seconds*; return the books.

    Where a second copy would do harm (the wire ``tracker``), no request is begun that could not be answered in time:
    there, give more than the time-out of an exchange, which is 10 seconds.
    """
    return runtime.current().drain(timeout_seconds)


def calling_module() -> str:
    """Return the name of the module that came in by a door of ours: whose project it is, when nobody says."""
    frame = inspect.currentframe()
    while frame is not None and frame.f_globals.get("__name__") in _DOORS:
        frame = frame.f_back
    return str(frame.f_globals.get("__name__", "")) if frame is not None else ""


def _read(
    registry: str | os.PathLike[str] | Mapping[str, Any] | None, caller: str, project: str | None
) -> Registry | None:
    if registry is None:
        return None
    from footfall.registry import yaml  # noqa: PLC0415  PyYAML is loaded where there is YAML
    from footfall.wire.load import NAMES  # noqa: PLC0415

    if isinstance(registry, Mapping):
        found = yaml.load_mapping(registry, wires=NAMES, project=project or "")
        return _with(found, jobs=_path(found.jobs, caller)) if isinstance(found.jobs, str) else found
    return yaml.load_file(_path(os.fspath(registry), caller), wires=NAMES, project=project or "")


def _checked(send_to: Sequence[Destination] | None) -> tuple[Destination, ...]:
    given: object = send_to
    if isinstance(given, Destination):
        msg = "send_to is a list of destinations; write it within brackets"
        raise ConfigurationError(msg)
    return tuple(check(destination) for destination in send_to or ())


def _merged(asked: Registry, read: Registry | None) -> Registry:
    """Return what a caller *asked* for, over what was *read* from its registry."""
    if read is not None:
        if asked.project and read.project != asked.project:
            msg = f"project {asked.project!r} was given, but {read.source or 'the registry'} is for {read.project!r}"
            raise ConfigurationError(msg)
        for warning in read.warnings:
            trouble.note("registry", "footfall: %s", warning)
        asked = merge(read, _with(asked, project=read.project))
    if not asked.project:
        msg = "no project: pass project='owner/name', or a registry that names one"
        raise ConfigurationError(msg)
    return asked


def _path(text: str, caller: str) -> Path:
    """Return the file that *text* names: ``package:file``, or a path.

    A relative path is one next to the calling module, never one of the working directory, where anybody may have laid a
    file (reliability.md S2); only where there is no module file, at a prompt, it is what the person there typed.
    """
    inside = package_file(text)
    if inside is not None:
        return inside
    path = Path(text)
    beside = getattr(sys.modules.get(caller), "__file__", None)
    return Path(beside).parent / path if beside else path


def package_file(text: str) -> Path | None:
    """Return the file that ``package:file`` names, or None where *text* has another form.

    Raises:
        ConfigurationError: There is no such package.
    """
    package, colon, name = text.partition(":")
    if not colon or not package.replace(".", "").isidentifier() or Path(text).exists():
        return None
    import importlib.util  # noqa: PLC0415

    spec = importlib.util.find_spec(package)
    if spec is None or not spec.submodule_search_locations:
        msg = f"registry={text!r}: there is no package {package!r}; write package:file.yaml, or a path"
        raise ConfigurationError(msg)
    return Path(next(iter(spec.submodule_search_locations))) / name


def _with(registry: Registry, **fields: Any) -> Registry:
    import msgspec  # noqa: PLC0415

    return msgspec.structs.replace(registry, **fields)


def _scrubbed(fields: Mapping[str, Any]) -> dict[str, Any]:
    if not fields:
        return {}
    from footfall.scrub import scrub_fields  # noqa: PLC0415

    return scrub_fields(fields)
