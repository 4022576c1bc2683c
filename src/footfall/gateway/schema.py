"""The JSON Schema of the gateway's file, and a file to begin with.

Descriptions are those of `footfall.gateway.configuration`, so that they are written once.
"""

from __future__ import annotations

import inspect
import re
from typing import Any, Final

import msgspec

from footfall.gateway.configuration import EXPORTS, Accept, Configuration, Limits, Listen, Token
from footfall.registry.model import NAME_PATTERN, PROJECT_MAX_CHARS, PROJECT_PATTERN
from footfall.registry.schema import DIALECT
from footfall.registry.schema import json_schema as registry_schema

EXAMPLE: Final = """\
# What `footfall gateway` listens to, and where each project's uses go. Every key: docs/gateway.md.
listen:
  host: 127.0.0.1
  port: 4318
tokens:
  - token: env:FOOTFALL_GATEWAY_TOKEN
    projects: [nipreps/*]
projects:
  nipreps/fmriprep:
    - migas: https://migas.example.org
  nipreps/*:
    - otlp: https://collector.example.org
      credentials: file:/etc/footfall/collector.header
"""

_PATTERN: Final = rf"^{NAME_PATTERN}/(?:{NAME_PATTERN}|\*)$"
_REFERENCE: Final = {"type": "string", "pattern": "^(env:|file:/).+"}


def json_schema() -> dict[str, Any]:
    """Return the JSON Schema (draft 2020-12) of a gateway's file, which `reading.load` reads."""
    destination = registry_schema()["$defs"]["destination"]
    one = {"$ref": "#/$defs/destination"}
    patterns = {"type": "array", "items": {"type": "string", "pattern": _PATTERN}}
    project = {"type": "string", "pattern": PROJECT_PATTERN, "maxLength": PROJECT_MAX_CHARS}
    accept = _properties(Accept, project=project)
    accept["as"] = accept.pop("as_name")
    top: dict[str, Any] = {
        "listen": _object(_properties(Listen)),
        "state": {"type": "string"},
        "tokens": _list(_object(_properties(Token, token=_REFERENCE, projects=patterns), "token")),
        "projects": {
            "type": "object",
            "minProperties": 1,
            "propertyNames": {"pattern": _PATTERN},
            "additionalProperties": {"anyOf": [_list(one), one, {"type": "null"}]},
        },
        "accept": _list(_object(accept, "project")),
        "limits": _object(_properties(Limits)),
        "metrics": {"enum": list(EXPORTS)},
    }
    meanings = meanings_of(Configuration)
    described = {name: {"description": meanings[name], **shape} for name, shape in top.items()}
    return {
        "$schema": DIALECT,
        "title": "footfall gateway",
        **_object(described, "projects"),
        "$defs": {"destination": destination},
    }


def meanings_of(kind: type[msgspec.Struct]) -> dict[str, str]:
    """Return what the docstring of *kind* says of each of its fields."""
    section = inspect.cleandoc(kind.__doc__ or "").partition("Attributes:\n")[2]
    rows = re.findall(r"^ {4}(\w+): (.*(?:\n {8,}.*)*)", section, re.MULTILINE)
    return {name: re.sub(r"\s+", " ", text) for name, text in rows}


def _properties(kind: type[msgspec.Struct], **known: dict[str, Any]) -> dict[str, Any]:
    """Return the fields of *kind* by name: type, default, meaning; *known* ones have another type."""
    meanings = meanings_of(kind)
    found: dict[str, Any] = {}
    for field in msgspec.structs.fields(kind):
        default: Any = field.default
        shape: dict[str, Any] = known.get(field.encode_name) or _shape(default)
        if isinstance(default, (str, int, float)) and default != "":
            shape = {**shape, "default": default}
        found[field.encode_name] = {"description": meanings[field.encode_name], **shape}
    return found


def _shape(default: Any) -> dict[str, Any]:
    if isinstance(default, bool):
        return {"type": "boolean"}
    if isinstance(default, int):
        return {"type": "integer", "minimum": 0}
    if isinstance(default, float):
        return {"type": "number", "minimum": 1}
    return {"type": "string"} if isinstance(default, str) else {"type": "array", "items": {"type": "string"}}


def _object(properties: dict[str, Any], *required: str) -> dict[str, Any]:
    shape: dict[str, Any] = {"type": "object", "properties": properties, "additionalProperties": False}
    return {**shape, "required": list(required)} if required else shape


def _list(items: dict[str, Any]) -> dict[str, Any]:
    return {"type": "array", "items": items}
