"""The JSON Schema of ``footfall.yaml``, for editors and for `footfall schema`.

The fixed parts are made from structs, so that types, words and descriptions are written once. Groups are spelt out:
a group is a map of any names, a few of which are options, and no struct says that.
"""

from __future__ import annotations

from typing import Annotated, Any, Final, Literal

import msgspec
from msgspec import Meta

from footfall.registry.model import FORMS, PROJECT_MAX_CHARS, PROJECT_PATTERN, Consent, OnCi

DIALECT: Final = "https://json-schema.org/draft/2020-12/schema"

_Rate = Annotated[float, Meta(ge=0, description="Uses reported each second, the rest is counted; 0 for no limit.")]
_Extra = Annotated[dict[str, Any], Meta(description="Further fields of each use.")]
_OUTERMOST: Final = "Leave out a use inside one of another function of the project that says so as well."
_Words = Annotated[str | list[str], Meta(description="One, or a list.")]
_Tag = Annotated[str, Meta(description="Tag of the job that a call is, or of the step of one; see jobs.", min_length=1)]
_Capture = Annotated[
    dict[str, Any], Meta(description="Parameters to report and what of them; none by default. null takes one back.")
]


class _Options(msgspec.Struct, forbid_unknown_fields=True):
    """What a function and a group may both say."""

    capture: _Capture | msgspec.UnsetType = msgspec.UNSET
    extra: _Extra | msgspec.UnsetType | None = msgspec.UNSET
    drop: _Words | msgspec.UnsetType | None = msgspec.UNSET
    start: Annotated[bool, Meta(description="Report the start of a use, too.")] | msgspec.UnsetType = msgspec.UNSET
    outermost: Annotated[bool, Meta(description=_OUTERMOST)] | msgspec.UnsetType = msgspec.UNSET
    rate: _Rate | msgspec.UnsetType | None = msgspec.UNSET


class _Function(_Options, forbid_unknown_fields=True, kw_only=True):
    """One watched function with its options."""

    function: Annotated[str, Meta(description="module:qualname, or a bare Class.method.", min_length=1)]
    job: _Tag | msgspec.UnsetType = msgspec.UNSET
    step: _Tag | msgspec.UnsetType = msgspec.UNSET


class _File(msgspec.Struct, forbid_unknown_fields=True, kw_only=True):
    """What `footfall.instrument` takes, as a file."""

    project: Annotated[str, Meta(pattern=PROJECT_PATTERN, max_length=PROJECT_MAX_CHARS, description="owner/name")]
    version: (
        Annotated[str | int | float, Meta(description="Default: the installed distribution's.")] | msgspec.UnsetType
    ) = msgspec.UNSET
    consent: Consent = "opt-out"
    ci: OnCi = "mark"
    extra: _Extra | msgspec.UnsetType | None = msgspec.UNSET
    user_name: Annotated[bool, Meta(description="Send the login name along, where a format has a place for it.")] = (
        False
    )
    send_to: list[dict[str, Any]] | dict[str, Any] | msgspec.UnsetType | None = msgspec.UNSET
    jobs: (
        Annotated[str | dict[str, Any], Meta(description="Job configurations: a file beside this one, or its content.")]
        | msgspec.UnsetType
    ) = msgspec.UNSET
    registry: Any = None


class _Destination(msgspec.Struct):
    """One server: first ``wire: endpoint``, then options of the wire and these."""

    credentials: Annotated[
        str, Meta(pattern="^(env:|file:/).+", description="env:NAME or file:/path, never the secret.")
    ]
    insecure: Annotated[bool, Meta(description="Allow plain http to another machine.")]
    in_doubt: Annotated[Literal["retry", "drop"], Meta(description="After a request without an answer.")]
    services: Annotated[str | list[str], Meta(description="Only records of these services go there, one or a list.")]


def json_schema() -> dict[str, Any]:
    """Return the JSON Schema (draft 2020-12) of ``footfall.yaml``.

    It accepts what `footfall.registry.yaml.load_file` accepts, but for rules that no schema can hold: names must be
    importable, endpoints safe, and wires installed.
    """
    # Options come through `_Function`: what a group and a function share has one description.
    _, components = msgspec.json.schema_components([_File, _Function, _Destination], ref_template="#/$defs/{name}")
    definitions = {name.lstrip("_").lower(): shape for name, shape in components.items()}
    file, function = definitions.pop("file"), definitions["function"]
    destination = definitions["destination"]
    destination.pop("required")
    destination["additionalProperties"] = {"type": ["string", "number", "boolean"]}
    destination["minProperties"] = 1
    function["properties"]["capture"] = {"$ref": "#/$defs/capture"}
    send_to = [{"type": "array", "items": _ref("destination")}, _ref("destination"), {"type": "null"}]
    file["properties"]["send_to"] = {"anyOf": send_to}
    file["properties"]["registry"] = _ref("group")
    shared = {name: shape for name, shape in function["properties"].items() if name not in {"function", "job", "step"}}
    return {
        "$schema": DIALECT,
        "title": "footfall.yaml",
        **{key: value for key, value in file.items() if key != "title"},
        "$defs": {
            **{
                name: {key: value for key, value in shape.items() if key != "title"}
                for name, shape in definitions.items()
            },
            "capture": _capture(),
            "functions": {"type": "array", "items": {"anyOf": [{"type": "string", "minLength": 1}, _ref("function")]}},
            "group": _group(shared),
        },
    }


def _ref(name: str) -> dict[str, str]:
    return {"$ref": f"#/$defs/{name}"}


def _capture() -> dict[str, Any]:
    choice = {
        "type": "object",
        "properties": {
            "choice": {"type": "array", "minItems": 1, "items": {"type": ["string", "number", "boolean", "null"]}}
        },
        "required": ["choice"],
        "additionalProperties": False,
    }
    words = {"enum": [form for form in FORMS if form != "choice"]}
    return {
        "description": "Parameters to report and what of them; none by default. null takes one back.",
        "type": "object",
        "additionalProperties": {"anyOf": [words, choice, {"type": "null"}]},
    }


def _group(shared: dict[str, Any]) -> dict[str, Any]:
    where = {"anyOf": [{"type": "string"}, {"type": "array", "items": {"type": "string"}}, {"type": "null"}]}
    options = {
        "where": {**where, "description": "Modules in which bare names are looked up."},
        "functions": _ref("functions"),
        **shared,
    }
    group = {"type": "object", "properties": options, "additionalProperties": _ref("group")}
    return {"description": "Functions, or groups of them.", "anyOf": [{"type": "null"}, _ref("functions"), group]}
