"""Every recorded case of the original client, done with the facade: the same calls, the same bytes, defects repaired.

`REPAIRED` says where the outcome differs from the recorded one, and why; every other case must come out as recorded. A
request id that nobody gave is compared by what it must be: random, and different for each message.
"""

from __future__ import annotations

import base64
import json
import re
import time
import zlib
from datetime import date, datetime
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest

from footfall.errors import trouble
from footfall.facade.ramen.config import QueueReaderConfig, QueueWriterConfig
from footfall.facade.ramen.errors import AutheticationError, DataError
from footfall.facade.ramen.queue_reader import QueueReader
from footfall.facade.ramen.queue_writer import QueueWriter
from tests.facade.ramenhelp import Asked, Recorder, config_for
from tests.wire.ramen_recorded import GENERATED, VECTORS, exchanges_of, pushes_of

MADE = re.compile(r"[0-9a-f]{32}-[0-9a-f]{16}")
CODES = {"EMPTY": 0, "ACCEPTED": 1, "DROPPED": 2, "RETRY": 3}

REPAIRED: dict[int, tuple[list[str], str]] = {
    29: (["RETRY"], "200 is no documented yes: the message stays (defect 10)"),
    30: (["RETRY"], "204 likewise (defect 10)"),
    33: (["AutheticationError: FORBIDDEN - no"], "the error says what the server said (defect 9)"),
    43: (["AutheticationError: HTTP 401"], "a refusal need not be JSON (defect 9)"),
    45: (["RETRY"], "a 202 that is not the server's is tried again (defect 8)"),
    46: (["RETRY"], "likewise (defect 8)"),
    50: (["DROPPED", "DROPPED"], "a rule for version 1 matches version 1 (section 6)"),
    51: (["DROPPED", "ACCEPTED"], "a rule without fields is refused: it would stop everything (section 6)"),
    53: (["DROPPED"], "an answer without a rule drops its message and raises nothing (section 6)"),
    54: (["DROPPED"], "so does a rule with an unknown field (section 6)"),
    55: (["DROPPED"], "so does a rule with a wrong type (section 6)"),
    57: (["DROPPED", "ACCEPTED"], "a server does not set our clock (section 6)"),
    59: (["RETRY"], "redirects are not followed, the token stays here (defects 10 and 11)"),
    65: (["RETRY"], "an answer that is cut is in doubt, and tried again (defect 8)"),
}
"""Vector to the outcomes here, and why; the recorded outcome is a defect of ramen.md section 11, or section 6."""

OTHERWISE = {
    9: "test_a_name_ends_where_it_ends",
    15: "test_a_time_with_a_zone_is_that_moment",
    58: "test_rules_end_by_time",
    66: "test_connection",
    67: "test_connection",
    69: "test_connection",
    70: "test_connection",
    71: "test_run_stops_where_nothing_can_be_sent",
    74: "test_request_ids_never_come_again",
    75: "test_the_oldest_go_first",
    77: "test_the_queue_is_ours_alone",
    78: "test_configurations",
}
"""Vectors that have a test of their own below."""

STEPWISE = sorted(set(VECTORS) - set(OTHERWISE))


@pytest.fixture(autouse=True)
def on(footfall_on: None) -> None:
    """Messages are sent."""


class Obj:
    """Something that JSON has no word for."""


def value_of(data: Any) -> Any:
    """Return what was pushed, from how the vector writes it."""
    if isinstance(data, list):
        return [value_of(item) for item in data]
    if not isinstance(data, dict):
        return data
    makers = {
        "$decimal": Decimal,
        "$date": date.fromisoformat,
        "$datetime": datetime.fromisoformat,
        "$bytes_base64": base64.b64decode,
        "$float": float,
        "$tuple": lambda items: tuple(value_of(items)),
        "$set": set,
        "$object": lambda _: Obj(),
        "$generated": GENERATED.__getitem__,
        "$dict_items": lambda items: {value_of(key): value_of(value) for key, value in items},
    }
    if len(data) == 1 and (key := next(iter(data))) in makers:
        return makers[key](data[key])
    return {key: value_of(value) for key, value in data.items()}


def ends(vector: dict[str, Any], host: str, folder: Path) -> tuple[QueueWriter, QueueReader]:
    """Return writer and reader as the vector has them."""
    given = vector["call"]["config"]
    config = config_for(host, folder, **{key: given[key] for key in given if key not in {"hostname", "queue_dir"}})
    return QueueWriter(config), QueueReader(config)


def push_all(vector: dict[str, Any], writer: QueueWriter) -> list[Any]:
    """Push what the vector pushes; return "stored", or the text of the error."""
    results: list[Any] = []
    for push in pushes_of(vector):
        arguments = (push["category"], push["data_type"], push["data_version"], value_of(push["data"]))
        try:
            writer.push(*arguments, **({"reqid": push["reqid"]} if "reqid" in push else {}))
        except (AssertionError, TypeError) as error:
            results.append((type(error).__name__, str(error)))
        else:
            results.append("stored")
    return results


def consume(reader: QueueReader) -> str:
    """Return the name of `consume_one`'s result, or the error that it raises."""
    try:
        code = reader.consume_one()
    except AutheticationError as error:
        return f"AutheticationError: {error}"
    return next(name for name, value in CODES.items() if value == code)


def same_request(asked: Asked, recorded: dict[str, Any]) -> None:
    """Assert that *asked* is what the original sent."""
    assert (asked.method, asked.path) == (recorded["method"], recorded["path"])
    version = recorded["query"].partition("&")[0].partition("=")[2]
    assert asked.query["version"] == version
    assert list(asked.query) == ["version", "reqid"]
    for name in ("X-API-Token", "Content-Type", "Content-Encoding"):
        assert asked.headers[name.lower()] == recorded["headers"][name]
    if recorded["body_base64"] is None:
        assert len(asked.plain) == recorded["body_uncompressed_length"]
    else:
        assert asked.plain == zlib.decompress(base64.b64decode(recorded["body_base64"]))
    assert asked.body[:1] == b"\x78"


@pytest.mark.parametrize("number", STEPWISE, ids=[VECTORS[number]["file"] for number in STEPWISE])
def test_as_recorded(number: int, tmp_path: Path, hidden_errors: list[Any]) -> None:
    """The same pushes and steps; the same requests and outcomes, or the repaired ones."""
    vector = VECTORS[number]
    exchanges = exchanges_of(vector)
    with Recorder([each["response_given"] for each in exchanges]) as server, Recorder() as other:
        for step in server.script:
            for name, text in step.get("headers", {}).items():
                step["headers"] = {**step["headers"], name: text.replace("<OTHER_HOST>", other.host)}
        host = "127.0.0.1:9" if number == 61 else server.host
        writer, reader = ends(vector, host, tmp_path)
        results = push_all(vector, writer)
        outcome = vector["client_outcome"]
        recorded = outcome.get("push_results", results)
        assert results == [each if isinstance(each, str) else (each["exception"], each["message"]) for each in recorded]
        steps = outcome.get("steps", [])
        wanted = REPAIRED[number][0] if number in REPAIRED else [step["consume_one"] for step in steps]
        for expected in wanted:
            assert consume(reader).startswith(expected)
        stays = wanted[-1:] and wanted[-1] not in {"ACCEPTED", "DROPPED"}
        assert writer.queue_size() == (1 if stays else 0)
        assert other.asked == []
        sent = server.asked
        if number not in REPAIRED:
            assert len(sent) == len(exchanges)
        for asked, each in zip(sent, exchanges, strict=False):
            same_request(asked, each["request"])
        reqids = [push.get("reqid") for push in pushes_of(vector)]
        for asked, reqid in zip(sent, reqids, strict=False):
            if reqid in {None, ""}:
                assert MADE.fullmatch(asked.query["reqid"])
            else:
                assert asked.query["reqid"] == str(reqid)
        if number == 73:
            assert len({(each.path, each.query["reqid"]) for each in sent}) == 1
        if number in {51, 53, 54, 55, 57}:
            assert reader.get_blacklist() == []
        if number == 23:
            assert {name for name in trouble.counts if name.startswith("ramen payload")} >= {
                "ramen payload: set",
                "ramen payload: Obj",
                "ramen payload: bytes",
            }


def test_every_vector_is_handled() -> None:
    """A new one fails here until somebody says what becomes of it."""
    assert set(STEPWISE) | set(OTHERWISE) == set(VECTORS)
    assert all(name in globals() for name in OTHERWISE.values())
    assert set(REPAIRED) <= set(STEPWISE)


def test_a_name_ends_where_it_ends(tmp_path: Path) -> None:
    """009: a line end in a name would stand in the URL."""
    with Recorder() as server:
        writer, _ = ends(VECTORS[9], server.host, tmp_path)
        assert push_all(VECTORS[9], writer) == [("AssertionError", "Invalid characters in category")]


def test_a_time_with_a_zone_is_that_moment(tmp_path: Path) -> None:
    """015: the original reads the wall clock of another zone as this machine's (defect 18)."""
    with Recorder() as server:
        writer, reader = ends(VECTORS[15], server.host, tmp_path)
        push_all(VECTORS[15], writer)
        assert consume(reader) == "ACCEPTED"
        moment = datetime.fromisoformat(VECTORS[15]["call"]["pushes"][0]["data"]["d"]["$datetime"])
        assert json.loads(server.asked[0].plain) == {"d": int(moment.timestamp() * 1000)}


def test_rules_end_by_time(tmp_path: Path) -> None:
    """058: a rule holds for `blacklist_ttl` seconds from its arrival; matches do not prolong it."""
    vector = VECTORS[58]
    with Recorder([each["response_given"] for each in exchanges_of(vector)]) as server:
        writer, reader = ends(vector, server.host, tmp_path)
        push_all(vector, writer)
        for step in vector["client_outcome"]["steps"]:
            time.sleep(step["waited_before_seconds"])
            assert consume(reader) == step["consume_one"]
            assert len(reader.get_blacklist()) == step["rules_after"]
        assert len(server.asked) == 2


@pytest.mark.parametrize("number", [66, 67, 69, 70])
def test_connection(number: int, tmp_path: Path, hidden_errors: list[Any]) -> None:
    """066 to 070: plain JSON under the usual headers; False for every no, and nothing is raised."""
    vector = VECTORS[number]
    (exchange,) = exchanges_of(vector)
    with Recorder([exchange["response_given"]]) as server:
        _, reader = ends(vector, server.host, tmp_path)
        assert reader.test_connection() is (number == 66)
        assert len(reader.get_blacklist()) == vector["client_outcome"]["blacklist_rules_after"]
        (asked,) = server.asked
        assert asked.path == exchange["request"]["path"]
        assert asked.body == b"{}"
        assert re.fullmatch(r"[0-9a-f]{32}", asked.query["reqid"])


def test_run_stops_where_nothing_can_be_sent(tmp_path: Path) -> None:
    """071: accepted and dropped messages are counted; the next call goes on with the one that failed."""
    vector = VECTORS[71]
    with Recorder([each["response_given"] for each in exchanges_of(vector)]) as server:
        writer, reader = ends(vector, server.host, tmp_path)
        push_all(vector, writer)
        outcome = vector["client_outcome"]
        assert reader.run(blocking=False) == outcome["first_run_returns"]
        assert writer.queue_size() == outcome["queue_length_after_first"]
        assert reader.run(blocking=False) == outcome["second_run_returns"]
        assert writer.queue_size() == 0
        for asked, exchange in zip(server.asked, exchanges_of(vector), strict=True):
            same_request(asked, exchange["request"])
        assert server.asked[2].query["reqid"] == server.asked[3].query["reqid"]


def test_request_ids_never_come_again(tmp_path: Path) -> None:
    """074: a queue that is lost and begun anew does not repeat request ids (defect 4)."""
    vector = VECTORS[74]
    with Recorder() as server:
        for folder, push in zip(("one", "two"), pushes_of(vector), strict=True):
            writer, reader = ends(vector, server.host, tmp_path / folder)
            writer.push(push["category"], push["data_type"], push["data_version"], push["data"])
            assert consume(reader) == "ACCEPTED"
        first, second = server.asked
        assert first.path == second.path
        assert first.query["reqid"] != second.query["reqid"]


def test_the_oldest_go_first(tmp_path: Path) -> None:
    """075: beyond the limit the oldest messages are dropped and counted, the newest are kept."""
    vector = VECTORS[75]
    writer, reader = ends(vector, "127.0.0.1:9", tmp_path)
    for number in range(40):
        writer.push("metrics", "m", "v1", f"m{number:02d}" + "x" * 1797)
    left = []
    while (item := writer._queue.pop()) is not None:
        left.append(zlib.decompress(item["data"])[:3].decode())
    assert left == [f"m{number:02d}" for number in range(40 - len(left), 40)]
    assert 10 <= len(left) < 25
    assert reader._queue.dropped() == {"over_size": 40 - len(left)}


def test_the_queue_is_ours_alone(tmp_path: Path) -> None:
    """077: another layout, and nobody else can read it (defect 19)."""
    writer, _ = ends(VECTORS[77], "127.0.0.1:9", tmp_path)
    push_all(VECTORS[77], writer)
    root = tmp_path / "queue" / "imx_1099.footfall"
    assert root.stat().st_mode & 0o777 == 0o700
    assert all(path.stat().st_mode & 0o077 == 0 for path in root.rglob("*"))


def test_configurations() -> None:
    """078: the same values are taken and refused, but for two that would end up in a URL or fail later."""
    base: dict[str, Any] = {"sender": "imx", "system_serial": 1, "system_version": "1"}
    classes = {"QueueWriterConfig": QueueWriterConfig, "QueueReaderConfig": QueueReaderConfig}
    outcome = VECTORS[78]["client_outcome"]
    made = QueueReaderConfig({**base, "hostname": "h", "auth_token": "t"})
    assert {name: getattr(made, name) for name in outcome["defaults"]} == outcome["defaults"]
    for case in outcome["cases"]:
        given = {**base, **({"hostname": "h", "auth_token": "t"} if "Reader" in case["config_class"] else {})}
        given.update(case["given"])
        fields = {name: value for name, value in given.items() if value != "<ABSENT>"}
        repaired = case["given"] in ({"sender": "nl\n"}, {"system_serial": 10**30})
        if case["valid"] and not repaired:
            config = classes[case["config_class"]](fields)
            config.validate()
            assert {name: getattr(config, name) for name in case["values"]} == case["values"]
        else:
            with pytest.raises(DataError) as caught:
                classes[case["config_class"]](fields).validate()
            assert list(caught.value.fields) == case.get("fields", list(case["given"]))
