"""Wire `access` beyond the recorded exchanges: which uses are told, what stands where, and that no value loses one."""

from __future__ import annotations

import json
import math
from typing import Any
from urllib.parse import unquote, urlsplit

import msgspec
import pytest
import recorded
from hypothesis import given, settings
from hypothesis import strategies as st

from footfall.destination import Destination
from footfall.errors import ConfigurationError
from footfall.usage import Kind, Usage
from footfall.wire import access_headers
from footfall.wire.access import STANDARD, AccessWire, path
from footfall.wire.base import Request
from footfall.wire.destinations import Access
from footfall.wire.load import load

INSTALLATION = "5d1a3f2e-9b4c-3e21-8a77-0c2f5e6d7a81"
SESSION = "9b2f6c1e-7d34-4a5b-8c11-2f3e4d5c6b7a"
BASE = "https://tracking.example.org/api"


def use(**fields: Any) -> Usage:
    known: dict[str, Any] = {"service": "intake_catalog", "name": "intake_esm.core:esm_datastore.search"}
    return recorded.usage_in({"user_id": INSTALLATION, "session_id": SESSION}, **{**known, **fields})


def told(**fields: Any) -> dict[str, Any]:
    """The record of a use with *fields*, parsed back."""
    (request,) = AccessWire().translate([use(**fields)])
    body: dict[str, Any] = json.loads(request.body, parse_constant=pytest.fail)
    return body


def test_a_record() -> None:
    """The pseudonym of the installation, the function without its module, the session; nothing captured is empty."""
    (request,) = AccessWire().translate([use()])
    assert (request.method, request.path, request.content_type) == ("POST", "/intake/catalog/", "application/json")
    assert (request.headers, request.order_key, request.records) == ((), "", 1)
    assert request.body.decode() == (
        f'{{"name":"{INSTALLATION}","function":"esm_datastore.search","args":[],"kwargs":{{}},"session_id":"{SESSION}"}}'
    )


def test_an_installation_without_id_is_anonymous() -> None:
    """An empty text would be refused by the usual text field."""
    assert told(installation_id="")["name"] == "anonymous"


@pytest.mark.parametrize(
    ("fields", "count"),
    [
        ({"kind": Kind.END}, 1),
        ({"kind": Kind.EVENT}, 1),
        ({"kind": Kind.START}, 0),
        ({"kind": Kind.COUNT, "count": 9}, 0),
        ({"service": ""}, 0),
        ({"service": "", "extra": {"access.endpoint": "intake/catalog"}}, 0),
        ({"service": "/"}, 0),
        ({"extra": {"access.endpoint": "../admin"}}, 0),
    ],
)
def test_what_is_told(fields: dict[str, Any], count: int) -> None:
    """Ends and events that have a service; the rest is left out, and so booked as untranslatable."""
    requests = AccessWire().translate([use(**fields), use()])
    assert len(requests) == sum(request.records for request in requests) == count + 1


@pytest.mark.parametrize(
    ("name", "function"),
    [
        ("intake_esm.core:esm_datastore.search", "esm_datastore.search"),
        ("__main__:f.<locals>.g", "f.<locals>.g"),
        ("odd-package.m\u00f6d:Kl\u00e4sse.f", "Kl\u00e4sse.f"),
        ("esm_datastore.search", "esm_datastore.search"),
        ("intake/intake-esm", "intake/intake-esm"),
        ("step: two", "step: two"),
        ("https://example.org/x", "https://example.org/x"),
        ("https://example.org:80/x", "https://example.org:80/x"),
        ("", ""),
    ],
)
def test_the_name_of_the_function(name: str, function: str) -> None:
    """A registered function as in the register, without its module; any other name as it is."""
    assert told(name=name)["function"] == function


@pytest.mark.parametrize(
    ("service", "extra", "expected"),
    [
        ("intake_catalog", {}, "/intake/catalog/"),
        ("intake_catalog", {"access.endpoint": "intake/catalog_v2"}, "/intake/catalog_v2/"),
        ("intake_catalog", {"access.endpoint": "/intake//catalog/"}, "/intake/catalog/"),
        ("intake_catalog", {"access.endpoint": ""}, "/intake/catalog/"),
        ("intake_catalog", {"access.endpoint": 7}, "/intake/catalog/"),
        ("payu", {}, "/payu/"),
        ("a__b_", {}, "/a/b/"),
        ("a b?x=1#y", {}, "/a%20b%3Fx%3D1%23y/"),
        ("é_\n", {}, "/%C3%A9/%0A/"),
    ],
)
def test_the_endpoint(service: str, extra: dict[str, Any], expected: str) -> None:
    """One slash between any two parts and one at the end, each part encoded; and no field called `endpoint`."""
    (request,) = AccessWire().translate([use(service=service, extra=extra)])
    assert request.path == expected
    assert list(json.loads(request.body)) == list(STANDARD)


def test_a_field_called_endpoint_for_all_wires_is_a_field() -> None:
    """The control word is `access.endpoint` alone."""
    assert told(extra={"endpoint": "x", "access.endpoint": "a/b"})["endpoint"] == "x"


@given(st.text(alphabet=st.sampled_from(list("/.%2eEfF5c\\ab\n\r\0 ?#:@é\ud800")), max_size=20) | st.text())
def test_no_name_leaves_the_base_path(name: str) -> None:
    """Whatever the service is called: below the base, read by anything that decodes once or twice (S7, S8)."""
    found = path(name)
    if found is None:
        return
    assert found.isascii()
    assert found.startswith("/")
    assert found.endswith("/")
    assert "//" not in found
    parts = urlsplit(BASE + found)
    assert (parts.netloc, parts.query, parts.fragment) == ("tracking.example.org", "", "")
    assert parts.path == "/api" + found
    for decoded in (found, unquote(found), unquote(unquote(found))):
        assert ".." not in decoded
        assert not {".", ".."} & set(decoded.replace("\\", "/").split("/"))
    shown = name.replace("\0", "").encode("utf-16", "surrogatepass").decode("utf-16", "replace")
    if "\ud800" not in name:
        assert [unquote(part) for part in found.strip("/").split("/")] == [part for part in shown.split("/") if part]


@pytest.mark.parametrize("name", ["", "/", "..", "a/../b", "a/./b", "%2e%2e/b", "a/%2e/b", "..%5Cb", "a" * 256])
def test_names_that_are_no_path(name: str) -> None:
    """Steps up and aside in plain or encoded, nothing at all, and what no route is as long as."""
    assert path(name) is None


def test_arguments_by_position_and_by_name() -> None:
    """`/` and `*` are positional in the order of the signature, `**` is flattened, the rest goes by its name."""
    record = told(
        arguments={"query": {"variable": "tas", "n": 2}, "names": ["a", ["b"]], "flag": True, "key": None},
        parameters=("/key", "/other", "*names", "**query"),
    )
    assert record["args"] == [None, "a", ["b"]]
    assert record["kwargs"] == {"variable": "tas", "n": 2, "flag": True}
    assert list(told(arguments={"b": 1, "a": 2})["kwargs"]) == ["b", "a"]


@pytest.mark.parametrize(
    ("parameter", "value"),
    [("*names", 3), ("*names", "<redacted:failed>"), ("*names", {"a": 1}), ("**query", 2), ("**query", ["a"])],
)
def test_what_stands_for_several_arguments_goes_by_the_parameters_name(parameter: str, value: Any) -> None:
    """Such as their number: among the positional ones it would look like an argument."""
    name = parameter.strip("*")
    record = told(arguments={name: value}, parameters=(parameter,))
    assert (record["args"], record["kwargs"]) == ([], {name: value})


def test_extra_fields_add_up_replace_in_place_and_can_be_null() -> None:
    """Extras last; a standard one keeps its place; one for this wire beats one for all; others' are not told."""
    record = told(
        extra={
            "access.fs": "gdata",
            "fs": "lustre",
            "access.kwargs": "none",
            "n": {"a": [1]},
            "access.session_id": None,
            "access.name": "alice",
            "migas.error_desc": "x",
        }
    )
    assert record == {
        "name": "alice",
        "function": "esm_datastore.search",
        "args": [],
        "kwargs": "none",
        "session_id": None,
        "fs": "gdata",
        "n": {"a": [1]},
    }
    assert list(record) == [*STANDARD, "fs", "n"]


def test_fields_are_dropped_under_either_name() -> None:
    """Standard or extra, with the wire's prefix or without; one that is not there is no trouble."""
    drop = ("access.name", "args", "fs", "nope", "access.nope", "migas.kwargs")
    assert list(told(extra={"fs": "lustre"}, drop=drop)) == ["function", "kwargs", "session_id"]
    (request,) = AccessWire().translate([use(drop=STANDARD)])
    assert request.body == b"{}"


def test_texts_fit_usual_columns() -> None:
    """255 characters, cut with an ellipsis; U+0000 and lone surrogates, which databases refuse, are gone."""
    record = told(
        name="f" * 300, session_id="s" * 255, extra={"access.name": "a\0\ud800" + "b" * 300, "other": "o" * 300}
    )
    assert [len(record[name]) for name in ("name", "function", "session_id", "other")] == [255, 255, 255, 300]
    assert record["name"].startswith("a?b")
    assert record["function"].endswith("\N{HORIZONTAL ELLIPSIS}")
    assert told(extra={"access.function": ["a"]})["function"] == ["a"]


def test_ids_make_the_key() -> None:
    """The same use has one key in every process; another use, and another wire, have others."""
    uses = [use(), use(span_id="1" * 16), use(trace_id="2" * 32), use(kind=Kind.EVENT)]
    keys = {request.idempotency_key for request in AccessWire().translate(uses)}
    (again,) = AccessWire().translate([use(name="other", arguments={"a": 1})])
    (migas,) = load("migas", {}).translate([use()])
    assert len(keys) == 4
    assert again.idempotency_key in keys
    assert migas.idempotency_key not in keys


cycle: list[Any] = []
cycle.append(cycle)
NOT_JSON = [math.nan, math.inf, -math.inf, object(), b"x", {1, 2}, cycle, "\ud800", {"\udfff": 1}, 10**5000, {None: 1}]


@pytest.mark.parametrize("value", NOT_JSON, ids=lambda value: type(value).__name__)
def test_no_value_loses_the_record(value: Any) -> None:
    """What JSON cannot hold is said in another way; the record goes out, as JSON that everybody reads."""
    record = told(arguments={"value": value, "values": [value]}, parameters=("*values",), extra={"access.x": value})
    assert len(record["args"]) == 1
    assert record["kwargs"]["value"] == record["args"][0] == record["x"]


texts = st.text(max_size=8)
values = st.recursive(
    st.none()
    | st.booleans()
    | st.integers(-(2**63), 2**64 - 1)
    | st.floats(allow_nan=False, allow_infinity=False)
    | texts,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(texts, inner, max_size=3),
    max_leaves=10,
)


@settings(deadline=None)
@given(
    st.lists(values, max_size=3),
    st.dictionaries(texts, values, max_size=3),
    st.dictionaries(texts.filter(lambda name: "." not in name and "\0" not in name), values, max_size=3),
)
def test_values_arrive_as_they_are(args: list[Any], kwargs: dict[str, Any], extra: dict[str, Any]) -> None:
    """Arguments and extra fields of any JSON, parsed back, are the same values; standard fields keep their places."""
    record = told(
        arguments={"args": args, "kwargs": kwargs},
        parameters=("*args", "**kwargs"),
        extra={f"access.{name}": value for name, value in extra.items() if name != "endpoint"},
    )
    expected = {"args": args, "kwargs": kwargs, **extra}
    assert {name: record[name] for name in expected if name != "endpoint"} == {
        name: value for name, value in expected.items() if name != "endpoint"
    }
    assert list(record)[:5] == list(STANDARD)


def parts_of(request: Request) -> list[Request]:
    return AccessWire().split(request)


def test_a_request_that_is_too_large_goes_once_more_without_arguments() -> None:
    """413: the record is worth more than its arguments; every other byte stays; then there is nothing left."""
    wire = AccessWire(headers="X-Site: nci\nContent-Type: application/vnd.x+json")
    (whole,) = wire.translate(
        [use(arguments={"n": 1, "a": [2]}, parameters=("*a",), extra={"f": 1e100, "u": 2**64 - 1})]
    )
    (bare,) = wire.split(whole)
    assert bare.body == whole.body.replace(b'"args":[2]', b'"args":[]').replace(b'"kwargs":{"n":1}', b'"kwargs":{}')
    assert bare.idempotency_key != whole.idempotency_key
    unchanged = msgspec.structs.replace(whole, body=bare.body, idempotency_key=bare.idempotency_key)
    assert unchanged == bare
    assert wire.split(bare) == []


@pytest.mark.parametrize("body", [b"{}", b'{"args":[],"name":"a"}', b'{"kwargs":{}}', b"[]", b"no", b""])
def test_nothing_to_take_out(body: bytes) -> None:
    """Fields that were dropped do not come back."""
    (request,) = AccessWire().translate([use()])
    assert parts_of(msgspec.structs.replace(request, body=body)) == []


@pytest.mark.parametrize("field", ["args", "kwargs"])
def test_only_what_is_there_is_emptied(field: str) -> None:
    """A replaced field counts as arguments too; a dropped one stays away."""
    other = "kwargs" if field == "args" else "args"
    (request,) = AccessWire().translate([use(extra={f"access.{field}": "long"}, drop=(other,))])
    (bare,) = parts_of(request)
    assert json.loads(bare.body)[field] == ([] if field == "args" else {})
    assert other not in json.loads(bare.body)


@pytest.mark.parametrize(
    ("endpoint", "base"),
    [
        ("https://host/api", "https://host/api"),
        ("https://host/api//", "https://host/api"),
        ("https://host", "https://host"),
        ("https://host/", "https://host"),
        ("http://host:80//a//api//", "http://host:80/a/api"),
    ],
)
def test_base_urls(endpoint: str, base: str) -> None:
    """No final slash, single ones within: `base` and path are joined by the path's own first slash."""
    assert AccessWire().base_url(endpoint) == base


def test_headers_of_a_destination() -> None:
    """Given as a mapping, kept as lines, read by the wire; the content type is the request's own."""
    destination = Access(BASE, headers={"X-Site": "nci", "content-type": "application/vnd.x+json", "accept": "a/b"})
    assert destination.options == {"headers": "Accept: a/b\nContent-Type: application/vnd.x+json\nX-Site: nci"}
    (request,) = load("access", destination.options).translate([use()])
    assert (request.content_type, request.headers) == ("application/vnd.x+json", (("Accept", "a/b"), ("X-Site", "nci")))


def test_a_destination_for_some_services() -> None:
    """One word or several; the default is not written down."""
    assert Access(BASE) == Destination(wire="access", endpoint=BASE)
    assert Access(BASE, services="intake_catalog").services == ("intake_catalog",)
    assert Access(BASE, services=["a", "b", "a"]).services == ("a", "b")
    assert Access(BASE, credentials="env:TOKEN", insecure=True, in_doubt="drop") == Destination(
        wire="access", endpoint=BASE, credentials="env:TOKEN", insecure=True, in_doubt="drop"
    )
    for wrong in ([""], [7], ["a", None]):
        with pytest.raises(ConfigurationError, match="must be services of the registry"):
            Access(BASE, services=wrong)  # type: ignore[arg-type]  # the mistake under test


CANARY = "c4nary-q9-c4nary"


@pytest.mark.parametrize(
    "header",
    [
        "Authorization",
        "Proxy-Authorization",
        "cookie",
        "Set-Cookie",
        "X-Api-Key",
        "X-Key",
        "X-Auth-Token",
        "CSRFToken",
        "Client-Secret",
        "X-Password",
        "X-Signature",
        "X-Session",
        "X-Credential",
    ],
)
def test_secrets_are_sent_to_the_credentials(header: str) -> None:
    """By name, as a mapping and as lines; the message says what to do and does not repeat the value."""
    for refused in (lambda: Access(BASE, headers={header: CANARY}), lambda: AccessWire(headers=f"{header}: {CANARY}")):
        with pytest.raises(ConfigurationError, match=r"carries a secret.*credentials='env:NAME'") as caught:
            refused()
        assert CANARY not in str(caught.value)


@pytest.mark.parametrize(
    "value", ["Bearer abcdefgh12345678", "Basic YWxpY2U6aHVudGVyMg==", "ghp_" + "a1B2" * 9, "password=hunter2hunter2"]
)
def test_secrets_under_harmless_names_are_refused(value: str) -> None:
    """What looks like one is one."""
    with pytest.raises(ConfigurationError, match="looks like a secret") as caught:
        Access(BASE, headers={"X-Site": value})
    assert value not in str(caught.value)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("Content-Length: 3", "belongs to the connection"),
        ("transfer-encoding: chunked", "belongs to the connection"),
        ("HOST: other", "belongs to the connection"),
        ("Content-Encoding: gzip", "belongs to the connection"),
        ("X-Site", "line 1 of headers is no 'Name: value'"),
        ("X-Site: a\n\nx-site: b", "'x-site' is there twice"),
        ("X Site: a", "is no name of a header"),
        (": a", "is no name of a header"),
        ("X-Site:", "must be one line of ASCII text"),
        ("X-Site: a\rX-Other: b", "must be one line of ASCII text"),
        ("X-Site: a\0", "must be one line of ASCII text"),
        ("X-Site: \u00e9", "must be one line of ASCII text"),
        (7, "headers must be text"),
        (True, "headers must be text"),
    ],
)
def test_what_is_no_plain_header_is_refused(text: Any, message: str) -> None:
    """Options come from files, too: nothing that breaks the framing, nothing that is no header (S7)."""
    with pytest.raises(ConfigurationError, match=message):
        AccessWire(headers=text)


@pytest.mark.parametrize("headers", [{"X-Site": "a\nX-Other: b"}, {"X-Site\n": "a"}, {"a": "b", "A": "c"}, {"X": 1}])
def test_a_mapping_cannot_smuggle_a_line(headers: dict[str, Any]) -> None:
    """A line end in a name or value, two spellings of a name, a value that is no text."""
    with pytest.raises(ConfigurationError, match="access: "):
        Access(BASE, headers=headers)


@given(st.dictionaries(st.text(max_size=6), st.text(max_size=6), max_size=3))
def test_headers_are_refused_or_come_back(headers: dict[str, str]) -> None:
    """No text is half understood."""
    try:
        text = access_headers.as_text(headers)
    except ConfigurationError:
        return
    assert sorted(access_headers.parse(text)) == sorted(headers.items())
