"""The table of attributes against the installed semantic conventions."""

from __future__ import annotations

import importlib
import pkgutil

from opentelemetry.semconv import attributes as stable
from opentelemetry.semconv._incubating import attributes as incubating

from footfall.attributes import TABLE


def names(package: object) -> set[str]:
    """Return every attribute name that the modules of *package* define."""
    return {
        value
        for found in pkgutil.iter_modules(package.__path__)
        for constant, value in vars(importlib.import_module(f"{package.__name__}.{found.name}")).items()
        if constant.isupper() and isinstance(value, str)
    }


def test_names_are_the_conventions() -> None:
    """Each name that is not our own is spelt as OpenTelemetry spells it, and ours are marked as ours."""
    known = names(stable) | names(incubating)
    assert [row.key for row in TABLE if row.stability != "footfall" and row.key not in known] == []
    assert [row.key for row in TABLE if row.stability == "footfall" and not row.key.startswith("footfall.")] == []


def test_what_counts_as_stable_is() -> None:
    """The conventions keep stable names apart."""
    assert [row.key for row in TABLE if row.stability == "stable" and row.key not in names(stable)] == []


def test_each_name_has_one_row() -> None:
    """And says where it goes once."""
    keys = [row.key for row in TABLE]
    assert len(keys) == len(set(keys))
