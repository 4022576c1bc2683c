"""What a migas server's GraphQL door answers: its schema as data, the checks, and the four operations.

Messages and positions are those of the real server where a vector recorded them (153 to 172).
"""

from __future__ import annotations

import re
import time
from dataclasses import dataclass
from datetime import datetime, timezone
from typing import TYPE_CHECKING, Any, Final, cast

from footfall.testing.sink import graphql
from footfall.testing.sink.exchange import as_object
from footfall.testing.sink.graphql import Field, Value

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from footfall.testing.sink.migas import State

ENUMS: Final[Mapping[str, Mapping[str, str]]] = {
    "Container": {"unknown": "unknown", "docker": "docker", "apptainer": "apptainer"},
    "UserType": {"general": "general", "dev": "dev", "ci": "ci"},
    "Status": {letter: letter for letter in "RCFS"}
    | {"running": "R", "completed": "C", "failed": "F", "suspended": "S"}
    | {"pending": "R", "success": "C", "error": "F"},
}
_CONTEXT: Final = {
    "session_id": "String",
    "user_id": "String",
    "user_type": "UserType",
    "platform": "String",
    "container": "Container",
    "is_ci": "Boolean",
}
_PROCESS: Final = {"status": "Status", "status_desc": "Text", "error_type": "Text", "error_desc": "Text"}
_BASE: Final = dict.fromkeys(("project", "project_version", "language", "language_version"), "String!")
INPUTS: Final[Mapping[str, Mapping[str, str]]] = {
    "ContextInput": _CONTEXT,
    "ProcessInput": _PROCESS,
    "ProjectInput": {**_BASE, **_CONTEXT, **_PROCESS, "arguments": "String"},
}
FIELDS: Final[Mapping[str, Mapping[str, Mapping[str, str]]]] = {
    "Mutation": {
        "add_breadcrumb": {**_BASE, "ctx": "ContextInput!", "proc": "ProcessInput!"},
        "add_project": {"p": "ProjectInput!"},
    },
    "Query": {
        "check_project": {"project": "String!", "project_version": "String!"},
        "get_usage": {"project": "String!", "start": "DateTime!", "end": "DateTime", "unique": "Boolean"},
    },
}
"""Arguments of each field. A ``Text`` is a String that takes numbers too."""

RESULTS: Final[Mapping[str, tuple[str, tuple[str, ...]]]] = {
    "add_breadcrumb": ("BreadcrumbResult", ("success", "message")),
    "check_project": ("CheckResult", ("success", "flagged", "latest", "message")),
}
"""Type and fields of those that need a selection; the others answer a whole JSON value."""


class RefusedError(Exception):
    """The operation failed while it ran; the message goes to the client with the path of the field."""


@dataclass(frozen=True)
class Ran:
    """Outcome of a document: the body of the answer, and the crumbs it carried."""

    body: dict[str, Any]
    records: list[dict[str, Any]]


def run(document: str, variables: Mapping[str, Any], state: State) -> Ran:
    """Check and run *document*; what is wrong with it is in the body, as GraphQL wants it."""
    try:
        operation = graphql.parse(document)
    except (graphql.DocumentError, RecursionError):
        return Ran({"data": None, "errors": [{"message": "No GraphQL document available"}]}, [])
    checker = _Checker(operation, variables)
    root = operation.kind.capitalize()
    called = [(field, checker.field(root, field)) for field in operation.selection]
    if checker.troubles:
        errors = [
            {"message": message, "locations": [graphql.location(document, at)]} for message, at in checker.troubles
        ]
        return Ran({"data": None, "errors": errors}, [])
    data: dict[str, Any] = {}
    records: list[dict[str, Any]] = []
    for field, arguments in called:
        try:
            result = _OPERATIONS[field.name](arguments, state, records)
        except RefusedError as error:
            place = [graphql.location(document, field.offset)]
            trouble = {"message": str(error), "locations": place, "path": [field.key]}
            return Ran({"data": None, "errors": [trouble]}, records)
        wanted = field.selection
        data[field.key] = result if wanted is None else {each.key: result[each.name] for each in wanted}
    return Ran({"data": data}, records)


class _Checker:
    """Walks one operation against the schema, collecting what is wrong in the order in which the server reports it."""

    def __init__(self, operation: graphql.Operation, variables: Mapping[str, Any]) -> None:
        self.troubles: list[tuple[str, int]] = []
        self._variables: dict[str, Value | None] = {}
        for each in operation.variables:
            value = _from_json(variables[each.name], each.offset) if each.name in variables else each.default
            if value is None and each.type.endswith("!"):
                self._say(f"Variable '${each.name}' of required type '{each.type}' was not provided.", each.offset)
            self._variables[each.name] = value

    def field(self, root: str, field: Field) -> dict[str, Any]:
        """Check *field* and return its arguments as Python values."""
        declared = FIELDS[root].get(field.name)
        if declared is None:
            self._say(f"Cannot query field '{field.name}' on type '{root}'.", field.offset)
            return {}
        arguments: dict[str, Any] = {}
        for name, value in field.arguments.items():
            if name not in declared:
                hint = _did_you_mean("", name, declared)
                message = f"Unknown argument '{name}' on field '{root}.{field.name}'.{hint}"
                self._say(message, field.names_at[name])
            else:
                arguments[name] = self._value(declared[name], value)
        self._selection(field)
        for name, kind in declared.items():
            if kind.endswith("!") and name not in field.arguments:
                message = (
                    f"Argument '{root}.{field.name}({name}:)' of type '{kind}' is required, but it was not provided."
                )
                self._say(message, field.offset)
        return arguments

    def _say(self, message: str, offset: int) -> None:
        self.troubles.append((message, offset))

    def _selection(self, field: Field) -> None:
        kind, names = RESULTS.get(field.name, ("JSON", ()))
        if not names and field.selection is not None:
            message = f"Field '{field.name}' must not have a selection since type '{kind}!' has no subfields."
            self._say(message, field.offset)
        elif names and field.selection is None:
            hint = f"Did you mean '{field.name} {{ ... }}'?"
            message = f"Field '{field.name}' of type '{kind}!' must have a selection of subfields. {hint}"
            self._say(message, field.offset)
        for each in field.selection or () if names else ():
            if each.name not in names:
                hint = _did_you_mean("", each.name, names)
                self._say(f"Cannot query field '{each.name}' on type '{kind}'.{hint}", each.offset)

    def _value(self, kind: str, value: Value) -> Any:
        if value.kind == "variable":
            if value.value not in self._variables:
                self._say(f"Variable '${value.value}' is not defined.", value.offset)
            given = self._variables.get(value.value)
            if given is not None:
                return self._value(kind, given)
            if kind.endswith("!") and not self.troubles:
                message = f"Variable '${value.value}' has no value where '{kind}' is expected."
                self._say(message, value.offset)
            return None
        if value.kind == "word" and value.value == "null":
            if kind.endswith("!"):
                self._say(f"Expected value of non-null type '{kind}' not to be null.", value.offset)
            return None
        kind = kind.rstrip("!")
        if kind in INPUTS:
            return self._object(kind, value)
        return self._enum(kind, value) if kind in ENUMS else self._scalar(kind, value)

    def _scalar(self, kind: str, value: Value) -> Any:
        if kind == "DateTime":
            return self._date(value)
        if kind == "Boolean":
            if value.kind == "word" and value.value in {"true", "false"}:
                return value.value == "true"
            self._say(f"Boolean cannot represent a non boolean value: {value}", value.offset)
        elif value.kind in {"text", "json"}:
            return value.value
        elif kind == "Text" and value.kind in {"int", "float"}:
            return str(value.value)
        else:
            self._say(f"String cannot represent a non string value: {value}", value.offset)
        return None

    def _object(self, kind: str, value: Value) -> dict[str, Any]:
        if value.kind != "object":
            self._say(f"Expected value of type '{kind}' to be an object, found: {value}.", value.offset)
            return {}
        known: dict[str, Any] = {}
        for name, given in value.value.items():
            if name in INPUTS[kind]:
                known[name] = self._value(INPUTS[kind][name], given)
            else:
                message = f"Expected value of type '{kind}' not to include unknown field '{name}', found: {value}."
                self._say(message, value.names_at.get(name, value.offset))
        for name, inner in INPUTS[kind].items():
            if inner.endswith("!") and name not in value.value:
                message = f"Field '{kind}.{name}' of required type '{inner}' was not provided."
                self._say(message, value.offset)
        return known

    def _enum(self, kind: str, value: Value) -> str | None:
        names = ENUMS[kind]
        if value.kind in {"word", "json"}:
            if value.value in names:
                return names[value.value]
            hint = _did_you_mean("the enum value ", value.value, names)
            self._say(f"Value '{value.value}' does not exist in '{kind}' enum.{hint}", value.offset)
        else:
            hint = _did_you_mean("the enum value ", str(value), names)
            self._say(f"Enum '{kind}' cannot represent non-enum value: {value}.{hint}", value.offset)
        return None

    def _date(self, value: Value) -> float | None:
        # Offsets such as +02:00 are refused by the real server.
        shape = r"\d{4}-\d\d-\d\d(?:T\d\d:\d\d:\d\dZ)?"
        try:
            if value.kind in {"text", "json"} and re.fullmatch(shape, value.value):
                return datetime.fromisoformat(value.value.rstrip("Z")).replace(tzinfo=timezone.utc).timestamp()
        except ValueError:
            pass
        error = f"Invalid isoformat string: {value.value!r}"
        self._say(f"Expected value of type 'DateTime', but encountered error '{error}'; found: {value}.", value.offset)
        return None


def _from_json(value: Any, offset: int) -> Value:
    """Return a variable's value in the form of a literal; texts keep a kind of their own, as they may name enums."""
    if isinstance(value, str):
        return Value("json", value, offset)
    if value is None or isinstance(value, bool):
        return Value("word", {None: "null", True: "true", False: "false"}[value], offset)
    if isinstance(value, int | float):
        return Value("int" if isinstance(value, int) else "float", value, offset)
    if isinstance(value, list):
        return Value("list", [_from_json(item, offset) for item in cast("Iterable[Any]", value)], offset)
    return Value("object", {name: _from_json(item, offset) for name, item in as_object(value).items()}, offset)


def _did_you_mean(what: str, given: str, names: Iterable[str]) -> str:
    """Return the hint that GraphQL servers add: the names within an edit distance of 40 % and one."""
    far = int(len(given) * 0.4) + 1
    near = sorted((distance, name) for name in names if (distance := _distance(given.lower(), name.lower())) <= far)
    quoted = [f"'{name}'" for _, name in near[:5]]
    if not quoted:
        return ""
    last = f", or {quoted[-1]}" if len(quoted) > 2 else f" or {quoted[-1]}" if len(quoted) == 2 else ""
    first = ", ".join(quoted[:-1]) if last else quoted[0]
    return f" Did you mean {what}{first}{last}?"


def _distance(left: str, right: str) -> int:
    previous = list(range(len(right) + 1))
    for row, a in enumerate(left, 1):
        current = [row]
        for column, b in enumerate(right, 1):
            current.append(min(previous[column] + 1, current[-1] + 1, previous[column - 1] + (a != b)))
        previous = current
    return previous[-1]


def _add_breadcrumb(arguments: dict[str, Any], state: State, records: list[dict[str, Any]]) -> dict[str, Any]:
    crumb = {"type": "crumb", **arguments}
    records.append(crumb)
    if "/" not in arguments["project"]:
        crumb["refused"] = "Invalid project format."
    elif state.project(arguments["project"]) is None:
        crumb["refused"] = "Project is not yet registered."
    elif lost := state.why_lost(arguments):
        crumb["lost"] = lost
    return {"success": "refused" not in crumb, "message": crumb.get("refused", "")}


def _add_project(arguments: dict[str, Any], state: State, records: list[dict[str, Any]]) -> dict[str, Any]:
    given: dict[str, Any] = arguments["p"]
    nested = {name: given[name] for name in _BASE}
    for part, names in (("ctx", _CONTEXT), ("proc", _PROCESS)):
        nested[part] = {name: given[name] for name in names if name in given}
    result = _add_breadcrumb(nested, state, records)
    project = state.project(given["project"])
    latest = project.latest if project is not None else None
    return {"bad_versions": list[str](), "cached": True, "latest_version": latest, **result}


def _check_project(arguments: dict[str, Any], state: State, _: list[dict[str, Any]]) -> dict[str, Any]:
    version = arguments["project_version"]
    project = state.project(arguments["project"])
    if project is None:
        return {"success": False, "flagged": False, "latest": None, "message": "Project is not registered."}
    if project.latest == "":
        msg = "Cannot connect to host api.github.com:443"
        raise RefusedError(msg)
    latest = version if project.latest is None else project.latest
    return {"success": True, "flagged": version in project.flagged, "latest": latest, "message": project.message}


def _get_usage(arguments: dict[str, Any], state: State, _: list[dict[str, Any]]) -> dict[str, Any]:
    name, unique = arguments["project"], bool(arguments.get("unique"))
    project = state.project(name)
    if project is None:
        message = f'Project "{name}" is not being tracked'
        return {"hits": 0, "message": message, "unique": unique, "success": False}
    end = arguments.get("end") or time.time()
    users = [user for arrived, user in project.crumbs if arguments["start"] <= arrived <= end]
    return {"hits": len(set(users) if unique else users), "message": "", "unique": unique, "success": True}


_OPERATIONS: Final = {
    "add_breadcrumb": _add_breadcrumb,
    "add_project": _add_project,
    "check_project": _check_project,
    "get_usage": _get_usage,
}
