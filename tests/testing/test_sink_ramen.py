"""The sink as a ramen server: it unpacks anything, answers as recorded, and orders messages dropped."""

from __future__ import annotations

import gzip
import json
import zlib

import pytest

from footfall.testing.sink import Sink, ramen
from footfall.testing.sink.exchange import Asked
from footfall.testing.sink.modes import parse_mode

PATH = "/ramen/v1/metrics/7/imx.totals.v1/?version=1.0&reqid=a%20b"
BODY = b'{"a":1}'


def ask(body=BODY, *, target=PATH, method="POST", content_type="application/json", **options):
    """Answer a request in this process."""
    headers = {"content-type": content_type, "content-encoding": "gzip"}
    return ramen.answer(Asked(method, target, headers, body), **options)


@pytest.mark.parametrize(
    ("packed", "packing"),
    [(zlib.compress(BODY), "zlib"), (gzip.compress(BODY), "gzip"), (BODY, "none")],
    ids=["zlib", "gzip", "plain"],  # the time is in a gzip header, and each worker collects at its own
)
def test_a_body_is_told_by_its_first_bytes(packed, packing):
    """The header says gzip each time."""
    answer = ask(packed)
    assert (answer.status, answer.accepted) == (202, True)
    assert json.loads(answer.body) == {"code": "ACCEPTED", "details": None}
    assert answer.records == [
        {
            "type": "message",
            "category": "metrics",
            "system_serial": "7",
            "sender": "imx",
            "data_type": "totals",
            "data_version": "v1",
            "system_version": "1.0",
            "reqid": "a b",
            "packing": packing,
            "data": {"a": 1},
        }
    ]


def test_bodies_that_are_no_json():
    """Text and bytes are kept as they are."""
    assert ask(b"no json").records[0]["text"] == "no json"
    assert ask(b"\xff\x00").records[0]["data_base64"] == "/wA="


@pytest.mark.parametrize(
    ("changes", "status"),
    [
        ({"target": "/ramen/v1/a.b/7/imx.totals.v1/?version=1&reqid=1"}, 404),
        ({"target": "/ramen/v1/a/7/imx.totals/?version=1&reqid=1"}, 404),
        ({"target": "/ramen/v1/a/7/imx.totals.v1/?version=1&reqid=1&x=1"}, 400),
        ({"target": "/ramen/v1/a/7/imx.totals.v1/?version=1"}, 400),
        ({"method": "GET"}, 405),
        ({"content_type": "text/plain"}, 400),
        ({"body": zlib.compress(BODY)[:-3]}, 400),
        ({"body": b"\x1f\x8bxx"}, 400),
    ],
)
def test_what_is_refused(changes, status):
    """Nothing of it is taken."""
    answer = ask(**changes)
    assert (answer.status, answer.accepted, answer.records) == (status, False, [])


def test_drop_rules():
    """One for the kind of the request, or the one that the mode gives, whatever it is."""
    answer = ask(dropping=True)
    assert (answer.status, answer.accepted, answer.records[0]["refused"]) == (202, False, "dropped")
    assert json.loads(answer.body)["rule"] == {"category": "metrics", "data_type": "totals"}
    mode = parse_mode('droprule:{"sender": null}')
    assert json.loads(ask(dropping=True, rule=mode.tail).body)["rule"] == {"sender": None}
    with pytest.raises(ValueError, match="Expecting"):
        parse_mode("droprule:{")


def test_modes_reach_it_over_the_wire(tmp_path):
    """Its own 429, its half of an answer, and a rule for one path only."""
    import urllib.error
    import urllib.request

    def met(path=PATH):
        request = urllib.request.Request(sink.url + path, BODY, {"Content-Type": "application/json"})
        try:
            with urllib.request.urlopen(request, timeout=20) as answer:
                return answer.status, answer.read()
        except urllib.error.HTTPError as error:
            with error:
                return error.code, error.read()

    with Sink(tmp_path) as sink:
        sink.set_mode("ratelimit:0")
        assert met()[0] == 429
        sink.set_mode("badjson")
        assert met() == (202, b'{"code":')
        sink.set_mode("ok")
        sink.set_mode("droprule", where="/ramen/v1/metrics/7/imx.totals")
        assert b"DROPPED" in met()[1]
        assert b"ACCEPTED" in met(PATH.replace("totals", "other"))[1]
        lines = sink.requests()
    assert [(line.wire, line.answer, line.accepted, line.sink_error) for line in lines] == [
        ("ramen", 429, False, ""),
        ("ramen", 202, False, ""),
        ("ramen", 202, False, ""),
        ("ramen", 202, True, ""),
    ]
