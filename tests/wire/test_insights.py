"""Uses as tables in tarballs, and what becomes of several of them (insights.md section 13)."""

from __future__ import annotations

import gzip
import io
import json
import tarfile
from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from footfall.errors import ConfigurationError
from footfall.ledger import Reason
from footfall.testing.sink import insights as sink
from footfall.usage import Kind, Outcome, Usage
from footfall.wire import insights_package as packages
from footfall.wire.base import Action, Request, Response
from footfall.wire.insights import InsightsWire, table_key

WIRE = InsightsWire()
START = 1_708_646_400 * 10**9


def a_use(number: int = 1, **fields: Any) -> Usage:
    """An end of a function, one second after the one before."""
    values: dict[str, Any] = {
        "project": "owner/tool",
        "project_version": "2.1",
        "name": "tool.core:search",
        "kind": Kind.END,
        "trace_id": f"{number:032x}",
        "span_id": f"{number:016x}",
        "time_ns": START + number * 10**9,
        "duration_ns": 5 * 10**8,
        "outcome": Outcome.OK,
        "session_id": "6a1b0f6e-6f0c-4ad3-9d55-0b8c6a1d2e01",
    }
    return Usage(**{**values, **fields})


def members_of(request: Request) -> dict[str, Any]:
    """What a server finds in the upload."""
    found = sink.members(packages.in_multipart(request.body))
    assert found is not None
    return found


def test_a_package_of_uses() -> None:
    """A table for each key, config, status, manifest; one row a use."""
    (request,) = WIRE.translate(
        [
            a_use(1, arguments={"n": 3}, extra={"fs": "lustre", "migas.x": 1}),
            a_use(2, outcome=Outcome.ERROR, error_type="KeyError", parent_span_id="f" * 16),
            a_use(3, kind=Kind.EVENT, name="step", outcome=None, duration_ns=0, message="well"),
            a_use(4, kind=Kind.START, outcome=None),
            a_use(5, kind=Kind.COUNT, outcome=None, duration_ns=0, count=7),
            a_use(6, outcome=Outcome.KILLED),
        ]
    )
    found = members_of(request)
    assert list(found) == [
        "./step.csv", "./tool_core_search.csv", "./config.json", "./data_collection_status.csv", "./manifest.json"
    ]  # fmt: skip
    rows = found["./tool_core_search.csv"]
    assert list(rows[0]) == [
        *packages.FIXED_COLUMNS,
        *("footfall.args.n", "footfall.count", "footfall.extra.fs", "footfall.kind", "footfall.outcome"),
    ]
    assert rows[0] == {
        "start": "2024-02-23 00:00:01.000000+00:00", "end": "2024-02-23 00:00:01.500000+00:00",
        "name": "tool.core.search", "status": "ok", "error_type": "", "user": "", "parent_span_id": "",
        "session_id": "6a1b0f6e-6f0c-4ad3-9d55-0b8c6a1d2e01", "trace_id": f"{1:032x}", "span_id": f"{1:016x}",
        "footfall.args.n": "3", "footfall.extra.fs": "lustre",
        "footfall.count": "", "footfall.kind": "", "footfall.outcome": "",
    }  # fmt: skip
    assert [(row["status"], row["error_type"], row["footfall.count"]) for row in rows] == [
        ("ok", "", ""), ("error", "KeyError", ""), ("", "", "7"), ("error", "ProcessKilled", "")
    ]  # fmt: skip
    assert found["./step.csv"][0]["message"] == "well"
    assert found["./config.json"] == {
        "service.name": "tool", "service.version": "2.1", "footfall.project": "owner/tool"
    }  # fmt: skip
    bounds = {"since": "2024-02-23 00:00:01.000000+00:00", "until": "2024-02-23 00:00:06.500000+00:00"}
    assert found["./data_collection_status.csv"] == [
        {"collection_start_timestamp": f"2024-02-23 00:00:0{start}.000000+00:00", **bounds,
         "file_name": name, "status": "ok", "elapsed": "0"}
        for name, start in (("step.csv", 3), ("tool_core_search.csv", 1))
    ]  # fmt: skip
    assert found["./manifest.json"] == dict.fromkeys(
        ("step.csv", "tool_core_search.csv", "config.json", "data_collection_status.csv"), "1.0"
    )
    assert (request.records, request.hold_seconds, request.method, request.path) == (5, 300.0, "POST", "/upload")


def test_what_a_use_says_for_itself() -> None:
    """Key, version and shipping group; groups and configs are never in one tarball; a field may be dropped."""
    uses = [
        a_use(1, extra={"insights.key": "../../etc/pass wd", "insights.version": "2.0", "insights.own": "x"}),
        a_use(2, extra={"insights.shipping_group": "other"}, drop=("session_id", "n"), arguments={"n": 1}),
        a_use(3, project_version="2.2"),
    ]
    first, other, newer = (members_of(request) for request in WIRE.translate(uses))
    assert first["./manifest.json"]["etc_pass_wd.csv"] == "2.0"
    assert first["./etc_pass_wd.csv"][0]["footfall.extra.own"] == "x"
    assert other["./tool_core_search.csv"][0]["session_id"] == ""
    assert "footfall.args.n" not in other["./tool_core_search.csv"][0]
    assert newer["./config.json"]["service.version"] == "2.2"
    assert len({request.joins for request in WIRE.translate(uses)}) == 3


@pytest.mark.parametrize(
    ("wish", "name", "key"),
    [
        (None, "a.b:C.d", "a_b_C_d"),
        ("ok-1", "x", "ok-1"),
        ("", "nipreps/fmriprep", "nipreps_fmriprep"),
        ("config", "x", "config_uses"),
        ("--", "x", "uses"),
        (7, "x", "x"),
    ],
)
def test_keys_are_names_of_files(wish: object, name: str, key: str) -> None:
    """Letters, digits, `_` and `-`, and none that stands for something else."""
    assert table_key(wish, name) == key


@given(st.text())
def test_no_key_leaves_the_tarball(text: str) -> None:
    """Whatever a program calls its table (reliability.md S8)."""
    key = table_key(text, text)
    assert 0 < len(key) <= 64
    assert set(key) <= set("abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_-")
    assert key not in {"config", "manifest", "data_collection_status"}


@given(st.text(st.characters(codec="utf-8")))
def test_no_cell_is_a_formula_and_none_breaks_a_row(text: str) -> None:
    """What comes in as text comes out as that text, or behind an apostrophe (reliability.md S7)."""
    (request,) = WIRE.translate([a_use(1, extra={"free": text}), a_use(2, arguments={"n": -5})])
    package = packages.unpack(packages.in_multipart(request.body))
    table = package.tables["tool_core_search"]
    cell = table.rows[0][table.columns.index("footfall.extra.free")]
    assert not cell.startswith(("=", "+", "-", "@", "\t", "\r"))
    assert cell in {text.replace("\0", ""), "'" + text.replace("\0", "")}
    assert table.rows[1][table.columns.index("footfall.args.n")] == "-5", "a number stays one"
    assert len(table.rows) == 2


def test_members_belong_to_nobody() -> None:
    """Mode 0600, no owner, the time of the records, and its name in the gzip header."""
    (request,) = WIRE.translate([a_use()])
    tarball = packages.in_multipart(request.body)
    with tarfile.open(fileobj=io.BytesIO(tarball)) as tar:
        for member in tar:
            assert (member.mode, member.uid, member.gid, member.uname, member.isfile()) == (0o600, 0, 0, "", True)
            assert (member.mtime, "mtime" in member.pax_headers) == (START / 1e9 + 1.5, True)
    name = request.body.partition(b'filename="')[2].partition(b'"')[0]
    assert name.removesuffix(b".gz") in tarball[:80]
    assert name.startswith(b"analytics-2024-02-23-000001+0000-")


def test_the_request_id_is_made_of_the_key() -> None:
    """A UUID that stays over all attempts, so that a repeated upload overwrites itself."""
    (request,) = WIRE.translate([a_use()])
    assert dict(request.headers)["x-rh-insights-request-id"].replace("-", "") == request.idempotency_key


def test_joining_says_the_same_in_one_request() -> None:
    """All rows, by their begin; the columns of both; the key says which were joined, in whatever order."""
    first, second = WIRE.translate([a_use(2)])[0], WIRE.translate([a_use(1, arguments={"n": 1}), a_use(3)])[0]
    (joined,) = WIRE.join([first, second])
    assert WIRE.join([second, first]) == [joined]
    rows = members_of(joined)["./tool_core_search.csv"]
    assert [row["span_id"][-1] for row in rows] == ["1", "2", "3"]
    assert [row["footfall.args.n"] for row in rows] == ["1", "", ""]
    assert (joined.records, joined.hold_seconds, joined.joins) == (3, 0.0, "")
    assert joined.idempotency_key not in {first.idempotency_key, second.idempotency_key}
    with pytest.raises(ValueError, match="no"):
        WIRE.join([first, msgspec.structs.replace(second, body=b"--x\r\n\r\n\r\n--x--\r\n")])


def test_a_large_batch_becomes_several() -> None:
    """No package of a batch is beyond `run_bytes`, as long as it has more than one use."""
    wire = InsightsWire(run_bytes=2048)
    requests = wire.translate([a_use(number, arguments={"n": "x" * 20}) for number in range(200)])
    assert len(requests) > 2
    assert all(len(request.body) <= 2048 for request in requests)
    assert sum(request.records for request in requests) == 200


def test_splitting_keeps_headers_and_rows() -> None:
    """Each half has its tables with their headers, and a status and manifest of its own."""
    (whole,) = WIRE.translate([a_use(number, name="a:b" if number < 6 else "c:d") for number in range(10)])
    halves = [members_of(part) for part in WIRE.split(whole)]
    assert [sorted(half) for half in halves] == [
        ["./a_b.csv", "./config.json", "./data_collection_status.csv", "./manifest.json"],
        ["./a_b.csv", "./c_d.csv", "./config.json", "./data_collection_status.csv", "./manifest.json"],
    ]
    assert [len(half["./a_b.csv"]) for half in halves] == [5, 1]
    assert WIRE.split(WIRE.translate([a_use()])[0]) == []
    assert WIRE.split(Request(path="/", body=b"", content_type="t", idempotency_key="k")) == []


@pytest.mark.parametrize(
    ("endpoint", "url"),
    [
        ("https://host.example", "https://host.example/api/ingress/v1/upload"),
        ("https://host.example/api/ingress/v1/upload", "https://host.example/api/ingress/v1/upload"),
        ("https://host.example/r/insights/platform/ingress/v1/", "https://host.example/r/insights/platform/ingress/v1/upload"),
        ("https://host.example/upload/", "https://host.example/upload"),
    ],
)  # fmt: skip
def test_where_it_goes(endpoint: str, url: str) -> None:
    """The endpoint is the URL that is posted to, with or without its end."""
    (request,) = WIRE.translate([a_use()])
    assert WIRE.base_url(endpoint) + request.path == url


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ({"content_type": "application/zip"}, "content_type"),
        ({"content_type": 7}, "content_type"),
        ({"path": "upload"}, "path"),
        ({"path": "/a?b"}, "path"),
        ({"auth": "pray"}, "auth"),
        ({"auth": "mutual-tls"}, "certificate"),
        ({"run_seconds": -1}, "run_seconds"),
        ({"run_seconds": True}, "run_seconds"),
        ({"run_bytes": 1}, "run_bytes"),
    ],
)
def test_wrong_options_are_refused(options: dict[str, Any], words: str) -> None:
    """With the name of the option."""
    with pytest.raises(ConfigurationError, match=words):
        InsightsWire(**options)


def test_times_that_no_calendar_has() -> None:
    """They are left out, and booked `untranslatable` by who counts."""
    assert WIRE.translate([a_use(time_ns=-1), a_use(time_ns=2**63 - 1)]) == []


YES = b'{"request_id":"r","upload":{"org_id":"1"}}'


@pytest.mark.parametrize(
    ("status", "body", "action"),
    [
        (202, YES, Action.DELIVERED),
        (201, YES, Action.DELIVERED),
        (200, YES, Action.RETRY),
        (202, b"", Action.RETRY),
        (202, b"<html>portal</html>", Action.RETRY),
        (202, b'{"code":', Action.RETRY),
        (202, b'{"upload":{}}', Action.RETRY),
        (204, b"", Action.RETRY),
        *((status, b"", Action.HALT) for status in (301, 302, 307, 400, 401, 403, 407, 415)),
        *((status, b"", Action.RETRY) for status in (408, 425, 429, 500, 502, 503, 504)),
        (413, b"too large", Action.SPLIT),
        (404, b"", Action.DROP),
    ],
)
def test_answers(status: int, body: bytes, action: Action) -> None:
    """Only the documented yes is one; what settings can mend is kept (insights.md section 13)."""
    verdict = WIRE.judge(Response(status=status, body=body))
    assert verdict.action is action
    assert verdict.detail.startswith(str(status))
    assert verdict.reason is (Reason.REFUSED if action is Action.DROP else None)


def test_an_object_store() -> None:
    """The tarball itself, under a name made of the key; 200 with an ETag is its yes."""
    wire = InsightsWire(auth="s3")
    (request,) = wire.translate([a_use()])
    assert (request.method, request.content_type) == ("PUT", WIRE.content_type)
    assert request.path.startswith(f"/{request.idempotency_key}-analytics-")
    assert gzip.decompress(request.body)
    assert wire.base_url("https://s3.example/bucket/upload/") == "https://s3.example/bucket/upload"
    assert wire.judge(Response(status=200, headers={"etag": '"1"'})).action is Action.DELIVERED
    assert wire.judge(Response(status=200)).action is Action.RETRY
    assert wire.judge(Response(status=403)).action is Action.HALT
    assert len(wire.split(wire.translate([a_use(1), a_use(2)])[0])) == 2
    assert wire.join([request])[0].records == 1


def test_a_package_of_others_is_none_of_ours() -> None:
    """Anything that is not what `pack` makes is refused with one kind of error."""
    for content in (b"", b"no gzip", gzip.compress(b"no tar"), gzip.compress(bytes(10240))):
        with pytest.raises(ValueError, match="no package"):
            packages.unpack(content)
    assert json.loads(json.dumps(members_of(WIRE.translate([a_use()])[0])))["./manifest.json"]
