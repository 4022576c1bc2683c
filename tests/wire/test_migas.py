"""The migas wire whatever it is given: valid, small, the same each time."""

from __future__ import annotations

import json
from typing import Any

import msgspec
import pytest
import recorded
from hypothesis import given, settings
from hypothesis import strategies as st
from recorded import acceptable

from footfall.errors import ConfigurationError
from footfall.usage import Kind, Outcome, Usage
from footfall.wire.base import Request
from footfall.wire.migas import DOCUMENT, MigasWire

ANY_TEXT = st.text(st.characters(), max_size=60) | st.text(st.characters(), min_size=200, max_size=400).map(
    lambda text: text * 20
)
ANY_VALUE = (
    ANY_TEXT
    | st.none()
    | st.booleans()
    | st.integers()
    | st.floats()
    | st.just(10**5000)
    | st.builds(object)
    | st.binary(max_size=8)
    | st.dictionaries(ANY_TEXT, st.integers(), max_size=2)
    | st.sampled_from(["completed", "C", "podman", "docker", "yes", "{0f4b2c6e-51d2-4c0a-9f3a-7b1d2e3f4a5b}", "ci"])
)
FIELDS = st.dictionaries(
    st.sampled_from([f"migas.{name}" for name in (*recorded.ALL_FIELDS, "foo", "wait", "start", "in_order")]), ANY_VALUE
)
RESOURCE = st.dictionaries(
    st.sampled_from(
        [
            "telemetry.sdk.language",
            "process.runtime.version",
            "os.type",
            "container.runtime.name",
            "container.id",
            "cicd.pipeline.name",
        ]
    ),
    ANY_VALUE,
)
USAGES = st.builds(
    Usage,
    project=st.sampled_from(["nipreps/fmriprep", "a/" + "\x01" * 138, "a/" + "\N{GRINNING FACE}" * 138]) | ANY_TEXT,
    project_version=ANY_TEXT,
    name=ANY_TEXT,
    kind=st.sampled_from(Kind),
    outcome=st.sampled_from([None, *Outcome]),
    trace_id=ANY_TEXT,
    span_id=ANY_TEXT,
    time_ns=st.integers(),
    message=ANY_TEXT,
    error_type=ANY_TEXT,
    session_id=ANY_TEXT,
    installation_id=ANY_TEXT,
    extra=FIELDS,
    resource=RESOURCE,
    drop=st.lists(st.sampled_from(["platform", "migas.user_id", "whatever"]), max_size=2).map(tuple),
)
WIRES = st.sampled_from([MigasWire(), MigasWire(wait=True), MigasWire(dialect="graphql")])


def usage(**fields: Any) -> Usage:
    """A use on a known installation."""
    return recorded.usage_in({"user_id": "5d1a3f2e-9b4c-3e21-8a77-0c2f5e6d7a81"}, **fields)


def sent(wire: MigasWire, one: Usage) -> dict[str, Any]:
    """What the one request for a use means."""
    (request,) = wire.translate([one])
    return recorded.our_meaning(request)


@settings(max_examples=150, deadline=None)
@given(WIRES, USAGES)
def test_any_use_gives_an_acceptable_crumb_or_none(wire: MigasWire, one: Usage) -> None:
    """Any text in any field: valid JSON that the server takes, at most 2500 bytes, the same bytes each time."""
    requests = wire.translate([one])
    assert wire.translate([one]) == requests
    assert len(requests) <= 1
    for request in requests:
        body = json.loads(request.body.decode())
        assert len(request.body) <= 2500
        if wire.dialect == "graphql":
            assert body["query"] == DOCUMENT
            assert body["variables"].keys() == set("pvlwcq")
        assert acceptable(recorded.our_meaning(request))


@settings(max_examples=60, deadline=None)
@given(WIRES, USAGES)
def test_a_split_crumb_gets_shorter_until_nothing_is_left(wire: MigasWire, one: Usage) -> None:
    """Each split gives one smaller acceptable request under a new key, in the same order, and the chain ends."""
    for first in wire.translate([one]):
        request, keys = first, {first.idempotency_key}
        for _ in range(20):
            smaller = wire.split(request)
            assert wire.split(request) == smaller
            if not smaller:
                break
            (half,) = smaller
            assert acceptable(recorded.our_meaning(half))
            assert len(half.body) <= len(request.body)
            assert half.idempotency_key not in keys
            assert (half.order_key, half.path, half.records) == (first.order_key, first.path, 1)
            keys.add(half.idempotency_key)
            request = half
        assert wire.split(request) == []


def test_split_halves_the_free_texts_only() -> None:
    """What identifies a crumb stays whole, and no text is left as a lone ellipsis."""
    one = usage(kind=Kind.END, outcome=Outcome.ERROR, error_type="Value", extra={"migas.error_desc": "abcdefgh"})
    for dialect in ("rest", "graphql"):
        wire = MigasWire(dialect=dialect)
        (whole,) = wire.translate([one])
        (half,) = wire.split(whole)
        before, after = recorded.our_meaning(whole), recorded.our_meaning(half)
        assert after.pop("proc") == {"status": "F", "status_desc": "Err…", "error_type": "Va", "error_desc": "abcd…"}
        del before["proc"]
        assert after == before


@pytest.mark.parametrize("body", [b"", b"[]", b"{}", b"nonsense", b'{"variables":3}', b'{"proc":5}'])
def test_split_of_foreign_bytes_is_nothing(body: bytes) -> None:
    """A body that is not ours cannot be made smaller."""
    request = Request(path="/api/breadcrumb", body=body, content_type="application/json", idempotency_key="0")
    assert MigasWire().split(request) == []


def test_texts_give_way_in_order() -> None:
    """The description of the error is cut first, then that of the status, then the type; what counts is bytes."""
    wire = MigasWire()
    texts = {"migas.error_desc": "é" * 2000, "migas.status_desc": "done", "migas.error_type": "E"}
    (request,) = wire.translate([usage(extra=texts)])
    process = recorded.our_meaning(request)["proc"]
    assert 2499 <= len(request.body) <= 2500
    assert process["error_desc"].strip("é") == "…"
    assert (process["status_desc"], process["error_type"]) == ("done", "E")

    (request,) = wire.translate([usage(extra={**texts, "migas.status_desc": '"' * 2000})])
    process = recorded.our_meaning(request)["proc"]
    assert 2499 <= len(request.body) <= 2500
    assert process["status_desc"].strip('"') == "…"
    assert "error_desc" not in process


@pytest.mark.parametrize("dialect", ["rest", "graphql"])
def test_the_limit_is_met_to_the_byte(dialect: Any) -> None:
    """A body of 2500 bytes goes out uncut, one of 2501 is cut to fit (vectors 149 and 150)."""
    wire = MigasWire(dialect=dialect)
    (short,) = wire.translate([usage(extra={"migas.error_desc": "x"})])
    for excess in range(-2, 6):
        text = "x" * (2501 + excess - len(short.body))
        (request,) = wire.translate([usage(extra={"migas.error_desc": text})])
        sent_text = recorded.our_meaning(request)["proc"]["error_desc"]
        assert len(request.body) == min(2500 + excess, 2500)
        assert (sent_text == text) is (excess <= 0)


def test_counts_have_no_word() -> None:
    """COUNT records and impossible projects are left out, and the sum of records says so."""
    uses = [
        usage(kind=Kind.COUNT, count=7),
        usage(project="noslash"),
        usage(project="a/" + "b" * 139),
        usage(project="a/b\x00"),
        usage(kind=Kind.EVENT, name="step"),
    ]
    assert sum(request.records for request in MigasWire().translate(uses)) == 1


@pytest.mark.parametrize(
    ("fields", "process"),
    [
        ({"kind": Kind.START}, {"status": "R", "status_desc": "Started"}),
        ({"outcome": Outcome.OK}, {"status": "C", "status_desc": "Completed"}),
        ({"outcome": None}, {"status": "C", "status_desc": "Completed"}),
        (
            {"outcome": Outcome.ERROR, "error_type": "pkg.Bad"},
            {"status": "F", "status_desc": "Errored", "error_type": "Bad"},
        ),
        ({"outcome": Outcome.INTERRUPTED}, {"status": "S", "status_desc": "Suspended"}),
        ({"outcome": Outcome.KILLED}, {"status": "S", "status_desc": "Killed", "error_type": "ProcessKilled"}),
        ({"outcome": Outcome.OK, "message": "all good"}, {"status": "C", "status_desc": "all good"}),
        ({"outcome": Outcome.OK, "name": "pkg:f"}, {"status": "C", "status_desc": "pkg:f"}),
        ({"kind": Kind.EVENT, "name": "step"}, {"status": "R", "status_desc": "step"}),
        ({"kind": Kind.EVENT, "name": "over", "outcome": Outcome.ERROR}, {"status": "F", "status_desc": "over"}),
    ],
)
def test_status_of_each_kind_of_use(fields: dict[str, Any], process: dict[str, Any]) -> None:
    """Status, description and error type follow from kind and outcome; nothing is sent of an exception's text."""
    assert sent(MigasWire(), usage(**fields))["proc"] == process


@pytest.mark.parametrize(
    ("resource", "context"),
    [
        ({}, {"container": "unknown", "is_ci": False}),
        ({"os.type": "windows"}, {"platform": "win32", "container": "unknown", "is_ci": False}),
        ({"container.runtime.name": "singularity"}, {"container": "apptainer", "is_ci": False}),
        ({"container.runtime.name": "podman", "container.id": "a" * 64}, {"container": "unknown", "is_ci": False}),
        ({"container.id": "a" * 64}, {"container": "docker", "is_ci": False}),
        ({"cicd.pipeline.run.id": "7"}, {"container": "unknown", "is_ci": True}),
        ({"footfall.cicd.system": "unknown"}, {"container": "unknown", "is_ci": True}),
    ],
)
def test_context_of_each_resource(resource: dict[str, Any], context: dict[str, Any]) -> None:
    """Platform, container and CI follow from the resource; the user type is never derived."""
    ours = sent(MigasWire(), usage(resource=resource))
    assert ours["ctx"] == {"user_id": "5d1a3f2e-9b4c-3e21-8a77-0c2f5e6d7a81", **context}


@pytest.mark.parametrize(
    ("field", "given_value", "expected"),
    [
        ("status", "pending", "R"),
        ("status", "success", "C"),
        ("status", " Error ", "F"),
        ("status", "suspended", "S"),
        ("status", "f", "F"),
        ("status", "finished", None),
        ("status", 5, None),
        ("is_ci", "Yes", True),
        ("is_ci", 0, False),
        ("is_ci", 1.0, True),
        ("is_ci", "maybe", None),
        ("user_type", "CI", "ci"),
        ("user_type", "admin", None),
        ("container", "Docker", "docker"),
        ("session_id", "URN:UUID:0F4B2C6E-51D2-4C0A-9F3A-7B1D2E3F4A5B", "0f4b2c6e-51d2-4c0a-9f3a-7b1d2e3f4a5b"),
        ("session_id", "{0f4b2c6e51d24c0a9f3a7b1d2e3f4a5b}", "0f4b2c6e-51d2-4c0a-9f3a-7b1d2e3f4a5b"),
        ("session_id", "", None),
        ("platform", "p" * 65, "p" * 64),
        ("platform", "", None),
        ("language", "l" * 33, "l" * 32),
        ("language_version", "3.12 (free threading)", "3.12_free_threading"),
        ("language_version", "", None),
        ("error_desc", {"b": [1], "a": None}, '{"a":null,"b":[1]}'),
        ("error_desc", 2, "2"),
        ("error_desc", "", ""),
        ("error_desc", "a\x00b\udfff", "ab\N{REPLACEMENT CHARACTER}"),
        ("error_desc", object(), "object"),
    ],
)
def test_values_given_for_a_field(field: str, given_value: Any, expected: Any) -> None:
    """A field given by the caller is brought into a form that the server takes, or left out."""
    ours = sent(MigasWire(), usage(extra={f"migas.{field}": given_value}))
    flat = {**ours, **ours.get("ctx", {}), **ours.get("proc", {})}
    assert flat.get(field) == expected


def test_none_and_drop_remove_a_field() -> None:
    """None takes a derived field away; a name in `drop` even one that was given; other wires' fields do not matter."""
    extra = {"migas.platform": None, "migas.error_desc": "x", "access.platform": "vms", "migas.project": "x/y"}
    ours = sent(MigasWire(), usage(extra=extra, resource={"os.type": "linux"}, drop=("error_desc", "migas.user_id")))
    assert ours["project"] == "nipreps/fmriprep"
    assert ours["ctx"] == {"container": "unknown", "is_ci": False}
    assert "error_desc" not in ours["proc"]


def test_keys_come_from_ids_alone() -> None:
    """Dialect, time and text do not matter for the key; each id and the kind do."""
    one = usage(kind=Kind.END)
    (key,) = {
        request.idempotency_key
        for wire in (MigasWire(), MigasWire(wait=True), MigasWire(dialect="graphql"))
        for request in wire.translate([one, msgspec.structs.replace(one, time_ns=1, message="x")])
    }
    others = [
        msgspec.structs.replace(one, kind=Kind.START),
        msgspec.structs.replace(one, span_id="00f067aa0ba902b7"),
        msgspec.structs.replace(one, trace_id="4bf92f3577b34da6a3ce929d0e0e4736"),
    ]
    keys = {request.idempotency_key for request in MigasWire().translate(others)}
    assert len(keys) == 3
    assert key not in keys
    assert len(key) == 32


def test_order_is_kept_where_a_status_can_be_overtaken() -> None:
    """START and END of one use share an order key; events wait for nobody."""
    start, end, event = MigasWire().translate([usage(kind=kind) for kind in (Kind.START, Kind.END, Kind.EVENT)])
    assert start.order_key == end.order_key != ""
    assert event.order_key == ""


def test_crumbs_that_ask_for_it_keep_their_order() -> None:
    """``migas.in_order``: all of one process share an order key, whatever kind they are; of two processes, none."""
    kinds = (Kind.EVENT, Kind.START, Kind.END)
    extra = {"migas.in_order": True}
    uses = [usage(kind=kind, extra=extra, session_id=session) for session in ("a", "b") for kind in kinds]
    keys = [request.order_key for request in MigasWire().translate(uses)]
    assert len(set(keys[:3])) == len(set(keys[3:])) == 1
    assert keys[0] != keys[3]
    assert all(keys)


@pytest.mark.parametrize(("dialect", "path"), [("rest", "/api/breadcrumb?wait=true"), ("graphql", "/graphql")])
def test_one_crumb_may_ask_to_be_stored_first(dialect: Any, path: str) -> None:
    """``migas.wait``: this request alone waits, and so do its halves; GraphQL has no word for it."""
    wire = MigasWire(dialect=dialect)
    asking, other = wire.translate([usage(message="long text", extra={"migas.wait": True}), usage()])
    assert (asking.path, wire.split(asking)[0].path, other.path) == (path, path, wire.path)


def test_a_start_may_stay_untold() -> None:
    """``migas.start`` false: the end is told all the same, also by whoever finds the process dead."""
    uses = [usage(kind=kind, extra={"migas.start": False}) for kind in (Kind.START, Kind.END)]
    (end,) = MigasWire().translate([*uses])
    assert recorded.our_meaning(end)["proc"]["status"] == "C"


@pytest.mark.parametrize(
    ("endpoint", "base"),
    [
        ("https://migas.nipreps.org/graphql", "https://migas.nipreps.org"),
        ("https://migas.nipreps.org", "https://migas.nipreps.org"),
        ("https://migas.nipreps.org//", "https://migas.nipreps.org"),
        ("https://x.org/a/graphql//", "https://x.org/a"),
        ("https://x.org/graphql/graphql", "https://x.org/graphql"),
        ("https://x.org/mygraphql", "https://x.org/mygraphql"),
    ],
)
def test_base_url(endpoint: str, base: str) -> None:
    """One final /graphql and all final slashes go."""
    assert MigasWire().base_url(endpoint) == base


@pytest.mark.parametrize("options", [{"dialect": "soap"}, {"dialect": ["rest"]}, {"wait": "yes"}, {"wait": None}])
def test_wrong_options_are_named(options: dict[str, Any]) -> None:
    """A value that is not offered is refused while configuring, with those that are."""
    with pytest.raises(ConfigurationError, match=r"'rest' or 'graphql'|true or false"):
        MigasWire(**options)
