"""Attribute values that OpenTelemetry and protobuf take."""

from __future__ import annotations

from typing import Any, Final, cast

from footfall.usage import AttributeValue
from footfall.wire.text import as_json, as_text, clean

_INT64: Final = 2**63


def attribute_value(value: Any) -> AttributeValue:
    """Return *value* as a scalar or a list of one kind of scalar; anything else becomes JSON, its keys in order.

    Integers beyond 64 bits become text, for protobuf has no room for them.
    """
    return attribute_or_json(value)[0]


def attribute_or_json(value: Any) -> tuple[AttributeValue, bool]:
    """Return *value* as `attribute_value` does, and whether it had to become JSON text."""
    if isinstance(value, str):
        return clean(value), False
    if isinstance(value, (list, tuple)):
        items: list[Any] = [*value]
        return _list_value(items)
    if isinstance(value, (bool, float)):
        return value, False
    if isinstance(value, int):
        return (value, False) if -_INT64 <= value < _INT64 else (as_text(value), True)
    return as_json(value, in_order=True), True


def _list_value(values: list[Any]) -> tuple[AttributeValue, bool]:
    for kind in (str, bool, int, float):
        if all(type(item) is kind for item in values):
            items = [attribute_value(item) for item in values]
            if all(type(item) is kind for item in items):
                return cast("AttributeValue", items), False
    return as_json(values, in_order=True), True
