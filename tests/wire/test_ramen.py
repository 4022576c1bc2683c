"""The ramen wire beyond what was recorded: options, names, the object for a use, and answers of any kind."""

from __future__ import annotations

import base64
import json
import re
import sqlite3
import zlib
from typing import Any
from urllib.parse import parse_qsl, urlsplit

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from footfall.errors import ConfigurationError
from footfall.ledger import Reason
from footfall.usage import Kind, Outcome, Usage
from footfall.wire import ramen_answers, ramen_names
from footfall.wire.base import Action, DropRule, Request, Response
from footfall.wire.destinations import Ramen
from footfall.wire.ramen import FIELDS, RamenWire, object_of
from footfall.wire.readable import as_lines

WIRE = RamenWire(system_serial=1099, sender="imx", system_version="3.0.0.1")
RUN = Usage(
    project="nipreps/fmriprep",
    project_version="24.1.0+dirty",
    service="pipeline",
    name="fmriprep.workflows:Base.run",
    kind=Kind.END,
    trace_id="a" * 32,
    span_id="b" * 16,
    parent_span_id="c" * 16,
    time_ns=1_700_000_000_123_456_789,
    duration_ns=2_000_000_000,
    outcome=Outcome.OK,
    arguments={"level": "participant"},
    extra={"fs": "lustre", "migas.status_desc": "other wires only"},
    resource={
        "process.runtime.name": "cpython",
        "process.runtime.version": "3.11.9",
        "os.type": "linux",
        "footfall.batch.system": "slurm",
    },
    session_id="5d1a3f2e-9b4c-3e21-8a77-0c2f5e6d7a81",
)


def with_(usage: Usage = RUN, **changes: Any) -> Usage:
    """The same use but for some fields."""
    return msgspec.structs.replace(usage, **changes)


def one(usage: Usage, wire: RamenWire = WIRE) -> Request:
    """The only request."""
    (request,) = wire.translate([usage])
    return request


def told(usage: Usage, wire: RamenWire = WIRE) -> Any:
    """The body as JSON."""
    return json.loads(zlib.decompress(one(usage, wire).body))


def test_a_use_as_it_is_told() -> None:
    """Section 12, whole: names in the URL, ids as request id, and an object with its fields in that order."""
    request = one(RUN, RamenWire(system_serial=7))
    ids = f"{'a' * 32}-{'b' * 16}"
    assert request.path == f"/ramen/v1/events/7/fmriprep.run.v1/?version=24.1.0-dirty&reqid={ids}"
    assert request.order_key == "events/run"
    body = zlib.decompress(request.body)
    assert body.isascii()
    assert b" " not in body
    assert list(json.loads(body).items()) == [
        ("name", "fmriprep.workflows:Base.run"),
        ("start", 1_700_000_000_123),
        ("end", 1_700_000_002_123),
        ("function", "fmriprep.workflows.Base.run"),
        ("session", "5d1a3f2e-9b4c-3e21-8a77-0c2f5e6d7a81"),
        ("service", "fmriprep"),
        ("service_version", "24.1.0+dirty"),
        ("runtime", "cpython"),
        ("runtime_version", "3.11.9"),
        ("os", "linux"),
        ("status", "ok"),
        ("trace", "a" * 32),
        ("span", "b" * 16),
        ("parent", "c" * 16),
        (
            "attributes",
            {
                "footfall.batch.system": "slurm",
                "footfall.project": "nipreps/fmriprep",
                "footfall.service": "pipeline",
                "footfall.outcome": "ok",
                "footfall.args.level": "participant",
                "footfall.extra.fs": "lustre",
            },
        ),
    ]


def test_kinds_of_records() -> None:
    """A start is left out, an event has its own name, a count is a metric; each failure names its type."""
    assert WIRE.translate([with_(kind=Kind.START, outcome=None)]) == []
    event = with_(kind=Kind.EVENT, name="say hello", outcome=None, duration_ns=0, arguments={})
    assert one(event).order_key == "events/say-hello"
    assert told(event).keys() & {"end", "function", "status"} == set()
    assert "/metrics/1099/imx.run.v1/" in one(with_(kind=Kind.COUNT, count=41, outcome=None)).path
    assert told(with_(kind=Kind.COUNT, count=41, outcome=None))["attributes"]["footfall.count"] == 41
    failed = told(with_(outcome=Outcome.ERROR, error_type="KeyError", message="no such key"))
    assert (failed["status"], failed["error_type"], failed["error"]) == ("error", "KeyError", "no such key")
    assert told(with_(outcome=Outcome.KILLED))["error_type"] == "ProcessKilled"
    assert told(with_(outcome=Outcome.INTERRUPTED))["status"] == "error"


def test_own_words_win() -> None:
    """``ramen.*`` replaces what is derived, adds to the object, or takes a field out of it; `drop` too."""
    extra = {
        "ramen.category": "metrics",
        "ramen.data_type": "san_totals",
        "ramen.data_version": 2,
        "ramen.sender": "other",
        "ramen.system_version": "9.9",
        "ramen.reqid": "job 42",
        "ramen.user": "u1",
        "ramen.os": None,
        "ramen.job": {"id": 7},
    }
    usage = with_(extra=extra, drop=("session", "ramen.trace", "footfall.batch.system", "level"))
    assert one(usage).path == "/ramen/v1/metrics/1099/other.san_totals.2/?version=9.9&reqid=job%2042"
    body = told(usage)
    assert (body["user"], body["job"]) == ("u1", {"id": 7})
    assert body.keys() & {"os", "session", "trace", "category", "reqid"} == set()
    assert body["attributes"].keys() & {"footfall.batch.system", "footfall.args.level"} == set()


def test_a_body_of_the_callers_own() -> None:
    """Text as its bytes, bytes as base64, anything else as JSON; base64 that is none is left out."""

    def sent(**extra: Any) -> bytes:
        return zlib.decompress(one(with_(extra={f"ramen.{name}": value for name, value in extra.items()})).body)

    assert sent(data="not json \N{SNOWMAN}") == "not json \N{SNOWMAN}".encode()
    assert sent(data="") == b""
    assert sent(data="\ud800") == "\N{REPLACEMENT CHARACTER}".encode()
    assert sent(data={"b": [1, None, "é"], "a": float("nan")}) == b'{"b":[1,null,"\\u00e9"],"a":null}'
    assert sent(data=0) == b"0"
    raw = bytes(range(256))
    assert sent(data_base64=base64.b64encode(raw).decode()) == raw
    assert sent(data_base64="") == b""
    for wrong in ("!", "abc", 5):
        assert WIRE.translate([with_(extra={"ramen.data_base64": wrong})]) == []


def test_records_without_ids_still_differ() -> None:
    """Log records of a host that does not trace have none; two of them are two messages, each with one URL for good."""
    bare = with_(kind=Kind.EVENT, name="step", trace_id="", span_id="", outcome=None)
    later = with_(bare, time_ns=bare.time_ns + 1)
    assert one(bare).idempotency_key != one(later).idempotency_key
    assert one(bare) == one(with_(bare))
    assert re.search(r"reqid=[0-9a-f]{48}$", one(bare).path)


@pytest.mark.parametrize(
    "options",
    [
        {},
        {"system_serial": "1"},
        {"system_serial": True},
        {"system_serial": -1},
        {"system_serial": 1.0},
        {"system_serial": 1, "sender": "a.b"},
        {"system_serial": 1, "sender": "a\n"},
        {"system_serial": 1, "sender": 5},
        {"system_serial": 1, "system_version": "1/2"},
        {"system_serial": 1, "system_version": "1\n"},
        {"system_serial": 1, "rule_ttl": 0},
        {"system_serial": 1, "rule_ttl": 86401},
        {"system_serial": 1, "rule_ttl": "3600"},
        {"system_serial": 1, "rule_ttl": float("nan")},
    ],
)
def test_options_are_checked(options: dict[str, Any]) -> None:
    """What the server could not be told, or would hold longer than a day."""
    with pytest.raises((ConfigurationError, TypeError)):
        RamenWire(**options)


def test_a_probe_needs_to_know_who_asks() -> None:
    """There is no record to take the names from."""
    with pytest.raises(ConfigurationError, match="sender and a system_version"):
        RamenWire(system_serial=1).probe("x")


def test_base_url_takes_old_forms() -> None:
    """With and without the path of the interface."""
    for endpoint in ("https://r.example.org/x", "https://r.example.org/x/", "https://r.example.org/x/ramen/v1/"):
        assert WIRE.base_url(endpoint) == "https://r.example.org/x"


WORDS = st.text() | st.text(alphabet="aZ09_-.\n/%&?#א0٣", max_size=8) | st.integers() | st.booleans() | st.floats()


@settings(max_examples=300, deadline=None)
@given(category=WORDS, data_type=WORDS, data_version=WORDS, reqid=st.text() | st.integers())
def test_no_word_changes_the_shape_of_a_url(category: Any, data_type: Any, data_version: Any, reqid: Any) -> None:
    """Either the record is left out, or the URL read back says the same, in these places and no others (S7, S8)."""
    extra = {
        "ramen.category": category,
        "ramen.data_type": data_type,
        "ramen.data_version": data_version,
        "ramen.reqid": reqid,
    }
    requests = WIRE.translate([with_(extra=extra)])
    names = (category, data_type, data_version)
    if any(isinstance(word, float) or not re.fullmatch(r"[A-Za-z0-9_-]+", str(word)) or not word for word in names):
        assert requests == []
        return
    (request,) = requests
    assert re.fullmatch(r"/[\x21-\x7e]*", request.path)
    parts = urlsplit("http://host" + request.path)
    assert not parts.fragment
    empty, ramen, version, *place, last = parts.path.split("/")
    assert (empty, ramen, version, last) == ("", "ramen", "v1", "")
    assert place[:2] == [str(int(category) if isinstance(category, bool) else category), "1099"]
    assert len(place[2].split(".")) == 3
    (system, request_id) = parse_qsl(parts.query, keep_blank_values=True, strict_parsing=True)
    assert system == ("version", "3.0.0.1")
    expected = re.sub("[\ud800-\udfff]", "\N{REPLACEMENT CHARACTER}", str(reqid).replace("\x00", ""))
    assert request_id == ("reqid", expected if reqid != "" else f"{'a' * 32}-{'b' * 16}")
    assert WIRE.labels(request)["category"] == place[0]


@settings(max_examples=200, deadline=None)
@given(name=st.text(), project=st.text(), version=st.text(), kind=st.sampled_from([Kind.END, Kind.EVENT, Kind.COUNT]))
def test_derived_names_are_names(name: str, project: str, version: str, kind: Kind) -> None:
    """Whatever a project calls itself, its uses can be told, and a rule can be asked about them."""
    wire = RamenWire(system_serial=0)
    labels = wire.labels(one(with_(name=name, project=project, project_version=version, kind=kind), wire))
    assert set(labels) == set(ramen_names.LABELS)
    for key, text in labels.items():
        pattern = r"[A-Za-z0-9_.-]+" if key == "system_version" else r"[A-Za-z0-9_-]+"
        assert re.fullmatch(pattern, text)
        assert len(text) <= 64


VERSIONS = (
    st.from_regex(r"\A-?[0-9]{1,25}\Z")
    | st.from_regex(r"\A-?[0-9]{1,6}[eE]-?[0-9]{1,3}\Z")
    | st.from_regex(r"\A[A-Za-z0-9_-]{1,6}\Z")
)


@settings(max_examples=400, deadline=None)
@given(text=VERSIONS)
def test_versions_are_as_an_integer_column_gives_them_back(text: str) -> None:
    """SQLite itself is asked; only what it would make a number with a dot of stays as it was written (a repair)."""
    connection = sqlite3.connect(":memory:")
    try:
        connection.execute("CREATE TABLE t (v INTEGER NOT NULL)")
        connection.execute("INSERT INTO t VALUES (?)", (text,))
        ((value, kind),) = connection.execute("SELECT v, typeof(v) FROM t")
    finally:
        connection.close()
    assert ramen_names.data_version(text) == (text if kind == "real" else str(value))


LABELS = st.fixed_dictionaries(
    {},
    optional={
        "category": st.sampled_from(["metrics", "events", 5, None, "a b", ["x"]]),
        "sender": st.sampled_from(["imx", None, True]),
        "data_type": st.sampled_from(["run", "", None]),
        "data_version": st.sampled_from(["1", 1, "01", None, 1.5, True]),
        "system_version": st.sampled_from(["3.0.0.1", "3/0", None]),
        "system_serial": st.sampled_from([1099, 7, "1099", True, -1, 1.0, None]),
        "added": st.sampled_from([None, "2001-01-01"]),
        "last_seen": st.sampled_from([None, "2001-01-01T00:00:00Z", 5]),
        "reason": st.sampled_from(["quota", None]),
    },
)


@settings(max_examples=400, deadline=None)
@given(rule=LABELS | st.none() | st.lists(st.integers()) | st.text())
def test_a_rule_is_kept_whole_or_not_at_all(rule: Any) -> None:
    """Known fields of the right type, at least one, no times: else the answer is a no to this message and no rule."""
    answer = json.dumps({"code": "DROPPED", "details": "x", "rule": rule}).encode()
    verdict = WIRE.judge(Response(status=202, body=answer))
    assert verdict.action is Action.DROP
    said = {key: value for key, value in rule.items() if value is not None} if isinstance(rule, dict) else {}
    good = {
        "category": lambda value: value in {"metrics", "events"},
        "sender": lambda value: value == "imx" and isinstance(value, str),
        "data_type": lambda value: value == "run",
        "data_version": lambda value: value in ("1", "01") or (type(value) is int),
        "system_version": lambda value: value == "3.0.0.1",
        "system_serial": lambda value: type(value) is int and value >= 0,
    }
    if said and all(key in good and not isinstance(value, list) and good[key](value) for key, value in said.items()):
        assert verdict.reason is Reason.RULE
        expected = {key: "1" if key == "data_version" else str(value) for key, value in said.items()}
        assert verdict.rule == DropRule(labels=expected, seconds=3600.0)
    else:
        assert (verdict.reason, verdict.rule) == (Reason.REFUSED, None)
        assert "rule" in verdict.detail


def test_every_status_has_a_meaning() -> None:
    """The table of section 4 with the repairs of section 11, status by status, for a body that says yes."""
    yes = b'{"code": "ACCEPTED", "details": null}'
    found: dict[Action, set[int]] = {}
    for status in range(100, 600):
        found.setdefault(WIRE.judge(Response(status=status, body=yes)).action, set()).add(status)
    assert found[Action.DELIVERED] == {202}
    assert found[Action.HALT] == {401, 403, 407, *range(300, 400)}
    assert found[Action.RETRY] == {408, 425, 429, *range(100, 202), *range(203, 300), *range(500, 600)}
    assert found[Action.DROP] == set(range(400, 500)) - {401, 403, 407, 408, 425, 429}


@pytest.mark.parametrize("body", [b"", b"<html>", b"[]", b"5", b'{"status": "ok"}', b'{"code":', b"\xff"])
def test_a_202_that_is_none_of_ours_is_tried_again(body: bytes) -> None:
    """A portal's page, half an answer, an answer without a code: not delivered, not lost (N4)."""
    verdict = WIRE.judge(Response(status=202, body=body))
    assert (verdict.action, verdict.detail.startswith("bad answer")) == (Action.RETRY, True)


def test_what_a_server_says_is_kept_short_and_on_one_line() -> None:
    """For `footfall doctor`; the rule's own words are not repeated."""
    body = json.dumps({"code": "DROPPED", "details": "x\n" * 500, "rule": {"secret": 1}}).encode()
    detail = WIRE.judge(Response(status=202, body=body)).detail
    assert len(detail) <= ramen_answers.MAX_DETAIL_CHARACTERS
    assert "\n" not in detail
    assert "secret" not in detail


def test_the_object_holds_only_known_fields() -> None:
    """`FIELDS` is the list that the documentation gives."""
    full = with_(outcome=Outcome.ERROR, message="m", resource={**RUN.resource, "user.hash": "h"})
    assert tuple(object_of(full)) == FIELDS


def test_people_can_read_what_is_sent() -> None:
    """`footfall show` unpacks zlib, whatever the header says; bytes are shown as such."""
    destination = Ramen("https://r.example.org", system_serial=1099, credentials="env:RAMEN")
    lines = list(as_lines("ramen:r", one(with_(extra={"ramen.data": '{"a": "\x1b[2J"}'})), destination))
    assert lines[1].startswith("POST https://r.example.org/ramen/v1/events/1099/")
    assert "Content-Encoding: gzip" in lines
    assert "(and the credentials in env:RAMEN)" in lines
    assert '  {"a": "\\u001b[2J"}' in lines
    assert "zlib of 13 bytes" in lines[-1]
    raw = one(with_(extra={"ramen.data_base64": base64.b64encode(b"\xff\xfe").decode()}))
    assert list(as_lines("ramen:r", raw, destination))[-2:] == ["  fffe", "  (10 bytes; zlib of 2 bytes; no text)"]
    broken = msgspec.structs.replace(raw, body=raw.body[:-2])
    assert "zlib that does not unpack" in list(as_lines("ramen:r", broken, destination))[-1]
