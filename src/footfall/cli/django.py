"""``footfall fields --format django``: the server's tables for a registry, as code for Django REST framework. Pure.

One model and one serializer for each service, with the fields that the wire `access` sends (access.md section 2.1) and
the types of the registry's extra fields. A registry may come from anywhere, so nothing of it becomes code: its names
are reduced to ASCII identifiers that are checked, and what is kept as it is stands in a quoted literal of ASCII.
"""

from __future__ import annotations

import json
import keyword
import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any, Final

import msgspec

from footfall.errors import ConfigurationError
from footfall.registry.model import Entry, Registry
from footfall.scrub import bounded
from footfall.usage import ADDRESSED, ENDPOINT
from footfall.wire.text import clean, cut

OWN: Final = "access."

STANDARD: Final = {
    "name": "CharField",
    "function": "CharField",
    "args": "JSONField",
    "kwargs": "JSONField",
    "session_id": "CharField",
}
"""Fields of every record, in their order, and what holds them."""

MAX_TEXT_CHARACTERS: Final = 255

RESERVED: Final = frozenset(
    {
        *(
            "id",
            "pk",
            "self",
            "timestamp",
            "models",
            "objects",
            "meta",
            "get_next_by_timestamp",
            "get_previous_by_timestamp",
        ),
        *("adelete", "arefresh_from_db", "asave", "check", "clean", "clean_fields", "date_error_message", "delete"),
        *("doesnotexist", "from_db", "full_clean", "get_constraints", "get_deferred_fields", "multipleobjectsreturned"),
        *("notupdated", "prepare_database_save", "refresh_from_db", "save", "save_base", "serializable_value"),
        *("unique_error_message", "validate_constraints", "validate_unique"),
    }
)
"""Names in lower case that a field of a model must not have: what every model has already, what we write there, and
``self``, which as a column collides with the first parameter of ``QuerySet.create``."""

REFUSED: Final = frozenset({"empty_values"})
"""Django REST framework would take its own method ``validate_empty_values`` for the check of such a field."""

_ROUTE = re.compile(r"[A-Za-z0-9._-]+(?:/[A-Za-z0-9._-]+)*")


class Column(msgspec.Struct, frozen=True):
    """One field.

    Attributes:
        wire: Its name in the record.
        attribute: Its name in the model; the same wherever that can be.
        kind: Class in ``django.db.models``.
        optional: Whether it may be missing or null.
    """

    wire: str
    attribute: str
    kind: str
    optional: bool = False


class Table(msgspec.Struct, frozen=True):
    """One service: its model's name, the endpoints its records go to, and its fields."""

    service: str
    model: str
    endpoints: tuple[str, ...]
    columns: tuple[Column, ...]


def tables(registry: Registry) -> list[Table]:
    """Return a table for each service of *registry*, in its order.

    Raises:
        ConfigurationError: There is no service, or a field cannot be had in Django REST framework.
    """
    services = {service: entries for service, entries in registry.services().items() if service}
    if not services:
        msg = (
            f"{registry.project} has no function in a group, and only such uses are sent to a tracking service; "
            "put its functions below a group, such as 'intake: {catalog: [...]}'"
        )
        raise ConfigurationError(msg)
    taken: set[str] = set()
    return [
        Table(service, _model(service, taken), _endpoints(registry, service, entries), _columns(registry, entries))
        for service, entries in services.items()
    ]


def _endpoints(registry: Registry, service: str, entries: Sequence[Entry]) -> tuple[str, ...]:
    said = ({**registry.extra, **entry.extra}.get(ENDPOINT) for entry in entries)
    found = (each if isinstance(each, str) and each else service.replace("_", "/") for each in said)
    return tuple(dict.fromkeys("/".join(filter(None, each.split("/"))) for each in found))


def _columns(registry: Registry, entries: Sequence[Entry]) -> tuple[Column, ...]:
    records = [_kinds(registry, entry) for entry in entries]
    found: dict[str, list[str]] = {name: [] for name in STANDARD}
    for record in records:
        for name, kind in record.items():
            found.setdefault(name, []).append(kind)
    taken: set[str] = set()
    return tuple(
        Column(
            wire=name,
            attribute=_attribute(name, taken),
            kind=_common(kinds),
            optional="" in kinds or len(kinds) < len(records),
        )
        for name, kinds in found.items()
        if kinds
    )


def _kinds(registry: Registry, entry: Entry) -> dict[str, str]:
    """Return the fields of a record of *entry* and what holds each: the wire's own rules, for kinds of values."""
    extra = {**registry.extra, **entry.extra}
    own = {name.removeprefix(OWN): value for name, value in extra.items() if name.startswith(OWN) and name != ENDPOINT}
    fields = {**{name: value for name, value in extra.items() if not name.startswith(ADDRESSED)}, **own}
    kinds = dict(STANDARD)
    for name, value in fields.items():
        kinds[cut(clean(name), MAX_TEXT_CHARACTERS)] = _kind(bounded(value))
    for name in entry.drop:
        kinds.pop(name.removeprefix(OWN), None)
    for name in REFUSED & kinds.keys():
        msg = f"Django REST framework cannot have a field {name!r}; give the registry's extra field another name"
        raise ConfigurationError(msg)
    return kinds


def _kind(value: Any) -> str:
    """Return the class of field for *value*, "" for None, which fits any."""
    if value is None:
        return ""
    if isinstance(value, bool):
        return "BooleanField"
    if isinstance(value, int):
        return "IntegerField" if -(2**31) <= value < 2**31 else "BigIntegerField"
    if isinstance(value, float):
        return "FloatField"
    if isinstance(value, str):
        return "CharField" if len(value) <= MAX_TEXT_CHARACTERS else "TextField"
    return "JSONField"


def _common(kinds: Iterable[str]) -> str:
    """Return the class that holds values of all *kinds*."""
    found = set(kinds) - {""}
    for small, large in (("IntegerField", "BigIntegerField"), ("CharField", "TextField")):
        if found == {small, large}:
            return large
    return found.pop() if len(found) == 1 else "JSONField"


def _attribute(name: str, taken: set[str]) -> str:
    """Return an identifier for the field *name* that no other field has, and add it to *taken* in lower case.

    Django refuses two underscores in a row and one at the end; databases may fold the case of columns.
    """
    text = re.sub(r"[^A-Za-z0-9]+", "_", name).strip("_")[:48].rstrip("_")
    if not text or text[0].isdigit():
        text = f"field_{text}".rstrip("_")
    if keyword.iskeyword(text) or text.lower() in RESERVED:
        text += "_field"
    return _unique(text, taken, "_")


def _model(service: str, taken: set[str]) -> str:
    """Return ``IntakeCatalog`` for ``intake_catalog``: the name of a model that no other has, nor any serializer."""
    parts = [part for part in re.split(r"[^A-Za-z0-9]+", service) if part]
    text = "".join(part[0].upper() + part[1:] for part in parts)[:80]
    if not text or text[0].isdigit() or keyword.iskeyword(text):
        text = f"Service{text}"
    found = _unique(text, taken, "")
    while serializer(found).lower() in taken:
        found = _unique(text, taken, "")
    taken.add(serializer(found).lower())
    return found


def serializer(model: str) -> str:
    """Return the name of the serializer for *model*."""
    return f"{model}Serializer"


def _unique(text: str, taken: set[str], joint: str) -> str:
    found, number = text, 1
    while found.lower() in taken:
        number += 1
        found = f"{text}{joint}{number}"
    taken.add(found.lower())
    return found


def code(registry: Registry) -> Iterator[str]:
    """Yield the lines of a module for *registry*: importable as ``models.py`` of an app; the same lines each time.

    Raises:
        ConfigurationError: As `tables`.
    """
    found = tables(registry)
    yield f"# Tables for the records of {registry.project!a}, from the registry {registry.source or 'installed'!a}."
    yield "# Made by `footfall fields --format django`: save it as models.py of an app, or the serializers in a file of"
    yield "# their own. Each record is a POST of one JSON object; a missing or wrong field is answered with 400, which"
    yield "# footfall counts as refused, and fields that are not listed here are ignored."
    yield "from django.db import models"
    yield "from rest_framework import serializers"
    for table in found:
        yield from ("", "", *_model_lines(table))
    for table in found:
        yield from ("", "", *_serializer_lines(table))
    yield from ("", "", *(f"# {line}".rstrip() for line in hint(found)))


def _model_lines(table: Table) -> Iterator[str]:
    yield f"class {_checked(table.model)}(models.Model):  # service {table.service!a}"
    for column in table.columns:
        options = {
            **({"max_length": MAX_TEXT_CHARACTERS} if column.kind == "CharField" else {}),
            **({"null": True, "blank": True} if column.optional else {}),
        }
        yield f"    {_checked(column.attribute)} = models.{column.kind}({_arguments(options)})"
    yield "    timestamp = models.DateTimeField(auto_now_add=True)"


def _serializer_lines(table: Table) -> Iterator[str]:
    names = [column.wire for column in table.columns]
    fields = [*(name for name in ("id", "timestamp") if name not in names), *names]
    yield f"class {_checked(serializer(table.model))}(serializers.ModelSerializer):"
    yield "    class Meta:"
    yield f"        model = {_checked(table.model)}"
    yield "        fields = ["
    yield from (f"            {_quoted(name)}," for name in fields)
    yield "        ]"
    options = {column.wire: _options(column) for column in table.columns}
    if any(options.values()):
        yield "        extra_kwargs = {"
        for name, each in options.items():
            if each:
                inside = ", ".join(f"{_quoted(key)}: {_literal(value)}" for key, value in each.items())
                yield f"            {_quoted(name)}: {{{inside}}},"
        yield "        }"


def _options(column: Column) -> dict[str, str | bool]:
    """Return what the serializer is told beyond the model: to keep texts as they were sent, empty or with blanks."""
    source: dict[str, str | bool] = {"source": column.attribute} if column.attribute != column.wire else {}
    texts = {"allow_blank": True, "trim_whitespace": False} if column.kind in {"CharField", "TextField"} else {}
    return {**source, **texts}


def hint(found: Sequence[Table]) -> Iterator[str]:
    """Yield lines for a module of routes, to be looked at by whoever runs the server."""
    yield "Routes, for urls.py. The final slash matters: a redirect to it would lose the record. As it stands anybody"
    yield "may post, and nobody may read. Set permission_classes and throttle_classes to taste."
    yield ""
    yield "from django.urls import path"
    yield "from rest_framework.generics import CreateAPIView"
    yield ""
    yield f"from .models import {', '.join(_checked(serializer(table.model)) for table in found)}"
    yield ""
    yield "urlpatterns = ["
    for table in found:
        for endpoint in table.endpoints:
            view = f"CreateAPIView.as_view(serializer_class={_checked(serializer(table.model))})"
            if _ROUTE.fullmatch(endpoint):
                yield f"    path({_quoted(endpoint + '/')}, {view}),"
            else:
                yield f"    # {endpoint!a} needs a route written by hand: {view}"
    yield "]"


def _checked(name: str) -> str:
    """Return *name*, which is an identifier by the way it was made; the last look before it becomes code."""
    if not (name.isascii() and name.isidentifier()) or keyword.iskeyword(name):
        msg = f"{name!a} cannot be a name in Python; rename the group or the field in the registry"
        raise ConfigurationError(msg)
    return name


def _quoted(text: str) -> str:
    """Return a literal of ASCII on one line: JSON's text is Python's too, but for halves of surrogate pairs."""
    quoted = json.dumps(text)
    return quoted if text.isascii() else ascii(text)


def _literal(value: str | bool) -> str:
    return _quoted(value) if isinstance(value, str) else str(value)


def _arguments(options: Mapping[str, int | bool]) -> str:
    return ", ".join(f"{name}={value}" for name, value in options.items())
