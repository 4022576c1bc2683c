"""Puts the report together: what the switches, the disk, the outbox, the registries and the functions say."""

from __future__ import annotations

import logging
import os
import time
from typing import TYPE_CHECKING, Final

import msgspec

from footfall import settings as settings_module
from footfall.cli.common import deliverer, refusals
from footfall.cli.doctor import child, jobs
from footfall.cli.doctor.findings import Files, Function, Project, Report, Server, Target
from footfall.cli.installed import Installed, installed, reason
from footfall.cli.progress import Steps
from footfall.consent import choice, runner
from footfall.consent.switches import decide
from footfall.errors import ConfigurationError, FootfallError, OutboxBusyError, logger
from footfall.places import config_directory, find, mounts
from footfall.registry.nearest import hint
from footfall.resource import ci
from footfall.status import read_status

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from footfall.consent.choice import Choice
    from footfall.destination import Destination
    from footfall.outbox.rows import Refusal
    from footfall.places import Places
    from footfall.registry.model import Registry
    from footfall.settings import Settings

NOBODY: Final = "nobody right now"


class Wanted(msgspec.Struct, frozen=True, kw_only=True):
    """What was asked for.

    Attributes:
        modules: Only functions of these modules and packages; none for all.
        project: Only this one; "" for all.
        importing: False for a look that imports nothing.
        seconds: Longest time for one module to be imported.
    """

    modules: tuple[str, ...] = ()
    project: str = ""
    importing: bool = True
    seconds: float = 60.0


def examine(wanted: Wanted, environ: Mapping[str, str] = os.environ) -> Report:
    """Return what can be found out here. While footfall is off nothing is imported unless modules were named.

    Raises:
        ConfigurationError: A setting is wrong, or a project or module is asked for that nothing registers.
    """
    settings = settings_module.read(environ)
    said = choice.read(config_directory(environ))
    decision = decide(environ, runner=runner.from_environment(environ), choice=said)
    places, refused_places = _places(settings, environ, make=decision.records)
    found = installed(settings)
    registries = _asked_for(found, wanted)
    imports = wanted.importing and (decision.records or bool(wanted.modules))
    functions = [
        each for each in _functions(registries, wanted, imports=imports) if _matches(each.modules, wanted)
    ]  # a package that instruments itself brings its whole registry along
    projects = tuple(_project(each, functions, said, environ) for each in registries)
    delivers, servers, refused = _delivery(places, settings, records=decision.records)
    files = _files(places, settings, environ) if places is not None else None
    last = read_status(places) if places is not None else None
    report = Report(
        decision=decision,
        says_no=(*refusals(environ), *_recorded(said)),
        files=files,
        delivers=delivers,
        servers=servers,
        refusals=refused,
        trouble=last.trouble if last is not None else {},
        projects=projects,
        imported=imports,
    )
    told = [problem for each in registries for problem in jobs.problems(each, places)]
    problems = (*refused_places, *found.problems, *told, *_problems(report))
    return msgspec.structs.replace(report, problems=problems)


class _Heard(logging.Handler):
    """Keeps what footfall logs."""

    def __init__(self) -> None:
        super().__init__()
        self.said: list[str] = []

    def emit(self, record: logging.LogRecord) -> None:
        self.said.append(record.getMessage().removeprefix("footfall: "))


def _places(settings: Settings, environ: Mapping[str, str], *, make: bool) -> tuple[Places | None, list[str]]:
    """Return where files are, and what is said of places that were asked for and will not do, or of none at all."""
    heard = _Heard()
    logger.addHandler(heard)
    try:
        return find(settings.directory, environ, make=make), heard.said
    finally:
        logger.removeHandler(heard)


def _recorded(said: Choice) -> Iterator[str]:
    if said.problem:
        yield f"{said.problem}: not understood, so it counts as a no"
    elif said.everything == "off":
        yield f"`footfall off` was said ({said.path})"
    for name, word in sorted(said.projects.items()):
        if word == "off":
            yield f"`footfall off {name}` was said ({said.path})"


def _asked_for(found: Installed, wanted: Wanted) -> list[Registry]:
    """Return the registries, with those entries only that were asked for."""
    registries = list(found.registries)
    if wanted.project:
        one = found.of(wanted.project)
        if one is None:
            known = hint(wanted.project, [each.project for each in registries]) or "; none is"
            msg = f"no project {wanted.project!r} is installed here{known}"
            raise ConfigurationError(msg)
        registries = [one]
    if not wanted.modules:
        return registries
    names = {name for registry in registries for entry in registry.entries for name in entry.modules}
    for module in wanted.modules:
        if not any(_is_in(name, module) for name in names):
            msg = f"no function of module {module!r} is registered{hint(module, names)}"
            raise ConfigurationError(msg)
    chosen = [
        msgspec.structs.replace(
            registry, entries=tuple(entry for entry in registry.entries if _matches(entry.modules, wanted))
        )
        for registry in registries
    ]
    return [registry for registry in chosen if registry.entries]


def _is_in(name: str, module: str) -> bool:
    return f"{name}.".startswith(f"{module}.")


def _matches(modules: Sequence[str], wanted: Wanted) -> bool:
    return not wanted.modules or any(_is_in(name, module) for name in modules for module in wanted.modules)


def _functions(registries: Sequence[Registry], wanted: Wanted, *, imports: bool) -> tuple[Function, ...]:
    if not any(registry.entries for registry in registries):
        return ()
    if not imports:
        return child.looked_for(registries)
    registries = [msgspec.structs.replace(each, jobs=None) for each in registries]  # looked at by `jobs.problems`
    steps = Steps("importing")
    with steps:
        return child.inspected(registries, seconds=wanted.seconds, progress=steps.at)


def _project(registry: Registry, functions: Sequence[Function], said: Choice, environ: Mapping[str, str]) -> Project:
    decision = decide(
        environ,
        runner=runner.from_environment(environ),
        project=registry.project,
        choice=said,
        consent=registry.consent,
        ci_system=ci.system(environ),
        ci=registry.ci,
    )
    return Project(
        project=registry.project,
        version=registry.version,
        source=registry.source,
        consent=registry.consent,
        ci=registry.ci,
        decision=decision,
        targets=tuple(_target(each, environ) for each in registry.send_to),
        functions=tuple(each for each in functions if each.project == registry.project),
        warnings=registry.warnings,
    )


def _target(destination: Destination, environ: Mapping[str, str]) -> Target:
    """Return a server of a project, with what would keep requests from being sent there; never a credential's value."""
    from footfall.courier.credentials import headers, missing, resolve
    from footfall.wire.load import load

    problem = ""
    try:
        load(destination.wire, destination.options)
        if destination.credentials:
            secret = resolve(destination.credentials, environ)
            if secret is None:
                problem = missing(destination.credentials)
            else:
                headers(secret)
    except (FootfallError, OSError) as error:
        problem = reason(error)
    return Target(
        key=destination.key, endpoint=destination.endpoint, credentials=destination.credentials, problem=problem
    )


def _delivery(
    places: Places | None, settings: Settings, *, records: bool
) -> tuple[str, tuple[Server, ...], tuple[Refusal, ...]]:
    """Return who delivers, and what the outbox says of its servers where nobody holds it."""
    if places is None or not records:
        return "nobody from here, footfall is off", (), ()
    from footfall.clock import SystemClock
    from footfall.delivery import OUTBOX_NAME
    from footfall.outbox.store import Outbox

    path = places.outbox / OUTBOX_NAME
    if not path.exists():
        return f"{NOBODY}, and nobody did so far", (), ()
    try:
        outbox = Outbox.open(
            path,
            clock=SystemClock(),
            network=places.network,
            max_bytes=settings.outbox_max_bytes,
            max_age_seconds=settings.outbox_max_age_seconds,
        )
    except OutboxBusyError:
        return f"{deliverer(places)}, which keeps the state of the servers and their refusals to itself", (), ()
    except (FootfallError, OSError) as error:
        return f"nobody can: {reason(error)}", (), ()
    try:
        servers = tuple(
            Server(
                key=each.destination.key,
                pending=each.pending,
                failures=each.failures,
                last_answer_ns=each.last_answer_ns,
                paused_until_ns=each.paused_until_ns,
                pause_reason=each.pause_reason,
            )
            for each in outbox.destinations()
        )
        return NOBODY, servers, tuple(outbox.refused())
    finally:
        outbox.close()


def _files(places: Places, settings: Settings, environ: Mapping[str, str]) -> Files:
    state, table = places.state, mounts.table()
    try:
        device = state.stat().st_dev
    except OSError:
        device = None
    if settings.directory and str(state) == os.path.normpath(settings.directory):
        why = "FOOTFALL_DIR names it"
    elif state.name != "footfall":
        why = "no other place was yours and writable"
    elif environ.get("XDG_RUNTIME_DIR") and str(state.parent) == os.path.normpath(environ["XDG_RUNTIME_DIR"]):
        why = "the state directory is not yours or not writable; it lasts until you log out"
    elif environ.get("XDG_STATE_HOME") and str(state.parent) == os.path.normpath(environ["XDG_STATE_HOME"]):
        why = "XDG_STATE_HOME names its parent"
    else:
        why = "it is the platform's state directory"
    return Files(directory=str(state), kind=mounts.kind(table, str(state), device), network=places.network, why=why)


def _problems(report: Report) -> Iterator[str]:
    """Yield what is to be mended, a sentence each."""
    if report.delivers.startswith("nobody can"):
        yield f"the outbox cannot be used; {report.delivers}"
    for server in report.servers:
        if server.halted and server.paused_until_ns > time.time_ns():
            yield f"{server.key} is {server.pause_reason}; look at its address and credentials"
    for project in report.projects:
        for target in project.targets:
            if target.problem:
                yield f"{project.project}: nothing can be sent to {target.endpoint}: {target.problem}"
        states = [each.state for each in project.functions]
        for state in ("missed", "cannot"):
            if count := states.count(state):
                what = "missed" if state == "missed" else "impossible to observe"
                yield f"{project.project}: {count} of {len(states)} functions {what}"
