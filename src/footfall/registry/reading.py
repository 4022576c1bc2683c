"""The grammar of ``footfall.yaml``: a tree of nodes in, a `Registry` out. Pure.

Inside ``registry:`` a map is a group and its keys are sub-groups, but for the words of `GROUP_KEYS`, which are options
that hold for all functions below. A list is the functions of its group. The keys on the way to a function, joined by
"_", are its service, as in ACCESS-NRI's files (wire/access.md section 1).

Every error names file, line, the wrong value, and the nearest right one.
"""

from __future__ import annotations

import sys
from collections.abc import Collection, Iterable, Mapping
from pathlib import PurePath
from typing import Any, Final, NoReturn, cast

import msgspec

from footfall.destination import Destination, InDoubt, check
from footfall.errors import ConfigurationError, RegistryError
from footfall.registry.model import (
    CONSENTS,
    FORMS,
    ON_CI,
    Capture,
    Consent,
    Entry,
    Form,
    OnCi,
    Registry,
    check_project,
    endpoint_of,
    is_dotted,
    merge_captures,
    merge_entries,
    quote,
    service_of,
    split_name,
)
from footfall.registry.nearest import hint, nearest
from footfall.registry.nodes import Node
from footfall.usage import ENDPOINT

FILE_KEYS: Final = frozenset(
    {"project", "version", "consent", "ci", "extra", "send_to", "registry", "user_name", "jobs"}
)
ENTRY_KEYS: Final = frozenset({"function", "capture", "extra", "drop", "start", "outermost", "rate", "job", "step"})
GROUP_KEYS: Final = frozenset({"where", "functions", "capture", "extra", "drop", "start", "outermost", "rate"})
DESTINATION_KEYS: Final = frozenset({"credentials", "insecure", "in_doubt", "services"})
IN_DOUBT: Final = ("retry", "drop")

NO_PROJECT: Final = (
    "this is a registry as ACCESS-NRI writes them, which names no project; pass it to footfall.instrument() with"
    " project='owner/name', or write 'project: owner/name' and put the groups below 'registry:'"
)

_TYPO_CUTOFF: Final = 0.8
"""A group whose key is this much like an option is reported as a likely slip, but stays a group."""


class _Options(msgspec.Struct, frozen=True):
    """What holds for the functions of a group."""

    where: tuple[str, ...] = ()
    capture: tuple[Capture, ...] = ()
    extra: Mapping[str, Any] = {}
    drop: tuple[str, ...] = ()
    start: bool = False
    outermost: bool = False
    rate: float | None = None


def _at_endpoint(options: _Options, path: tuple[str, ...]) -> _Options:
    """Return *options* with the endpoint of the group at *path*, where it is not in the name of its service."""
    endpoint = endpoint_of(path)
    return msgspec.structs.replace(options, extra={ENDPOINT: endpoint, **options.extra}) if endpoint else options


def _is_access_file(root: Node) -> bool:
    """Whether *root* is a file as ACCESS-NRI writes them: groups that end in lists of names, and no key of ours."""
    members = root.members
    return bool(members) and FILE_KEYS.isdisjoint(members or ()) and _ends_in_names(root)


def _ends_in_names(node: Node) -> bool:
    if node.members is not None:
        return bool(node.members) and all(map(_ends_in_names, node.members.values()))
    return bool(node.elements) and all(child.is_scalar for child in node.elements or ())


class Reader:
    """Reads one tree.

    Args:
        source: File, for messages.
        strict: Whether an unknown key is an error; else it is ignored and listed in `warnings`.
        wires: Names of the installed wires; None accepts any.
    """

    def __init__(self, source: str, *, strict: bool, wires: Collection[str] | None = None) -> None:
        self._source = source
        self._strict = strict
        self._wires = wires
        self._entries: list[Entry] = []
        self.warnings: list[str] = []

    def file(self, root: Node, *, project: str = "") -> Registry:
        """Return the registry of a whole ``footfall.yaml``.

        Args:
            root: The tree.
            project: What the file belongs to when it does not say so itself.

        Raises:
            ConfigurationError: Something is wrong; a `RegistryError`, with the line.
        """
        if _is_access_file(root):
            if not project:
                self._fail(NO_PROJECT, root)
            return self.access_file(root, project=project)
        if root.members is None:
            self._fail(f"the file must be a map that begins with 'project:', not {root.shown()}", root)
        self._check_keys(root, FILE_KEYS, "the file")
        keys = root.members
        if "project" in keys:
            project = check_project(
                self._text(keys["project"], "project"), source=self._source, line=keys["project"].line
            )
        elif project:
            check_project(project, source=self._source)
        else:
            self._fail("'project' is missing; add 'project: owner/name'", root)
        if "registry" in keys:
            self._group(keys["registry"], (), _Options())
        consent = self._word(keys["consent"], "consent", CONSENTS) if "consent" in keys else "opt-out"
        ci = self._word(keys["ci"], "ci", ON_CI) if "ci" in keys else "mark"
        return Registry(
            project=project,
            version=self._text(keys["version"], "version") if "version" in keys else "",
            consent=cast("Consent", consent),
            ci=cast("OnCi", ci),
            send_to=self.destinations(keys["send_to"]) if "send_to" in keys else (),
            entries=merge_entries(self._entries),
            extra=self._extra(keys["extra"]) if "extra" in keys else {},
            user_name=self._truth(keys["user_name"], "user_name") if "user_name" in keys else False,
            jobs=self._jobs(keys["jobs"]) if "jobs" in keys else None,
            warnings=tuple(self.warnings),
            source=self._source,
        )

    def access_file(self, root: Node, *, project: str, where: tuple[str, ...] = ()) -> Registry:
        """Return the registry of a file that holds nothing but nested groups of bare names.

        Such files have no options, so each key is a group there, even ``start`` or ``rate``. Their names are what users
        write, and the client that they are made for sees no more than that: hence `outermost`.

        Raises:
            RegistryError: Something is wrong.
        """
        check_project(project, source=self._source)
        self._access_group(root, (), where)
        return Registry(
            project=project, entries=merge_entries(self._entries), warnings=tuple(self.warnings), source=self._source
        )

    def captures(self, node: Node) -> tuple[Capture, ...]:
        """Return what a ``capture:`` map asks for, in its order.

        Raises:
            RegistryError: A parameter is no identifier, or a form is unknown.
        """
        return self._captures(node, ())

    def _access_group(self, node: Node, path: tuple[str, ...], where: tuple[str, ...]) -> None:
        if node.members is not None:
            for key, child in node.members.items():
                self._access_group(child, (*path, key), where)
        elif node.elements is not None:
            service = service_of(path, source=self._source, line=node.line) if path else ""
            options = _at_endpoint(_Options(where=where, outermost=True), path)
            for child in node.elements:
                name = self._text(child, "a function")
                module, colon, qualname = name.partition(":")
                if colon:
                    split_name(name, source=self._source, line=child.line)
                elif is_dotted(name):
                    module, qualname = "", name
                else:
                    self._fail(f"{quote(name)} is no function name, such as 'esm_datastore.search'", child)
                self._entries.append(self._entry_of(module, qualname, service, options, child.line))
        elif not node.is_nothing:
            self._fail(f"{node.shown()} must be a group, or a list of functions", node)

    def _group(self, node: Node, path: tuple[str, ...], outer: _Options) -> None:
        if node.is_nothing:
            return
        if node.elements is not None:
            service = service_of(path, source=self._source, line=node.line) if path else ""
            options = _at_endpoint(outer, path)
            for child in node.elements:
                self._entry(child, service, options)
            return
        if node.members is None:
            place = quote("/".join(path)) if path else "'registry'"
            guess = nearest(path[-1], GROUP_KEYS) if path else ""
            self._fail(
                f"{place} must be a list of functions or a map of groups, not {node.shown()}"
                + (f"; did you mean the option {guess!r}?" if guess else ""),
                node,
            )
        keys = node.members
        options = self._options(keys, outer)
        if "functions" in keys:
            if keys["functions"].elements is None:
                self._fail(f"'functions' must be a list, not {keys['functions'].shown()}", keys["functions"])
            self._group(keys["functions"], path, options)
        for key, child in node.members.items():
            if key in GROUP_KEYS:
                continue
            guess = nearest(key, GROUP_KEYS, cutoff=_TYPO_CUTOFF)
            if guess:
                self._warn(
                    f"{quote(key)} was read as a group; it looks like the option {guess!r}", node.keys.get(key, 0)
                )
            self._group(child, (*path, key), options)

    def _entry(self, node: Node, service: str, group: _Options) -> None:
        named, options = node, group
        if node.members is not None:
            self._check_keys(node, ENTRY_KEYS, "a function")
            if "function" not in node.members:
                self._fail("'function' is missing; write '- function: module:qualname'", node)
            named = node.members["function"]
            options = self._options(node.members, group)
        name = self._text(named, "a function")
        module, qualname = split_name(name, where=group.where, source=self._source, line=named.line)
        entry = self._entry_of(module, qualname, service, options, named.line)
        words = {key: self._text(given, key) for key, given in (node.members or {}).items() if key in {"job", "step"}}
        if len(words) > 1:
            self._fail("a function is a 'job' or a 'step' of one, not both", node)
        self._entries.append(msgspec.structs.replace(entry, **words) if words else entry)

    def _entry_of(self, module: str, qualname: str, service: str, options: _Options, line: int) -> Entry:
        return Entry(
            module=sys.intern(module),  # many entries of a few modules
            qualname=qualname,
            service=service,
            capture=options.capture,
            extra=options.extra,
            drop=options.drop,
            start=options.start,
            outermost=options.outermost,
            rate=options.rate,
            source=self._source,
            line=line,
            candidates=() if module else options.where,
        )

    def _options(self, keys: Mapping[str, Node], outer: _Options) -> _Options:
        """Return the options among *keys*, over those around them."""
        return _Options(
            where=self._modules(keys["where"]) if "where" in keys else outer.where,
            capture=self._captures(keys["capture"], outer.capture) if "capture" in keys else outer.capture,
            extra={**outer.extra, **self._extra(keys["extra"])} if "extra" in keys else outer.extra,
            drop=tuple(dict.fromkeys((*outer.drop, *self._texts(keys["drop"], "drop"))))
            if "drop" in keys
            else outer.drop,
            start=self._truth(keys["start"], "start") if "start" in keys else outer.start,
            outermost=self._truth(keys["outermost"], "outermost") if "outermost" in keys else outer.outermost,
            rate=self._rate(keys["rate"]) if "rate" in keys else outer.rate,
        )

    def _captures(self, node: Node, outer: tuple[Capture, ...]) -> tuple[Capture, ...]:
        if node.members is None:
            self._fail(f"'capture' must be a map such as {{method: len}}, not {node.shown()}", node)
        found: list[Capture] = []
        withdrawn: set[str] = set()
        for parameter, form in node.members.items():
            if not parameter.isidentifier():
                self._fail(f"'capture' names {quote(parameter)}, which is no parameter name", form)
            if form.is_nothing:  # takes back what the group around asks for
                withdrawn.add(parameter)
            else:
                found.append(self._capture(parameter, form))
        kept = merge_captures(outer, found)
        return tuple(capture for capture in kept if capture.parameter not in withdrawn)

    def _capture(self, parameter: str, node: Node) -> Capture:
        if node.members is not None:
            if list(node.members) != ["choice"]:
                self._fail(f"capture of {parameter!r} must be a form or {{choice: [values]}}", node)
            listed = node.members["choice"]
            choices = tuple(self._choice(child) for child in listed.elements or ())
            if not choices:
                self._fail(f"'choice' of {parameter!r} must list at least one value, not {listed.shown()}", listed)
            return Capture(parameter, "choice", tuple(dict.fromkeys(choices)))
        form = self._word(node, f"capture of {parameter!r}", FORMS)
        if form == "choice":
            self._fail(f"capture of {parameter!r} needs its values: {{choice: [values]}}", node)
        return Capture(parameter, cast("Form", form))

    def _choice(self, node: Node) -> str:
        if not node.is_scalar:
            self._fail(f"a choice must be a word or number, not {node.shown()}", node)
        # `str` of the value and not the text: `true` in YAML is what a call passes as True.
        return str(node.scalar)

    def destinations(self, node: Node) -> tuple[Destination, ...]:
        """Return what a ``send_to:`` names, each destination once.

        Raises:
            RegistryError: One cannot be sent to, or is not written as a destination.
        """
        if node.is_nothing:
            return ()
        listed = [node] if node.members is not None else node.elements
        if listed is None:
            self._fail(f"'send_to' must be a list such as '- migas: https://...', not {node.shown()}", node)
        return tuple({found.key: found for found in map(self._destination, listed)}.values())

    def _destination(self, node: Node) -> Destination:
        if node.members is None:
            self._fail(f"a destination is 'wire: endpoint', such as 'migas: https://...', not {node.shown()}", node)
        keys = node.members
        wire = self._wire(node)
        options = {
            key: self._option(key, child)
            for key, child in node.members.items()
            if key != wire and key not in DESTINATION_KEYS
        }
        doubt = self._word(keys["in_doubt"], "in_doubt", IN_DOUBT) if "in_doubt" in keys else ""
        credentials = self._text(keys["credentials"], "credentials", secret=True) if "credentials" in keys else ""
        if credentials.startswith("memory:"):
            self._fail(
                "credentials in a registry must be env:NAME or file:/path; no process holds any for a file", node
            )
        destination = Destination(
            wire=wire,
            endpoint=self._text(keys[wire], wire),
            options=options,
            credentials=credentials,
            insecure=self._truth(keys["insecure"], "insecure") if "insecure" in keys else False,
            in_doubt=cast("InDoubt", doubt),
            services=self._services(keys["services"]) if "services" in keys else (),
        )
        try:
            return check(destination)
        except ConfigurationError as error:
            raise RegistryError(str(error), source=self._source, line=node.line) from None

    def _jobs(self, node: Node) -> Any:
        """Return what 'jobs' holds: a map as in a file of configurations, or the path of one, beside this file."""
        if node.members is not None:
            return node.plain()
        return str(PurePath(self._source).parent / self._text(node, "jobs"))

    def _services(self, node: Node) -> tuple[str, ...]:
        services = [service_of((text,), source=self._source, line=node.line) for text in self._texts(node, "services")]
        known = {entry.service for entry in self._entries}
        for service in services:
            # Decorators may name services that no file has; one that nearly has the name of another is a slip.
            guess = nearest(service, known, cutoff=_TYPO_CUTOFF) if service not in known else ""
            if guess:
                self._warn(f"'services' names {quote(service)}; did you mean {guess!r}?", node.line)
        return tuple(dict.fromkeys(services))

    def _wire(self, node: Node) -> str:
        """Return the key that names the wire: the installed one, or without a list of those the first key."""
        words = [key for key in node.members or () if key not in DESTINATION_KEYS]
        known = words[:1] if self._wires is None else [word for word in words if word in self._wires]
        if not known:
            first = quote(words[0]) if words else "no key"
            installed = hint(words[0] if words else "", self._wires or ("migas", "otlp"))
            self._fail(f"a destination begins with its wire; {first} is none{installed}", node)
        if len(known) > 1:
            self._fail(f"wires {known[0]!r} and {known[1]!r} in one destination; begin each with its own '-'", node)
        return known[0]

    def _option(self, key: str, node: Node) -> str | int | float | bool:
        if node.scalar is None:
            self._fail(f"option {quote(key)} of a destination must be text, a number, true or false", node)
        return node.scalar

    def _modules(self, node: Node) -> tuple[str, ...]:
        modules = self._texts(node, "where")
        for module in modules:
            if not is_dotted(module):
                self._fail(f"'where' names {quote(module)}, which is no module, such as 'intake_esm.core'", node)
        return modules

    def _extra(self, node: Node) -> dict[str, Any]:
        if node.is_nothing:
            return {}
        if node.members is None:
            self._fail(f"'extra' must be a map such as {{site: nci}}, not {node.shown()}", node)
        return cast("dict[str, Any]", node.plain())

    def _texts(self, node: Node, key: str) -> tuple[str, ...]:
        if node.members is not None:
            self._fail(f"{key!r} must be a list, not a map", node)
        listed = [] if node.is_nothing else [node] if node.elements is None else node.elements
        return tuple(dict.fromkeys(self._text(child, key) for child in listed))

    def _text(self, node: Node, key: str, *, secret: bool = False) -> str:
        if not node.is_scalar or not node.text:
            self._fail(f"{key} must be text" + ("" if secret else f", not {node.shown()}"), node)
        return node.text

    def _word(self, node: Node, key: str, words: Iterable[str]) -> str:
        if node.text not in words:
            self._fail(f"{key} is {node.shown()}{hint(node.text, words)}", node)
        return node.text

    def _truth(self, node: Node, key: str) -> bool:
        if not isinstance(node.scalar, bool):
            self._fail(f"{key!r} must be true or false, not {node.shown()}", node)
        return node.scalar

    def _rate(self, node: Node) -> float | None:
        if node.is_nothing:
            return None
        if isinstance(node.scalar, bool) or not isinstance(node.scalar, (int, float)) or node.scalar < 0:
            self._fail(f"'rate' must be uses per second, 0 for no limit, not {node.shown()}", node)
        return float(node.scalar)

    def _check_keys(self, node: Node, known: frozenset[str], whose: str) -> None:
        for key in node.members or ():
            if key not in known:
                line = node.keys.get(key, 0)
                message = f"{quote(key)} is no key of {whose}{hint(key, known)}"
                if self._strict:
                    raise RegistryError(message, source=self._source, line=line)
                self._warn(f"{message} (ignored)", line)

    def _warn(self, message: str, line: int) -> None:
        self.warnings.append(str(RegistryError(message, source=self._source, line=line)))

    def _fail(self, message: str, node: Node) -> NoReturn:
        raise RegistryError(message, source=self._source, line=node.line)
