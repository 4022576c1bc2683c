"""The report for people: plain text. What files, servers and packages say is escaped and cut."""

from __future__ import annotations

from collections import Counter
from typing import TYPE_CHECKING, Final

from footfall.cli import tables

if TYPE_CHECKING:
    from collections.abc import Iterator

    from footfall.cli.doctor.findings import Function, Project, Report, Server, Target

MAX_CHARS: Final = 200
"""Of a text of strangers (reliability.md S19)."""

MAX_PROBLEM_CHARS: Final = 2000
"""Of what is to be mended: mostly our own words, with what to do at their end."""

MAX_NAMES: Final = 6
"""By which others reach the original; to know where to look."""

ORDER: Final = ("cannot", "missed", "unseen", "wrapped")


def lines(report: Report) -> Iterator[str]:
    """Yield *report* line by line: the switches first, what is to be mended last."""
    yield from tables.pairs(_facts(report))
    yield from (f"  says no: {tables.escaped(no)}" for no in report.says_no)
    if report.servers:
        head = ("server", "pending", "failures in a row", "last answer", "state")
        yield from ["", *tables.table(head, [_server(each) for each in report.servers])]
    if report.refusals:
        rows = [
            (tables.moment(each.at_ns), tables.escaped(each.destination), each.status, cut(each.path), cut(each.detail))
            for each in report.refusals
        ]
        yield from ["", *tables.table(("refused at", "by", "status", "path", "what it said"), rows)]
    if report.trouble:
        kinds = [(cut(kind), count) for kind, count in sorted(report.trouble.items())]
        yield from ["", *tables.table(("hidden trouble of the delivering process", "times"), kinds)]
    for project in report.projects:
        yield ""
        yield from _project(project)
    if not report.projects:
        yield ""
        yield "no project: no installed package declares a usable entry point in group footfall.projects, and"
        yield "FOOTFALL_CONFIG names no registry; it may name that of a project that calls footfall.instrument()"
    yield ""
    if report.problems:
        yield "to be mended:"
        yield from (f"  {cut(problem, MAX_PROBLEM_CHARS)}" for problem in report.problems)
    else:
        yield (
            "nothing to be mended"
            if report.imported or not _functions(report)
            else "nothing to be mended, as far as was looked"
        )


def _functions(report: Report) -> int:
    return sum(len(project.functions) for project in report.projects)


def cut(text: str, most: int = MAX_CHARS) -> str:
    """Return *text*, harmless and of at most so many characters."""
    return tables.escaped(text if len(text) <= most else text[: most - 3] + "...")


def _facts(report: Report) -> dict[str, object]:
    facts: dict[str, object] = {"footfall is": f"{report.decision.mode}: {tables.escaped(report.decision.reason)}"}
    if report.files is None:
        facts["files"] = "none"
    else:
        shared = "may be shared with other machines" if report.files.network else "local"
        kind = f"{report.files.kind or 'unknown'}, {shared}"
        facts["files"] = tables.escaped(report.files.directory)
        facts["because"] = tables.escaped(report.files.why)
        facts["file system"] = tables.escaped(kind)
    facts["who delivers"] = tables.escaped(report.delivers)
    return facts


def _server(server: Server) -> tuple[object, ...]:
    state = "well"
    if server.paused_until_ns:
        state = f"{cut(server.pause_reason)}, until {tables.moment(server.paused_until_ns)}"
    elif server.failures:
        state = "does not answer"
    last = tables.moment(server.last_answer_ns) if server.last_answer_ns else "never"
    return tables.escaped(server.key), server.pending, server.failures, last, state


def _project(project: Project) -> Iterator[str]:
    version = f" {cut(project.version)}" if project.version else ""
    yield f"project {tables.escaped(project.project)}{version}, from {tables.escaped(project.source) or 'code'}"
    yield f"  {project.decision.mode}: {tables.escaped(project.decision.reason)}"
    yield f"  consent: {project.consent}, in CI: {project.ci}"
    yield from (f"  sends to {_target(each)}" for each in project.targets)
    if not project.targets:
        yield "  sends to nobody: its registry names no server, so the program must"
    yield from (f"  note: {cut(warning)}" for warning in project.warnings)
    counts = Counter(each.state for each in project.functions)
    summary = ", ".join(f"{counts[state]} {state}" for state in reversed(ORDER) if counts[state])
    yield f"  functions: {summary or 'none are registered'}"
    for each in sorted(project.functions, key=lambda each: ORDER.index(each.state)):
        yield from _function(each)


def _target(target: Target) -> str:
    credentials = f"credentials {target.credentials}" if target.credentials else "no credentials"
    return tables.escaped(f"{target.endpoint} ({target.key.partition(':')[0]}), {credentials}: ") + (
        cut(target.problem) if target.problem else "ready"
    )


def _function(function: Function) -> Iterator[str]:
    service = f" ({function.service})" if function.service else ""
    yield f"    {function.state.ljust(7)}  {tables.escaped(function.name + service)}"
    indent = " " * 13
    more = ", ..." if len(function.elsewhere) > MAX_NAMES else ""
    if function.elsewhere:
        yield f"{indent}still reached as {', '.join(cut(name) for name in function.elsewhere[:MAX_NAMES])}{more}"
    if function.reason:
        place = f" [{function.source}:{function.line}]" if function.line else ""
        yield f"{indent}{cut(function.reason)}{tables.escaped(place)}"
