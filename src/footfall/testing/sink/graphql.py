"""GraphQL documents, as far as usage servers get them: text to operations, with the position of everything.

One operation without fragments, directives or subscriptions. Positions matter because a server's error messages name
them, and a client that quotes those messages is tested against them.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any, Final, NamedTuple

_TOKEN: Final = re.compile(
    r"""[\s,\ufeff]*(?:\#[^\n]*[\s,]*)*
    (?: (?P<block>\"\"\".*?\"\"\") | (?P<text>"(?:[^"\\\n]|\\.)*")
      | (?P<float>-?\d+(?:\.\d+(?:[eE][+-]?\d+)?|[eE][+-]?\d+)) | (?P<int>-?\d+)
      | (?P<name>[_A-Za-z][_0-9A-Za-z]*) | (?P<mark>[!$():=\[\]{}]) | (?P<end>\Z) )""",
    re.VERBOSE | re.DOTALL,
)


class DocumentError(ValueError):
    """The text is no GraphQL document."""


@dataclass(frozen=True)
class Value:
    """A value as it stands in a document.

    Attributes:
        kind: ``text``, ``int``, ``float``, ``word`` (an enum name, true, false or null), ``variable``, ``list``,
            ``object``.
        value: Text, number, word or name; for a list a list of `Value`, for an object a dict of `Value`.
        offset: Of its first character.
        names_at: For an object, where each of its field names stands.
    """

    kind: str
    value: Any
    offset: int
    names_at: Mapping[str, int] = field(default_factory=dict[str, int])

    def __str__(self) -> str:
        """Return it as a server prints it in messages."""
        if self.kind == "text":
            return json.dumps(self.value, ensure_ascii=False)
        if self.kind == "list":
            return "[" + ", ".join(map(str, self.value)) + "]"
        if self.kind == "object":
            inner = ", ".join(f"{name}: {value}" for name, value in self.value.items())
            return "{ " + inner + " }" if inner else "{}"
        return f"${self.value}" if self.kind == "variable" else str(self.value)


@dataclass(frozen=True)
class Field:
    """One selected field."""

    name: str
    alias: str
    offset: int
    arguments: dict[str, Value]
    names_at: dict[str, int]
    selection: list[Field] | None

    @property
    def key(self) -> str:
        """Its name in the answer."""
        return self.alias or self.name


@dataclass(frozen=True)
class Variable:
    """A declared variable: its type as text, such as ``String!``."""

    name: str
    type: str
    default: Value | None
    offset: int


@dataclass(frozen=True)
class Operation:
    """A query or a mutation."""

    kind: str
    variables: list[Variable]
    selection: list[Field]


def parse(document: str) -> Operation:
    """Return the one operation of *document*.

    Raises:
        DocumentError: It is not such a document.
    """
    return _Parser(document).operation()


def location(document: str, offset: int) -> dict[str, int]:
    """Return line and column of *offset*, both counted from one."""
    line = document.count("\n", 0, offset) + 1
    return {"line": line, "column": offset - document.rfind("\n", 0, offset)}


class _Token(NamedTuple):
    kind: str
    text: str
    offset: int


class _Parser:
    def __init__(self, document: str) -> None:
        self._tokens = list(_tokens(document))
        self._at = 0

    def operation(self) -> Operation:
        kind, variables = "query", list[Variable]()
        if self._peek()[0] == "name":
            kind = self._take("name")[1]
            if kind not in {"query", "mutation"}:
                raise DocumentError(kind)
            if self._peek()[0] == "name":
                self._take("name")
            variables = self._variables()
        operation = Operation(kind, variables, self._selection())
        self._take("end")
        return operation

    def _variables(self) -> list[Variable]:
        variables: list[Variable] = []
        if not self._skip("("):
            return variables
        while not self._skip(")"):
            offset = self._take("mark", "$")[2]
            name = self._take("name")[1]
            self._take("mark", ":")
            kind = self._type()
            variables.append(Variable(name, kind, self._value() if self._skip("=") else None, offset))
        return variables

    def _type(self) -> str:
        if self._skip("["):
            kind = f"[{self._type()}]"
            self._take("mark", "]")
        else:
            kind = self._take("name")[1]
        return kind + "!" if self._skip("!") else kind

    def _selection(self) -> list[Field]:
        self._take("mark", "{")
        fields = [self._field()]
        while not self._skip("}"):
            fields.append(self._field())
        return fields

    def _field(self) -> Field:
        _, name, offset = self._take("name")
        alias = ""
        if self._skip(":"):
            alias, name = name, self._take("name")[1]
        arguments, names_at = self._pairs("(", ")") if self._peek()[1] == "(" else ({}, {})
        selection = self._selection() if self._peek()[:2] == ("mark", "{") else None
        return Field(name, alias, offset, arguments, names_at, selection)

    def _pairs(self, begin: str, end: str) -> tuple[dict[str, Value], dict[str, int]]:
        self._take("mark", begin)
        values: dict[str, Value] = {}
        names_at: dict[str, int] = {}
        while not self._skip(end):
            _, name, offset = self._take("name")
            self._take("mark", ":")
            values[name], names_at[name] = self._value(), offset
        return values, names_at

    def _value(self) -> Value:
        kind, text, offset = self._peek()
        if (kind, text) == ("mark", "{"):
            values, names_at = self._pairs("{", "}")
            return Value("object", values, offset, names_at)
        self._at += 1
        if kind == "mark" and text == "$":
            return Value("variable", self._take("name")[1], offset)
        if kind == "mark" and text == "[":
            items: list[Value] = []
            while not self._skip("]"):
                items.append(self._value())
            return Value("list", items, offset)
        if kind not in _PLAIN:
            raise DocumentError(text)
        word, read = _PLAIN[kind]
        return Value(word, read(text), offset)

    def _peek(self) -> _Token:
        return self._tokens[self._at]

    def _take(self, kind: str, text: str | None = None) -> _Token:
        token = self._tokens[self._at]
        if token[0] != kind or (text is not None and token[1] != text):
            raise DocumentError(token)
        self._at += 1
        return token

    def _skip(self, mark: str) -> bool:
        if self._peek()[:2] != ("mark", mark):
            return False
        self._at += 1
        return True


def _tokens(document: str) -> list[_Token]:
    tokens: list[_Token] = []
    at = 0
    while True:
        match = _TOKEN.match(document, at)
        if match is None or match.lastgroup is None:
            raise DocumentError(at)
        kind, at = match.lastgroup, match.end()
        tokens.append(_Token(kind, match[kind], match.start(kind)))
        if kind == "end":
            return tokens


def _unquote(text: str) -> str:
    try:
        return str(json.loads(text, strict=False))  # the escapes of GraphQL strings are those of JSON
    except json.JSONDecodeError as error:
        raise DocumentError(text) from error


_PLAIN: Final[Mapping[str, tuple[str, Callable[[str], Any]]]] = {
    "name": ("word", str),
    "int": ("int", int),
    "float": ("float", float),
    "text": ("text", _unquote),
    "block": ("text", lambda text: text[3:-3].replace('\\"""', '"""').strip("\n")),
}
"""Kind of token to kind of value, and how its text is read."""
