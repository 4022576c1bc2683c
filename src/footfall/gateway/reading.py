"""The grammar of the gateway's file: nodes in, a `Configuration` out. Errors name file, line, nearest word."""

from __future__ import annotations

import os
import re
from collections.abc import Collection
from pathlib import Path
from typing import Any, Final, NoReturn, TypeVar, cast

import msgspec

from footfall.destination import is_loopback
from footfall.errors import RegistryError
from footfall.gateway.configuration import EXPORTS, Accept, Configuration, Export, Limits, Listen, Token
from footfall.registry.model import check_project, quote
from footfall.registry.nearest import hint
from footfall.registry.nodes import Node, from_text
from footfall.registry.reading import Reader
from footfall.registry.yaml import read_file

KEYS: Final = frozenset(field.name for field in msgspec.structs.fields(Configuration))
ACCEPT_KEYS: Final = frozenset({"scope", "name", "project", "service", "as", "attributes"})
LEAST: Final = "'projects: {owner/name: [{migas: https://...}]}'"

_REFERENCE: Final = re.compile(r"env:[A-Za-z_][A-Za-z0-9_]*|file:/.+")

Made = TypeVar("Made", Listen, Limits)


def load(path: str | os.PathLike[str], *, wires: Collection[str] | None = None) -> Configuration:
    """Return the configuration in the file at *path*.

    Args:
        path: A YAML file of at most 256 KiB, ours or root's, that others cannot write.
        wires: Names of the installed wires, to find misspelt ones; None accepts any.

    Raises:
        RegistryError: It is wrong; the message has the line.
        UnsafeFileError: Somebody else could have written it.
        OSError: It cannot be read.
    """
    place = Path(path)
    source = os.fspath(place)
    if not place.is_absolute():
        place = Path.cwd() / place  # who types the path chose the directory
    return load_text(read_file(place, owned=True), source, wires=wires)


def load_text(text: str | bytes, source: str, *, wires: Collection[str] | None = None) -> Configuration:
    """Return the configuration in a YAML *text*; *source* is named in messages. Else as `load`."""
    return _Reader(source, wires=wires).file(from_text(text, source, least=LEAST))


class _Reader:
    """Reads one tree."""

    def __init__(self, source: str, *, wires: Collection[str] | None) -> None:
        self._source = source
        self._registry = Reader(source, strict=True, wires=wires)

    def file(self, root: Node) -> Configuration:
        members = self._map(root, "the file", KEYS)
        if "projects" not in members:
            self._fail(f"'projects' is missing; add {LEAST}", root)
        listen = self._struct(members.get("listen"), "listen", Listen)
        tokens = tuple(self._token(node) for node in self._list(members.get("tokens"), "tokens"))
        metrics = members["metrics"].text if "metrics" in members else "auto"
        if metrics not in EXPORTS:
            self._fail(f"metrics is {members['metrics'].shown()}{hint(metrics, EXPORTS)}", members["metrics"])
        self._check_listen(listen, tokens, members.get("listen", root))
        return Configuration(
            listen=listen,
            state=self._path(members["state"], "state") if "state" in members else "",
            tokens=tokens,
            projects=self._projects(members["projects"]),
            accept=tuple(self._accept(node) for node in self._list(members.get("accept"), "accept")),
            limits=self._struct(members.get("limits"), "limits", Limits),
            metrics=cast("Export", metrics),
        )

    def _projects(self, node: Node) -> dict[str, Any]:
        if not node.members:
            self._fail(f"'projects' must be a map of owner/name or owner/* to destinations, not {node.shown()}", node)
        return {
            self._pattern(name, node.keys.get(name, 0)): self._registry.destinations(child)
            for name, child in node.members.items()
        }

    def _token(self, node: Node) -> Token:
        members = self._map(node, "a token", frozenset({"token", "projects"}))
        if "token" not in members:
            self._fail("'token' is missing; write '- token: env:NAME' or 'file:/path'", node)
        reference = members["token"].text
        if not _REFERENCE.fullmatch(reference):  # not shown: it may be the token itself
            self._fail("a token must be a reference, env:NAME or file:/path, never the secret itself", members["token"])
        named = self._list(members.get("projects"), "projects")
        return Token(token=reference, projects=tuple(self._pattern(each.text, each.line) for each in named))

    def _accept(self, node: Node) -> Accept:
        members = self._map(node, "a rule of 'accept'", ACCEPT_KEYS)
        if "project" not in members:
            self._fail("'project' is missing; write 'project: owner/name'", node)
        if not {"scope", "name"} & members.keys():
            self._fail("a rule needs 'scope' or 'name', or it would take every record", node)
        texts = {key: self._text(members[key], key) for key in ("scope", "name", "service") if key in members}
        return Accept(
            project=check_project(members["project"].text, source=self._source, line=members["project"].line),
            as_name=self._text(members["as"], "as") if "as" in members else "",
            attributes=tuple(
                self._text(each, "attributes") for each in self._list(members.get("attributes"), "attributes")
            ),
            **texts,
        )

    def _struct(self, node: Node | None, key: str, kind: type[Made]) -> Made:
        """Return *kind* filled from a map: each value of the type that its field has, numbers above zero."""
        if node is None or node.is_nothing:
            return kind()
        fields = {field.name: field for field in msgspec.structs.fields(kind)}
        found: dict[str, Any] = {}
        for name, child in self._map(node, repr(key), frozenset(fields)).items():
            default = fields[name].default
            value: Any = child.scalar
            if isinstance(default, float) and isinstance(value, int) and not isinstance(value, bool):
                value = float(value)
            if not child.is_scalar or type(value) is not type(default):
                words = {str: "text", int: "a whole number", float: "a number", bool: "true or false"}
                self._fail(f"{name!r} must be {words[type(default)]}, not {child.shown()}", child)
            if isinstance(value, (int, float)) and not isinstance(value, bool):
                least = 0 if name in {"port", "backlog_bytes"} else 1
                if value < least or (name == "port" and value > 65535):
                    self._fail(f"{name!r} is {child.shown()}; it must be {least} or more", child)
            found[name] = self._path(child, name) if name in {"certificate", "key"} and value else value
        return kind(**found)

    def _check_listen(self, listen: Listen, tokens: tuple[Token, ...], node: Node) -> None:
        if bool(listen.certificate) != bool(listen.key):
            self._fail("'certificate' and 'key' go together; give both or none", node)
        if listen.insecure or is_loopback(listen.host):
            return
        lacks = [what for what, there in (("TLS", listen.certificate), ("a token", tokens)) if not there]
        if lacks:
            self._fail(
                f"{listen.host} is reached by other machines, and there is no {' and no '.join(lacks)}; give"
                " 'certificate' and 'key', and 'tokens', or say 'insecure: true'",
                node,
            )

    def _pattern(self, name: str, line: int) -> str:
        owner, _, rest = name.partition("/")
        check_project(f"{owner}/any" if rest == "*" else name, source=self._source, line=line)
        return name

    def _path(self, node: Node, key: str) -> str:
        text = self._text(node, key)
        if not Path(text).is_absolute():
            self._fail(f"{key!r} must be an absolute path, not {node.shown()}", node)
        return text

    def _text(self, node: Node, key: str) -> str:
        if not node.is_scalar or not node.text:
            self._fail(f"{key!r} must be text, not {node.shown()}", node)
        return node.text

    def _list(self, node: Node | None, key: str) -> list[Node]:
        if node is None or node.is_nothing:
            return []
        if node.elements is None:
            self._fail(f"{key!r} must be a list, not {node.shown()}", node)
        return node.elements

    def _map(self, node: Node, whose: str, known: frozenset[str]) -> dict[str, Node]:
        if node.members is None:
            self._fail(f"{whose} must be a map, not {node.shown()}", node)
        for key in node.members:
            if key not in known:
                message = f"{quote(key)} is no key of {whose}{hint(key, known)}"
                raise RegistryError(message, source=self._source, line=node.keys.get(key, 0))
        return node.members

    def _fail(self, message: str, node: Node) -> NoReturn:
        raise RegistryError(message, source=self._source, line=node.line)
