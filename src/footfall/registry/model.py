"""What is watched: `Registry`, `Entry`, `Capture`, and how two registries become one. Pure.

A registry belongs to one project. Files, mappings, entry points and the decorator all end here, and the instrumentor
reads nothing else (design.md section 2).
"""

from __future__ import annotations

import keyword
import re
from collections.abc import Callable, Iterable, Mapping
from typing import Any, Final, Literal, TypeAlias, get_args

import msgspec

from footfall.destination import Destination
from footfall.errors import RegistryError

Form = Literal["choice", "int", "float", "bool", "len", "hash", "text", "json"]
"""What of an argument may leave the process (reliability.md S4).

choice: the value when it is a listed one, else ``other``; int, float, bool: a plain number or truth value; len: how
many items or characters; hash: 16 hexadecimal digits of a digest; text: a scrubbed text; json: a scrubbed structure.
"""

Consent = Literal["opt-in", "opt-out"]
"""opt-out: reported unless the user says no; opt-in: only after the user said yes."""

OnCi = Literal["mark", "skip"]
"""In continuous integration, mark: report and say so; skip: report nothing."""

FORMS: Final[tuple[str, ...]] = get_args(Form)
PerCall: TypeAlias = Callable[[Any, "tuple[Any, ...]", Mapping[str, Any]], "Mapping[str, Any] | None"]
"""Takes the subject of a use and the arguments of the call; returns further fields of that use, scrubbed, or None where
nothing shall be said of it."""

CONSENTS: Final[tuple[str, ...]] = get_args(Consent)
ON_CI: Final[tuple[str, ...]] = get_args(OnCi)

NAME_PATTERN: Final = r"[A-Za-z0-9][A-Za-z0-9._-]{0,63}"
"""A name that is safe in URLs, file names and headers (reliability.md S8)."""

PROJECT_PATTERN: Final = rf"^{NAME_PATTERN}/{NAME_PATTERN}$"
"""``owner/name``, as a JSON Schema spells it; code uses `check_project`, since Python's ``$`` forgives a newline."""

PROJECT_MAX_CHARS: Final = 140
"""The longest project name that the servers keep whole (owner of 39, name of 100, one slash)."""

SERVICE_MAX_CHARS: Final = 140

NAME_FIELDS: Final = ("access.name", "name")
"""Extra fields that say who it was, where a format has a place for that; the first is what `user_name` fills."""

_PROJECT = re.compile(f"{NAME_PATTERN}/{NAME_PATTERN}")
_SERVICE_PART = re.compile(NAME_PATTERN)


class Capture(msgspec.Struct, frozen=True):
    """One argument that is reported.

    Attributes:
        parameter: Its name in the function's signature.
        form: What of it is reported.
        choices: For ``choice``: the values, as `str` makes them.
    """

    parameter: str
    form: Form
    choices: tuple[str, ...] = ()


class Entry(msgspec.Struct, frozen=True, gc=False):
    """One function that is watched.

    Attributes:
        module: Dotted name of the defining module, or "" for a bare ``Class.method``.
        qualname: Name inside the module, such as ``esm_datastore.search``.
        service: Group it belongs to, such as ``intake_catalog``, or "".
        capture: Arguments to report; none by default.
        extra: Further fields of each use, see `footfall.usage.Usage.extra`.
        drop: Fields to take out again.
        start: Whether the start is reported too.
        outermost: Whether a use is left out that is inside one of another entry of the project that says so as well.
        rate: Uses reported each second before the rest is only counted; 0 for no limit, None for the setting.
        job: Tag of the job that each call is, or "".
        step: Tag of the step that a call is while a job of the project is under way, or "".
        source: File that named it, or "decorator"; for messages only.
        line: One-based line in *source*, or 0.
        candidates: For a bare name: the modules to look in. None listed: a notebook's namespace only.
        per_call: Further fields that are known at each call only; for facades, whose clients set them at any time.
    """

    module: str
    qualname: str
    service: str = ""
    capture: tuple[Capture, ...] = ()
    extra: Mapping[str, Any] = {}
    drop: tuple[str, ...] = ()
    start: bool = False
    outermost: bool = False
    rate: float | None = None
    job: str = ""
    step: str = ""
    source: str = ""
    line: int = 0
    candidates: tuple[str, ...] = ()
    per_call: PerCall | None = None

    @property
    def name(self) -> str:
        """``module:qualname``, or only the qualname while the module is not known."""
        return f"{self.module}:{self.qualname}" if self.module else self.qualname

    @property
    def key(self) -> tuple[str, str, tuple[str, ...]]:
        """What makes two entries the same: name, service, and where a bare name is looked up.

        The service is part of it: a function may count for two services, and then each is told.
        """
        return (self.name, self.service, self.candidates)

    @property
    def modules(self) -> tuple[str, ...]:
        """Modules whose import may bring the function: its own, or the candidates of a bare name."""
        return (self.module,) if self.module else self.candidates


class Registry(msgspec.Struct, frozen=True):
    """What one project watches, and whom it tells.

    Attributes:
        project: ``owner/name``.
        version: Of the project; "" to ask the installed distribution.
        consent: Whether the user must say no, or yes.
        ci: What happens in continuous integration.
        send_to: Destinations, each once.
        entries: Functions, each once for a service, in the order they were named.
        extra: Further fields of every use of the project.
        user_name: Whether the login name goes along, to servers that have a place for it.
        jobs: Where the configurations of its jobs are: a path, a mapping, a `footfall.jobs.JobConfigs`, or None.
        warnings: What was ignored while reading, each with file and line.
        source: File it came from, or "".
    """

    project: str
    version: str = ""
    consent: Consent = "opt-out"
    ci: OnCi = "mark"
    send_to: tuple[Destination, ...] = ()
    entries: tuple[Entry, ...] = ()
    extra: Mapping[str, Any] = {}
    user_name: bool = False
    jobs: Any = None
    warnings: tuple[str, ...] = ()
    source: str = ""

    def extra_of_uses(self, login: Callable[[], str]) -> Mapping[str, Any]:
        """Return the fields of every use, with the name that *login* returns where `user_name` asks for it.

        Whoever gives a name in ``extra`` wants that one.
        """
        if not self.user_name or not self.extra.keys().isdisjoint(NAME_FIELDS):
            return self.extra
        return {NAME_FIELDS[0]: login(), **self.extra}

    def services(self) -> dict[str, tuple[Entry, ...]]:
        """Return the entries by service, both in the order they were first named."""
        found: dict[str, list[Entry]] = {}
        for entry in self.entries:
            found.setdefault(entry.service, []).append(entry)
        return {service: tuple(entries) for service, entries in found.items()}

    def by_module(self) -> dict[str, tuple[Entry, ...]]:
        """Return the entries by the modules whose import may bring them, for import hooks.

        A bare name appears under each of its candidates; one without candidates appears nowhere.
        """
        found: dict[str, list[Entry]] = {}
        for entry in self.entries:
            for module in entry.modules:
                found.setdefault(module, []).append(entry)
        return {module: tuple(entries) for module, entries in found.items()}


def merge(first: Registry, second: Registry) -> Registry:
    """Return one registry that says what *first* and then *second* say about the same project.

    A field of *second* that differs from its default wins; ``extra`` is merged key by key; entries that are the same
    (`Entry.key`) are merged by the same rule. Consent and CI follow the stricter of the two, whatever the order:
    nobody's "only after asking" is lifted by another file.

    Raises:
        RegistryError: They belong to different projects.
    """
    if first.project != second.project:
        msg = f"cannot merge the registry of {second.project!r} into that of {first.project!r}; keep them apart"
        raise RegistryError(msg, source=second.source)
    return Registry(
        project=first.project,
        version=second.version or first.version,
        consent="opt-in" if "opt-in" in {first.consent, second.consent} else "opt-out",
        ci="skip" if "skip" in {first.ci, second.ci} else "mark",
        send_to=second.send_to or first.send_to,
        entries=merge_entries((*first.entries, *second.entries)),
        extra={**first.extra, **second.extra},
        user_name=first.user_name or second.user_name,
        jobs=first.jobs if second.jobs is None else second.jobs,
        warnings=tuple(dict.fromkeys((*first.warnings, *second.warnings))),
        source=second.source or first.source,
    )


def merge_entries(entries: Iterable[Entry]) -> tuple[Entry, ...]:
    """Return *entries* with those of one `Entry.key` made one, at the place of the first."""
    found: dict[tuple[str, str, tuple[str, ...]], Entry] = {}
    for entry in entries:
        known = found.get(entry.key)
        found[entry.key] = entry if known is None else _merge_entry(known, entry)
    return tuple(found.values())


def merge_captures(first: Iterable[Capture], second: Iterable[Capture]) -> tuple[Capture, ...]:
    """Return the captures of both; for a parameter in both, that of *second*."""
    return tuple({capture.parameter: capture for capture in (*first, *second)}.values())


def _merge_entry(first: Entry, second: Entry) -> Entry:
    return msgspec.structs.replace(
        first,
        capture=merge_captures(first.capture, second.capture),
        extra={**first.extra, **second.extra},
        drop=tuple(dict.fromkeys((*first.drop, *second.drop))),
        start=first.start or second.start,
        outermost=first.outermost or second.outermost,
        rate=first.rate if second.rate is None else second.rate,
        job=second.job or first.job,
        step=second.step or first.step,
        per_call=second.per_call or first.per_call,
        source=second.source or first.source,
        line=second.line or first.line,
    )


def is_project(project: str) -> bool:
    """Whether *project* is ``owner/name`` with safe characters."""
    return len(project) <= PROJECT_MAX_CHARS and _PROJECT.fullmatch(project) is not None


def check_project(project: str, *, source: str = "", line: int = 0) -> str:
    """Return *project* when it is ``owner/name`` with safe characters.

    Raises:
        RegistryError: It is not; the message shows a right one.
    """
    if not is_project(project):
        msg = (
            f"project {quote(project)} must be owner/name of letters, digits, '.', '_' and '-', "
            f"{PROJECT_MAX_CHARS} characters at most, such as 'nipreps/fmriprep'"
        )
        raise RegistryError(msg, source=source, line=line)
    return project


def service_of(parts: Iterable[str], *, source: str = "", line: int = 0) -> str:
    """Return the service that the nested keys *parts* mean: ``intake``, ``catalog`` is ``intake_catalog``.

    A slash in a key counts as nesting, so that an endpoint may be written in one piece (wire/access.md section 1).

    Raises:
        RegistryError: A part has characters that are not safe in a URL or a file name.
    """
    pieces = [piece for part in parts for piece in part.split("/")]
    service = "_".join(pieces)
    if len(service) > SERVICE_MAX_CHARS or not all(_SERVICE_PART.fullmatch(piece) for piece in pieces):
        msg = (
            f"service {quote('/'.join(pieces))} must be made of letters, digits, '.', '_' and '-', "
            f"{SERVICE_MAX_CHARS} characters at most; rename the group"
        )
        raise RegistryError(msg, source=source, line=line)
    return service


def endpoint_of(parts: Iterable[str]) -> str:
    """Return the endpoint that the nested keys *parts* mean where their service does not tell it, else "".

    ``intake``, ``esm_store`` is service ``intake_esm_store``, as ``intake``, ``esm``, ``store`` would be
    (wire/access.md section 1).
    """
    endpoint = "/".join(parts)
    return endpoint if "_" in endpoint else ""


def is_dotted(name: str) -> bool:
    """Whether *name* is identifiers joined by dots, none of them a keyword."""
    return all(part.isidentifier() and not keyword.iskeyword(part) for part in name.split("."))


def split_name(name: str, *, where: tuple[str, ...] = (), source: str = "", line: int = 0) -> tuple[str, str]:
    """Return module and qualname of a registered *name*; the module is "" for a bare ``Class.method``.

    Args:
        name: ``module:qualname``, or a bare name.
        where: Modules that bare names are looked up in; a name that begins with one lacks its colon.
        source: File that names it.
        line: One-based line there.

    Raises:
        RegistryError: It is neither; the message shows the name as it was probably meant.
    """
    module, colon, qualname = name.partition(":")
    if not colon:
        module, qualname = "", name
    if not is_dotted(qualname) or (colon and not is_dotted(module)):
        msg = f"{quote(name)} names no function; write module:qualname, such as 'intake_esm.core:esm_datastore.search'"
        raise RegistryError(msg, source=source, line=line)
    meant = "" if colon else _with_colon(name, where)
    if meant:
        msg = f"{quote(name)} has no colon between module and name; did you mean {quote(meant)}?"
        raise RegistryError(msg, source=source, line=line)
    return module, qualname


def _with_colon(name: str, where: tuple[str, ...]) -> str:
    """Return *name* with the colon it seems to lack, or "" when it reads as a bare name.

    Two parts, or a first part with a capital, are what old files hold (``Class.method``, ``Outer.Inner.method``).
    """
    for module in where:
        if name.startswith(module + "."):
            return f"{module}:{name[len(module) + 1 :]}"
    parts = name.split(".")
    if len(parts) < 3 or parts[0][:1].isupper():
        return ""
    capital = next((index for index, part in enumerate(parts) if part[:1].isupper()), 0)
    cut = capital or (len(parts) - 1 if len(parts) == 3 else len(parts) - 2)
    return f"{'.'.join(parts[:cut])}:{'.'.join(parts[cut:])}"


def quote(text: str, *, max_chars: int = 120) -> str:
    """Return *text* for a message: quoted, escaped, and not longer than a line (reliability.md S19)."""
    return ascii(text if len(text) <= max_chars else text[:max_chars] + "...")
