"""What a real server did with hand-made requests: footfall's own crumbs of the same content are all acceptable."""

from __future__ import annotations

from typing import Any

import pytest
import recorded
from recorded import VECTORS, acceptable

from footfall.usage import Kind
from footfall.wire.migas import MigasWire

# Stored by the server, but written otherwise by us.
REWRITTEN: dict[int, dict[str, Any]] = {
    126: {"ctx": {"is_ci": True}},
    127: {"project_version": "1.0.0+abcdefghijklmnopqr"},
    128: {"project_version": "1.0_beta"},
    131: {"ctx": {"user_id": "5d1a3f2e-9b4c-3e21-8a77-0c2f5e6d7a81"}},
    143: {"ctx": {}},
}
LOST = {129, 161}
"""Accepted, and then lost in silence."""

QUESTIONS = {165, 166, 167}
SERVER = [n for n, vector in VECTORS.items() if vector["call"] is None and n not in QUESTIONS]


def meaning_asked(number: int) -> dict[str, Any]:
    """The content of the request, or a plain crumb's where it has none that can be read."""
    try:
        return recorded.recorded_meaning(VECTORS[number]["request"])
    except ValueError:
        return {"project": "test/project", "project_version": "1.0"}


@pytest.mark.parametrize("number", [pytest.param(n, id=VECTORS[n]["name"]) for n in SERVER])
def test_our_crumb_of_that_content_is_acceptable(number: int) -> None:
    """Whatever the values, what we make of them passes; where the server stored it, it means the same."""
    vector, asked = VECTORS[number], meaning_asked(number)
    given = {
        **{name: asked.get(name) for name in ("language", "language_version")},
        **asked.get("ctx", {}),
        **asked.get("proc", {}),
    }
    extra = {f"migas.{name}": given.get(name) for name in recorded.ALL_FIELDS}
    usage = recorded.usage_in(
        {"user_id": "5d1a3f2e-9b4c-3e21-8a77-0c2f5e6d7a81"},
        project=asked["project"],
        project_version=str(asked["project_version"]),
        kind=Kind.EVENT,
        extra=extra,
    )
    wire = MigasWire(dialect=recorded.dialect_of(vector), wait=vector["request"]["query"] == "wait=true")
    requests = wire.translate([usage])
    if "/" not in asked["project"]:
        assert requests == []
        return
    (request,) = requests
    ours = recorded.our_meaning(request)
    assert acceptable(ours)
    assert len(request.body) <= 2500
    assert request.headers == ()
    assert request.content_type.startswith("application/json")
    assert request.path in {"/graphql", "/api/breadcrumb", "/api/breadcrumb?wait=true"}
    (response,) = recorded.responses_of(vector)
    if b'"success":true' in response.body and number not in LOST:
        assert ours == recorded.normal({**asked, **REWRITTEN.get(number, {})})
