"""What programs do with the facade of the ACCESS-NRI client besides the recorded calls."""

from __future__ import annotations

import asyncio
import importlib
import inspect
import json
import sys
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest

import footfall
from footfall import runtime
from footfall.errors import trouble
from footfall.facade.access import capture_registered_calls, load_ipython_extension
from footfall.facade.access.api import ApiHandler, ProductionToggle, SessionID
from footfall.facade.access.decorators import ipy_register_func, register_func
from footfall.facade.access.pipeline import project_of
from footfall.facade.access.registry import TelemetryRegister
from footfall.testing.sink.client import Received, Sink

MISSING = "Endpoint 'my_service' not found. Please add an endpoint for this service."
SERVICE = "intake_cli"


seen: dict[str, int] = {}
"""How many requests the shared sink had when the test began."""


@pytest.fixture
def handler(sink: Sink, footfall_on: None) -> ApiHandler:
    handler = ApiHandler()
    handler.server_url = sink.url + "/api"
    seen["requests"] = len(sink.requests())
    return handler


def arrived(sink: Sink) -> list[Received]:
    """What came since the test began, once all is delivered that can be."""
    assert footfall.drain(10.0).pending == 0
    return sink.requests()[seen["requests"] :]


def records(sink: Sink) -> list[dict[str, Any]]:
    """All records that arrived, sorted by what they were called with, each with where it went."""
    found = [{"path": each.path, **json.loads(each.body)} for each in arrived(sink)]
    return sorted(found, key=lambda record: json.dumps(record.get("args", "")))


@pytest.fixture
def library(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[ModuleType]:
    """A package of a user, and a module that imported a function of it."""
    (tmp_path / "shelf.py").write_text(
        "def lend(book, *, days=14):\n    return book, days\n\n\n"
        "class Shelf:\n    def find(self, title):\n        return title\n"
    )
    (tmp_path / "reader.py").write_text("from shelf import lend\n")
    monkeypatch.syspath_prepend(tmp_path)
    yield importlib.import_module("shelf")
    for name in ("shelf", "reader"):
        sys.modules.pop(name, None)


# -- configuration --------------------------------------------------------------------------------------------------


def test_there_is_one_handler_and_one_toggle() -> None:
    """However often they are made."""
    assert ApiHandler() is ApiHandler("https://elsewhere.example.org") is ApiHandler()
    assert ProductionToggle() is ProductionToggle()


def test_the_server_is_the_production_server_with_its_path() -> None:
    """D1: the original begins without ``/api/``."""
    assert ApiHandler().server_url == ProductionToggle.PRODUCTION_URL
    ProductionToggle().production = False
    assert (ApiHandler().server_url, repr(ProductionToggle())) == (
        ProductionToggle.STAGING_URL,
        "ProductionToggle(production=False)",
    )
    ProductionToggle().production = True
    assert ApiHandler().server_url.endswith("/api/")
    with pytest.raises(TypeError, match="True or False"):
        ProductionToggle().production = 1  # type: ignore[assignment]


@pytest.mark.parametrize(("seconds", "error"), [(0, ValueError), (-1, ValueError), ("a", TypeError)])
def test_a_timeout_is_a_positive_number(seconds: Any, error: type[Exception]) -> None:
    """As in the original, which really waits for it."""
    with pytest.raises(error, match="request_timeout"):
        ApiHandler().request_timeout = seconds
    ApiHandler().request_timeout = 1.5
    assert ApiHandler().request_timeout == 1.5


def test_an_unknown_service_is_a_key_error_when_it_is_configured() -> None:
    """With the words of the original's README."""
    handler = ApiHandler()
    for configure in (
        lambda: handler.add_extra_fields("my_service", {"a": 1}),
        lambda: handler.add_extra_field("my_service", {"a": 1}),
        lambda: handler.set_headers("my_service", {"a": "1"}),
        lambda: handler.clear_headers(["my_service"]),
        lambda: register_func("my_service"),
        lambda: ipy_register_func("my_service", extra_fields={"a": 1}),
    ):
        with pytest.raises(KeyError) as caught:
            configure()
        assert caught.value.args == (MISSING,)


def test_fields_must_be_mappings() -> None:
    """And the message says what came."""
    with pytest.raises(TypeError, match="not list"):
        ApiHandler().add_extra_fields(SERVICE, [["a"]])  # type: ignore[list-item]
    with pytest.raises(TypeError, match="server_url must be a text"):
        ApiHandler().server_url = 5  # type: ignore[assignment]


def test_fields_and_removals_add_up() -> None:
    """D8; what is read is a copy, and ``pop_fields`` can be called, as the original's README does."""
    handler = ApiHandler()
    handler.add_extra_field(SERVICE, {"a": 1})
    handler.add_extra_fields(SERVICE, [{"b": 2}, {"a": 3}])
    handler.remove_fields(SERVICE, "name")
    handler.pop_fields(SERVICE, ["session_id", "name"])
    handler.extra_fields[SERVICE]["c"] = 4
    assert handler.extra_fields == {"intake_catalog": {}, "intake_datastore": {}, SERVICE: {"a": 3, "b": 2}}
    assert handler.pop_fields == {SERVICE: ["name", "session_id"]}


def test_headers_are_those_set_last() -> None:
    """As in the original: for one service, several, or all."""
    handler = ApiHandler()
    handler.set_headers(None, {"X-A": "1"})
    handler.set_headers([SERVICE, "intake_catalog"], {"X-B": "2"})
    handler.clear_headers("intake_catalog")
    assert handler.headers == {"intake_catalog": {}, "intake_datastore": {"X-A": "1"}, SERVICE: {"X-B": "2"}}
    handler.clear_headers()
    assert set(map(len, handler.headers.values())) == {0}


@pytest.mark.parametrize(
    ("endpoint", "project"),
    [
        ("intake/catalog", "intake/catalog"),
        ("/intake/catalog/", "intake/catalog"),
        ("a/b/c", "a/b.c"),
        ("payu", "access/payu"),
    ],
)
def test_a_project_stands_for_an_endpoint(endpoint: str, project: str) -> None:
    """Owner and name, as `footfall off` takes them."""
    assert project_of(endpoint) == project


def test_the_session_is_that_of_the_records(handler: ApiHandler, sink: Sink) -> None:
    """A text, the same each time."""
    handler.send_api_request(SERVICE, "f", [], {})
    (record,) = records(sink)
    assert record["session_id"] == SessionID() == SessionID()
    assert type(SessionID()) is str
    assert SessionID.create_session_id() != SessionID.create_session_id()


# -- explicit calls -------------------------------------------------------------------------------------------------


def test_a_new_service_needs_no_release(handler: ApiHandler, sink: Sink) -> None:
    """Also one whose endpoint its name does not tell."""
    handler.endpoints["my_service"] = "my/own_service"
    handler.add_extra_field("my_service", {"endpoint": "mine", "shape": (2, 3)})
    handler.send_api_request("my_service", "f", (1,), {"x": None})
    (record,) = records(sink)
    assert record.pop("path") == "/api/my/own_service/"
    del record["name"], record["session_id"]
    assert record == {"function": "f", "args": [1], "kwargs": {"x": None}, "endpoint": "mine", "shape": [2, 3]}


@pytest.mark.parametrize(
    ("args", "kwargs", "told"),
    [
        (None, None, ([], {})),
        ("abc", 5, (["abc"], {"kwargs": 5})),
        (["x" * 8000] * 5, {}, (["<truncated>"], {})),
        ([{"api_key": "k"}], {"path": "/home/alice/x"}, ([{"api_key": "<redacted:key>"}], {"path": "<redacted:path>"})),
    ],
    ids=["none", "other types", "large", "secret"],
)
def test_arguments_are_made_harmless(args: Any, kwargs: Any, told: Any, handler: ApiHandler, sink: Sink) -> None:
    """Nobody checks what a program hands over, and nothing of it loses the record (D5, D6)."""
    handler.send_api_request(SERVICE, "f", args, kwargs)
    (record,) = records(sink)
    assert (record["args"], record["kwargs"]) == told


def test_an_extra_field_that_names_a_secret_is_not_told(handler: ApiHandler, sink: Sink) -> None:
    """But for the standard fields, which a program may replace; one that is too large goes alone."""
    handler.add_extra_fields(SERVICE, {"token": "canary", "session_id": "mine", "huge": ["x" * 8000] * 5, "a": 1})
    handler.send_api_request(SERVICE, "f", [], {})
    (record,) = records(sink)
    assert [record[name] for name in ("token", "session_id", "huge", "a")] == [
        "<redacted:key>",
        "mine",
        "<truncated>",
        1,
    ]


def test_a_server_that_cannot_be_used_is_said_in_the_log(handler: ApiHandler, sink: Sink) -> None:
    """And nothing goes to the one before; a usable one gets what is said from then on."""
    handler.send_api_request(SERVICE, "f", [1], {})
    for url in ("ftp://127.0.0.1/api", "http://[", "https://user:canary@127.0.0.1/api", "http://example.org/api"):
        handler.server_url = url
        handler.send_api_request(SERVICE, "f", [2], {})
    assert trouble.counts["access server"] >= 4
    handler.server_url = sink.url
    handler.send_api_request(SERVICE, "f", [3], {})
    assert [(record["path"], record["args"]) for record in records(sink)] == [
        ("/api/intake/cli/", [1]),
        ("/intake/cli/", [3]),
    ]


def test_plain_http_to_another_machine_must_be_allowed(handler: ApiHandler) -> None:
    """New: the original sends anything anywhere."""
    handler.server_url = "http://192.0.2.1/api"
    handler.insecure = True
    handler.send_api_request(SERVICE, "f", [], {})
    (destination,) = runtime.current().projects["intake/cli"].state.send_to
    assert (destination.endpoint, destination.insecure) == ("http://192.0.2.1/api", True)


def test_a_header_that_is_none_is_left_out(handler: ApiHandler, sink: Sink) -> None:
    """The record goes without it (reliability.md S7)."""
    given = {"X-A": "1", "X-Two\nLines: 1": "1", "X-B": "1\nX-C: 2", "Host": "elsewhere", "X-Name": "Zo\u00eb"}
    handler.set_headers(SERVICE, given)
    handler.send_api_request(SERVICE, "f", [], {})
    (request,) = arrived(sink)
    assert request.headers["x-a"] == "1"
    assert request.headers["host"] == f"127.0.0.1:{sink.port}"
    assert "x-c" not in request.headers
    assert trouble.counts["access header"] >= 3


# -- decorated functions --------------------------------------------------------------------------------------------


@pytest.mark.parametrize("decorate", [register_func, ipy_register_func])
def test_each_call_is_one_record_with_its_arguments(
    decorate: Any, handler: ApiHandler, sink: Sink, capfd: pytest.CaptureFixture[str]
) -> None:
    """What was set after the decoration counts too, and removals that no record has are no trouble (D7, D8)."""

    @decorate(SERVICE, extra_fields=[{"a": 1}, {"b": 2}], pop_fields=["nope"])
    def lend(book: str, *, days: int = 14) -> tuple[str, int]:
        """Lend a book."""
        return book, days

    assert (lend.__name__, lend.__doc__, str(inspect.signature(lend))) == (
        "lend",
        "Lend a book.",
        "(book: 'str', *, days: 'int' = 14) -> 'tuple[str, int]'",
    )
    assert lend("1", days=3) == ("1", 3)
    handler.add_extra_field(SERVICE, {"b": 3})
    handler.pop_fields(SERVICE, ["session_id", "name"])
    assert lend(book="2") == ("2", 14)
    first, second = records(sink)  # sorted by `args`: ["1"] goes before []
    assert "session_id" in first
    assert "name" in first
    assert {name: first[name] for name in ("path", "function", "args", "kwargs", "a", "b")} == {
        "path": "/api/intake/cli/", "function": "lend", "args": ["1"], "kwargs": {"days": 3}, "a": 1, "b": 2,
    }  # fmt: skip
    assert second == {
        "path": "/api/intake/cli/", "function": "lend", "args": [], "kwargs": {"book": "2"}, "a": 1, "b": 3,
    }  # fmt: skip
    assert "lend" in TelemetryRegister(SERVICE)
    assert lend in TelemetryRegister(SERVICE)
    assert capfd.readouterr() == ("", "")


def test_functions_stay_what_they_are(handler: ApiHandler, sink: Sink) -> None:
    """Coroutines, generators, methods; the user's exception is the same object (D7)."""
    error = ValueError("canary")

    @register_func(SERVICE)
    async def wait(number: int) -> int:
        return number

    @register_func(SERVICE)
    def count(number: int) -> Iterator[int]:
        yield from range(number)

    @register_func(SERVICE)
    def fail(number: int) -> None:
        raise error

    class Shelf:
        @register_func(SERVICE)
        def find(self, number: int) -> int:
            return number

    assert inspect.iscoroutinefunction(wait)
    assert inspect.isgeneratorfunction(count)
    assert asyncio.run(wait(1)) == 1
    assert list(count(2)) == [0, 1]
    with pytest.raises(ValueError, match="canary") as caught:
        fail(3)
    assert caught.value is error
    assert Shelf().find(4) == 4
    told = [(record["function"], record["args"]) for record in records(sink)]
    assert told == [("wait", [1]), ("count", [2]), ("fail", [3]), ("find", [4])]


def test_other_destinations_see_decorated_functions_too(handler: ApiHandler, sink: Sink) -> None:
    """One use, told to the tracking service and to a Collector; the arguments go to the former alone."""
    footfall.instrument("intake/cli", send_to=[footfall.Otlp(sink.url)])

    @register_func(SERVICE)
    def lend(book: str) -> str:
        return book

    lend("canary-book")
    requests = arrived(sink)
    (record,) = [json.loads(each.body) for each in requests if each.wire == "access"]
    assert record["args"] == ["canary-book"]
    otlp = [told for each in requests if each.wire == "otlp" for told in each.records]
    assert [told["type"] for told in otlp if told["type"] == "span"] == ["span"]
    assert "canary-book" not in str(otlp)


def test_a_decorated_function_follows_the_server_and_the_headers(handler: ApiHandler, sink: Sink) -> None:
    """They are usually set after the import that decorated it (D7)."""
    handler.server_url = "http://127.0.0.1:9/api"

    @register_func(SERVICE)
    def lend(book: int) -> int:
        return book

    handler.server_url = sink.url + "/api"
    lend(1)
    arrived(sink)
    handler.set_headers(SERVICE, {"X-Site": "nci", "Authorization": "Bearer canary"})
    lend(2)
    first, second = arrived(sink)
    assert "x-site" not in first.headers
    assert (second.headers["x-site"], second.auth_headers) == ("nci", ["authorization"])


def test_sixteen_threads_lose_nothing(handler: ApiHandler, sink: Sink) -> None:
    """Each call of each thread is one record."""

    @register_func(SERVICE)
    def lend(book: int) -> int:
        return book

    def both(number: int) -> None:
        lend(number)
        handler.send_api_request("intake_catalog", "f", [number], {})

    with ThreadPoolExecutor(16) as pool:
        list(pool.map(both, range(200)))
    told = [(record["function"], *record["args"]) for record in records(sink)]
    assert sorted(told) == sorted([(name, number) for name in ("f", "lend") for number in range(200)])


# -- registers ------------------------------------------------------------------------------------------------------


def test_a_register_shows_its_names() -> None:
    """As the original's README shows it: in order, and as JSON."""
    assert str(TelemetryRegister(SERVICE)) == '["metadata_validate", "metadata_template", "use_esm_datatore"]'
    assert str(TelemetryRegister("intake_catalog")).startswith('["esm_datastore.search", ')
    assert TelemetryRegister(service="mine") is TelemetryRegister("mine")
    assert list(TelemetryRegister("mine")) == []


def test_a_registered_function_is_observed_everywhere(handler: ApiHandler, sink: Sink, library: Any) -> None:
    """In its module, and where it was imported to; deregistered, each name holds the very object again."""
    reader: Any = importlib.import_module("reader")
    lend, find = library.lend, library.Shelf.find
    register = TelemetryRegister(SERVICE)
    register.register(lend, find)
    assert "lend" in register
    assert library.lend in register
    assert list(register)[-2:] == ["lend", "Shelf.find"]
    register.register(lend)
    library.lend(1)
    reader.lend(2, days=5)
    library.Shelf().find(3)
    register.deregister(lend, "Shelf.find")
    assert (library.lend, reader.lend, library.Shelf.find) == (lend, lend, find)
    library.lend(4)
    told = [(record["function"], record["args"], record["kwargs"]) for record in records(sink)]
    assert told == [("lend", [1], {}), ("lend", [2], {"days": 5}), ("Shelf.find", [3], {})]


def test_a_registered_name_is_looked_for(handler: ApiHandler, sink: Sink, library: Any) -> None:
    """With its module, before or after the import; a bare name in the module that registers it."""
    register = TelemetryRegister(SERVICE)
    register.register("shelf:lend", "module_function")
    library.lend(1)
    module_function(2)
    register.deregister("module_function")
    module_function(3)
    told = [(record["function"], record["args"]) for record in records(sink)]
    assert told == [("lend", [1]), ("module_function", [2])]


def module_function(number: int) -> int:
    return number


def test_what_is_not_registered_is_not_deregistered() -> None:
    """`KeyError`, and nothing else is touched; what is no function is refused."""
    register = TelemetryRegister(SERVICE)
    with pytest.raises(KeyError, match="nope"):
        register.deregister("metadata_validate", "nope")
    assert "metadata_validate" in register
    with pytest.raises(TypeError, match="not int"):
        register.register(5)  # type: ignore[arg-type]


def test_a_decorated_function_is_not_told_twice(handler: ApiHandler, sink: Sink) -> None:
    """Registered besides; and deregistered it is not told at all, until it is registered again."""

    @register_func(SERVICE)
    def lend(book: int) -> int:
        return book

    register = TelemetryRegister(SERVICE)
    register.register(lend, "lend")
    lend(1)
    register.deregister(lend)
    assert lend not in register
    lend(2)
    register.register(lend)
    lend(3)
    assert [record["args"] for record in records(sink)] == [[1], [3]]


def test_a_register_waits_for_its_endpoint(handler: ApiHandler, sink: Sink, library: Any) -> None:
    """A service without one may have a register."""
    TelemetryRegister("my_service").register(library.lend)
    library.lend(1)
    handler.endpoints["my_service"] = "my/service"
    library.lend(2)
    assert [(record["path"], record["args"]) for record in records(sink)] == [("/api/my/service/", [2])]


def test_the_names_of_a_service_are_observed_in_notebooks_only(
    handler: ApiHandler, sink: Sink, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As in the original: its list of names means nothing to a script."""
    catalogue = ModuleType("intake_esm.core")
    exec("class esm_datastore:\n    def search(self, *args):\n        return args", vars(catalogue))
    monkeypatch.setitem(sys.modules, "intake_esm.core", catalogue)
    store = vars(catalogue)["esm_datastore"]
    original = store.search
    store().search(1)
    assert store.search is original
    capture_registered_calls()
    load_ipython_extension(None)
    store().search(2)
    TelemetryRegister("intake_catalog").deregister("esm_datastore.search")
    store().search(3)
    assert [(record["function"], record["args"]) for record in records(sink)] == [("esm_datastore.search", [2])]


# -- consent --------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("variable", [("FOOTFALL", "off"), ("DO_NOT_TRACK", "1"), ("OTEL_SDK_DISABLED", "true")])
def test_off_means_nothing(
    variable: tuple[str, str], sink: Sink, library: Any, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    """Functions are the same objects, and there is no file, though a program says what it says."""
    monkeypatch.delenv("FOOTFALL")
    monkeypatch.setenv(*variable)
    before = len(sink.requests())
    handler = ApiHandler()
    handler.server_url = sink.url

    def lend(book: int) -> int:
        return book

    assert register_func(SERVICE, extra_fields={"a": 1})(lend) is lend
    registered = library.lend
    TelemetryRegister(SERVICE).register(registered)
    capture_registered_calls()
    assert library.lend is registered
    handler.send_api_request(SERVICE, "f", [1], {})
    assert not (tmp_path / "footfall-state").exists()
    assert len(sink.requests()) == before
