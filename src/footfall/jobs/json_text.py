"""JSON text to the same nodes that YAML text becomes (`footfall.registry.nodes`), each with its line.

Not read as YAML, which JSON almost is: ``json.dumps`` writes a character outside the BMP as a surrogate pair, which
libyaml refuses and PyYAML makes two broken characters of; and PyYAML refuses tabs between values.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from math import isfinite
from typing import Final, NoReturn

from footfall.errors import RegistryError
from footfall.registry.model import quote
from footfall.registry.nodes import MAX_DEPTH, Node, no_surrogates, resolve, utf8

_WORD: Final = re.compile(r'"(?:[^"\\]|\\.)*"|[{}\[\]]|[^\s{}\[\]:,"]+')
"""Commas and colons tell nothing more where the text is known to be JSON."""


def from_json(text: str | bytes, source: str) -> Node:
    """Return the tree of a JSON *text*.

    Raises:
        RegistryError: It is no JSON, too large, nested too deeply, or a key is there twice.
    """
    data = utf8(text, source)
    _check_depth(data, source)  # before all recursion, the parser's and ours
    try:
        # Only whether it is JSON: the text of numbers is looked at below, and `int` refuses very long ones.
        json.loads(data, parse_constant=_no_number, parse_int=str, parse_float=str)
    except json.JSONDecodeError as error:
        msg = f"this is not JSON: {error.msg}"
        raise RegistryError(msg, source=source, line=error.lineno) from None
    except _NoNumberError as error:
        line = next((line for word, line in _words(data) if word == str(error)), 0)
        msg = f"this is not JSON: {error} is no number"
        raise RegistryError(msg, source=source, line=line) from None
    return _Walk(data, source).value()


def _words(text: str) -> Iterator[tuple[str, int]]:
    """Yield brackets, texts as they are quoted, and other words, each with its line."""
    line, position = 1, 0
    for found in _WORD.finditer(text):
        line += text.count("\n", position, found.start())
        position = found.start()
        yield found.group(), line


def _check_depth(text: str, source: str) -> None:
    depth = 0
    for word, line in _words(text):
        depth += {"{": 1, "[": 1, "}": -1, "]": -1}.get(word, 0)
        if depth > MAX_DEPTH:
            msg = f"nested deeper than {MAX_DEPTH}"
            raise RegistryError(msg, source=source, line=line)


class _NoNumberError(Exception):
    """NaN or Infinity, which Python's JSON has and others have not."""


def _no_number(word: str) -> NoReturn:
    raise _NoNumberError(word)


class _Walk:
    """Words of one text, known to be JSON, to nodes."""

    def __init__(self, text: str, source: str) -> None:
        self._source = source
        self._words = _words(text)

    def value(self) -> Node:
        """Return the node that begins here."""
        return self._node(*next(self._words))

    def _node(self, word: str, line: int) -> Node:
        if word == "{":
            return self._map(line)
        if word == "[":
            elements: list[Node] = []
            while (following := next(self._words))[0] != "]":
                elements.append(self._node(*following))
            return Node(elements=elements, line=line)
        if word.startswith('"'):
            text = self._text(word, line)
            return Node(text, text=text, line=line)
        value = resolve(word)
        if isinstance(value, str):  # YAML takes for text what 64 bits do not hold
            value = float(word)
            if not isfinite(value):
                self._fail(f"{quote(word)} is larger than any number that programs agree on", line)
        return Node(value, text=word, line=line)

    def _map(self, line: int) -> Node:
        members: dict[str, Node] = {}
        lines: dict[str, int] = {}
        while (following := next(self._words))[0] != "}":
            key = self._text(*following)
            if key in members:
                self._fail(f"key {quote(key)} was already given in line {lines[key]}", following[1])
            lines[key] = following[1]
            members[key] = self.value()
        return Node(members=members, line=line, keys=lines)

    def _text(self, quoted: str, line: int) -> str:
        text: str = json.loads(quoted)
        try:
            return no_surrogates(text, self._source)
        except RegistryError:
            self._fail(f"{quote(text)} is half of a surrogate pair, which is no character", line)

    def _fail(self, message: str, line: int) -> NoReturn:
        raise RegistryError(message, source=self._source, line=line)
