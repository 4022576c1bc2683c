"""A configuration as a tree of nodes that know their line, from YAML text or from Python objects.

Only the harmless part of YAML is read: maps, lists and plain values, as JSON has them. Anchors, aliases, tags that
make objects, repeated keys, several documents, deep nesting and large files are refused (reliability.md S10). The
tree is built from parser events by our own short recursion, because the parser's composer recurses in C without a
limit.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from math import isfinite
from typing import TYPE_CHECKING, Any, Final, TypeAlias, TypeGuard

from footfall.errors import RegistryError
from footfall.registry.model import quote

if TYPE_CHECKING:
    import yaml

MAX_BYTES: Final = 256 * 1024
MAX_DEPTH: Final = 32
MAX_NODES: Final = 100_000
"""More than 256 KiB of YAML can hold in a useful file; bounds what a mapping handed in may hold."""

_INT64: Final = range(-(2**63), 2**63)
"""What every consumer of our JSON can hold."""

_INTEGER = re.compile(r"[-+]?(?:0|[1-9][0-9]{0,18})")
_FLOAT = re.compile(r"[-+]?(?:[0-9]{1,40}\.[0-9]{0,40}|\.[0-9]{1,40}|[0-9]{1,40}(?=[eE]))(?:[eE][-+]?[0-9]{1,3})?")
_WORDS: Final[Mapping[str, bool | None]] = {
    **dict.fromkeys(("", "~", "null", "Null", "NULL"), None),
    **dict.fromkeys(("true", "True", "TRUE"), True),
    **dict.fromkeys(("false", "False", "FALSE"), False),
}
_CORE: Final = "tag:yaml.org,2002:"
_SCALAR_TAGS: Final = frozenset({"int", "float", "bool", "null"})


Scalar: TypeAlias = "str | bool | int | float | None"
"""What is neither map nor list. Integers fit 64 bits, floats are finite."""


class Node:
    """One value of a configuration: a scalar, a list of nodes, or a map of nodes.

    Attributes:
        scalar: The value when it is neither list nor map.
        elements: Of a list; else None.
        members: Of a map; else None.
        text: Of a scalar: as it was written, so that ``version: 1.10`` stays ``1.10``. Else "".
        line: One-based line, or 0 for Python objects.
        keys: Of a map: the line of each key.
    """

    __slots__ = ("elements", "keys", "line", "members", "scalar", "text")

    def __init__(
        self,
        scalar: Scalar = None,
        *,
        elements: list[Node] | None = None,
        members: dict[str, Node] | None = None,
        text: str = "",
        line: int = 0,
        keys: dict[str, int] | None = None,
    ) -> None:
        self.scalar = scalar
        self.elements = elements
        self.members = members
        self.text = text
        self.line = line
        self.keys: dict[str, int] = {} if keys is None else keys

    @property
    def kind(self) -> str:
        """The word for messages: ``map``, ``list``, ``text``, ``number``, ``true or false`` or ``nothing``."""
        if self.members is not None:
            return "map"
        if self.elements is not None:
            return "list"
        if self.scalar is None:
            return "nothing"
        if isinstance(self.scalar, bool):
            return "true or false"
        return "text" if isinstance(self.scalar, str) else "number"

    @property
    def is_scalar(self) -> bool:
        """Whether it is neither map nor list."""
        return self.members is None and self.elements is None

    @property
    def is_nothing(self) -> bool:
        """Whether it was left empty, or is ``null``."""
        return self.is_scalar and self.scalar is None

    def plain(self) -> Any:
        """Return the value as plain Python objects."""
        if self.members is not None:
            return {key: child.plain() for key, child in self.members.items()}
        if self.elements is not None:
            return [child.plain() for child in self.elements]
        return self.scalar

    def shown(self) -> str:
        """Return the value for a message: short, quoted, without the contents of maps and lists."""
        if self.is_nothing:
            return "nothing"
        return quote(self.text) if self.is_scalar else f"a {self.kind}"


def from_text(text: str | bytes, source: str, *, least: str = "'project: owner/name'") -> Node:
    """Return the tree of a YAML *text*.

    Args:
        text: The whole file.
        source: Its name, for messages.
        least: What an empty file lacks.

    Raises:
        RegistryError: It is no YAML, too large, or uses a part of YAML that is not read here.
    """
    import yaml  # noqa: PLC0415  costs 20 ms, and projects that only decorate have no file

    data = utf8(text, source)
    loader = getattr(yaml, "CSafeLoader", yaml.SafeLoader)  # libyaml is ten times quicker where it is there
    try:
        return _Builder(yaml.parse(data, Loader=loader), yaml, source).document(least)
    except RegistryError:
        raise
    except yaml.YAMLError as error:
        mark = getattr(error, "problem_mark", None)
        problem = str(getattr(error, "problem", None) or "it cannot be read")
        msg = f"this is not YAML: {problem[:200]}"
        raise RegistryError(msg, source=source, line=mark.line + 1 if mark else 0) from None
    except (ValueError, OverflowError) as error:
        # Seen from PyYAML's scanner: chr() of an escape above 0x10FFFF, and a version directive of 5 000 digits.
        msg = f"this is not YAML: {type(error).__name__} while reading it"
        raise RegistryError(msg, source=source) from None


def from_python(value: object, source: str) -> Node:
    """Return the tree of a mapping (or list) of plain Python objects.

    Values must be of the exact builtin types that a file can hold; anything else is refused by its type name alone.

    Raises:
        RegistryError: Something else is in it, it is nested too deeply, or it is too large.
    """
    budget = [MAX_NODES]

    def build(item: Any, depth: int) -> Node:
        budget[0] -= 1
        if depth > MAX_DEPTH or budget[0] < 0:
            msg = f"nested deeper than {MAX_DEPTH} or longer than {MAX_NODES} values; make it smaller"
            raise RegistryError(msg, source=source)
        if _is_mapping(item):
            children: dict[str, Node] = {}
            for key, child in item.items():
                named = build(key, depth + 1)
                if not named.is_scalar or named.text in children:
                    msg = f"key {quote(named.text)} is there twice, or is no word; remove it"
                    raise RegistryError(msg, source=source)
                children[named.text] = build(child, depth + 1)
            return Node(members=children)
        if type(item) in {list, tuple}:
            return Node(elements=[build(child, depth + 1) for child in item])
        if item is None:
            return Node(None)
        if type(item) in {str, bool} or (type(item) is int and item in _INT64):
            return Node(no_surrogates(item, source) if type(item) is str else item, text=str(item))
        if type(item) is float and isfinite(item):
            return Node(item, text=repr(item))
        msg = f"a value of type {type(item).__name__} cannot be in a registry; use text, numbers, lists and maps"
        raise RegistryError(msg, source=source)

    return build(value, 0)


def _is_mapping(value: object) -> TypeGuard[Mapping[Any, Any]]:
    return isinstance(value, Mapping)


def no_surrogates(text: str, source: str) -> str:
    """Return *text* when UTF-8 can hold it, which it cannot where half of a surrogate pair is in it.

    Raises:
        RegistryError: It cannot.
    """
    if not text.isascii():
        try:
            text.encode()
        except UnicodeEncodeError:
            msg = f"{quote(text)} is not text that UTF-8 can hold"
            raise RegistryError(msg, source=source) from None
    return text


def utf8(text: str | bytes, source: str) -> str:
    """Return the *text* of a file, without a byte order mark.

    Raises:
        RegistryError: It is larger than `MAX_BYTES`, or not UTF-8.
    """
    try:
        data = text.encode() if isinstance(text, str) else text
        if len(data) > MAX_BYTES:
            msg = f"larger than {MAX_BYTES // 1024} KiB; split it"
            raise RegistryError(msg, source=source)
        return data.decode("utf-8-sig")
    except UnicodeError:
        msg = "this is not UTF-8 text; save it as UTF-8"
        raise RegistryError(msg, source=source) from None


class _Builder:
    """Events of one document to nodes."""

    def __init__(self, events: Iterator[yaml.Event], module: Any, source: str) -> None:
        self._events = events
        self._yaml = module
        self._source = source

    def document(self, least: str) -> Node:
        """Return the one document of the stream; one without content lacks *least*.

        Raises:
            RegistryError: There is none, or more than one.
        """
        root: Node | None = None
        for event in self._events:
            if isinstance(event, self._yaml.DocumentStartEvent):
                if root is not None:
                    raise self._refused("a second document begins here; keep one", event)
                root = self._node(next(self._events), 0)
        if root is None:
            msg = f"the file is empty; it needs at least {least}"
            raise RegistryError(msg, source=self._source)
        return root

    def _node(self, event: Any, depth: int) -> Node:
        if isinstance(event, self._yaml.AliasEvent) or event.anchor is not None:
            raise self._refused("anchors and aliases (& and *) are not read; write the value out", event)
        if depth > MAX_DEPTH:
            raise self._refused(f"nested deeper than {MAX_DEPTH}", event)
        line: int = event.start_mark.line + 1
        if isinstance(event, self._yaml.ScalarEvent):
            return self._scalar(event, line)
        if isinstance(event, self._yaml.SequenceStartEvent):
            self._check_tag(event, "seq")
            children: list[Node] = []
            while not isinstance(inner := next(self._events), self._yaml.SequenceEndEvent):
                children.append(self._node(inner, depth + 1))
            return Node(elements=children, line=line)
        self._check_tag(event, "map")
        return self._map(line, depth)

    def _map(self, line: int, depth: int) -> Node:
        children: dict[str, Node] = {}
        lines: dict[str, int] = {}
        while not isinstance(event := next(self._events), self._yaml.MappingEndEvent):
            key = self._node(event, depth + 1)
            if not key.is_scalar:
                raise self._refused("a key must be a word, not a list or map", event)
            if key.text in children:
                raise self._refused(f"key {quote(key.text)} was already given in line {lines[key.text]}", event)
            lines[key.text] = key.line
            children[key.text] = self._node(next(self._events), depth + 1)
        return Node(members=children, line=line, keys=lines)

    def _scalar(self, event: Any, line: int) -> Node:
        text: str = event.value
        tag: str | None = event.tag
        if tag is None:
            # An unquoted word may be a number; anything quoted, and text in blocks, is text.
            return Node(resolve(text) if event.implicit[0] else text, text=text, line=line)
        if tag in {"!", _CORE + "str"}:
            return Node(text, text=text, line=line)
        if not (tag.startswith(_CORE) and tag[len(_CORE) :] in _SCALAR_TAGS):
            raise self._refused(f"tag {quote(tag)} is not read; remove it", event)
        return Node(resolve(text), text=text, line=line)

    def _check_tag(self, event: Any, kind: str) -> None:
        if event.tag not in {None, "!", _CORE + kind}:
            raise self._refused(f"tag {quote(event.tag)} is not read; remove it", event)

    def _refused(self, message: str, event: Any) -> RegistryError:
        return RegistryError(message, source=self._source, line=event.start_mark.line + 1)


def resolve(text: str) -> Scalar:
    """Return what an unquoted word means, as YAML 1.2's core schema and JSON have it.

    Not as YAML 1.1 has it, where ``no`` is false, ``1:30`` is 90, and ``0123`` is 83. Numbers that do not fit 64 bits
    stay text.
    """
    if text in _WORDS:
        return _WORDS[text]
    if _INTEGER.fullmatch(text):
        number = int(text)
        return number if number in _INT64 else text
    if _FLOAT.fullmatch(text):
        real = float(text)
        return real if isfinite(real) else text
    return text
