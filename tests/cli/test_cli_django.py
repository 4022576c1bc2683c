"""`footfall fields --format django`: code that a real Django takes as it is, and that no registry can bend."""

from __future__ import annotations

import ast
import json
import re
import subprocess
import sys
import textwrap
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
import requests
from clihelp import SECONDS, environ, footfall
from hypothesis import given, settings
from hypothesis import strategies as st

from footfall.cli import django
from footfall.registry.model import Entry, Registry

REGISTRY = """
    project: owner/library
    extra: {site: nci, cpu-usage: 0.5, migas.status_desc: hello}
    registry:
      intake:
        catalog:
          - function: lib.core:search
            capture: {limit: int, method: text}
            extra: {cores: 4, dry: true, tags: [a, 1, null], bytes: 5000000000, mixed: 1, note: "", nothing: null}
          - function: lib.core:plain
            extra: {mixed: text, class: heavy, id: 7, timestamp: noon, access.name: anonymous}
            drop: [access.session_id, no_such]
        store:
          drop: [args, kwargs]
          functions: [lib.core:save]
      none: [lib.core:nothing]
    """

LIBRARY = """
    def search(term, limit=1, method=""): ...
    def plain(): ...
    def save(data): ...
    def nothing(): ...
    """

PROGRAM = """
import json, sys, footfall
footfall.instrument("owner/library", registry=sys.argv[1], send_to=[footfall.Access(sys.argv[2])])
from lib import core
core.search("tas", limit=3, method=" as it is ")
core.plain()
core.save(b"secret")
core.nothing()
footfall.drain(30)
"""


class Service:
    """A running server: its address, and after its end the rows of its tables."""

    def __init__(self, port: str) -> None:
        self.url = f"http://127.0.0.1:{port}"
        self.rows: dict[str, list[dict[str, Any]]] = {}

    def post(self, endpoint: str, record: dict[str, Any]) -> requests.Response:
        return requests.post(f"{self.url}/{endpoint}/", json=record, timeout=SECONDS, allow_redirects=False)


@contextmanager
def service(directory: Path, code: str) -> Iterator[Service]:
    """Serve the models of *code* at the routes of its hint."""
    app = directory / "service" / "tracking"
    app.mkdir(parents=True)
    (app / "__init__.py").touch()
    (app / "models.py").write_text(code)
    (app / "urls.py").write_text(hinted(code))
    with subprocess.Popen(
        [sys.executable, "-X", "utf8", str(Path(__file__).with_name("tracking_server.py")), str(app.parent)],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    ) as process:
        assert process.stdout is not None
        try:
            port = process.stdout.readline().strip()
            assert port, process.communicate(timeout=SECONDS)[1]
            running = Service(port)
            yield running
            said, errors = process.communicate(timeout=SECONDS)
            assert process.returncode == 0, errors
            running.rows = json.loads(said)
        finally:
            process.kill()


def hinted(code: str) -> str:
    """Return the routes that *code* proposes in its last comment."""
    lines = code[code.index("# Routes, for urls.py.") :].splitlines()
    text = "\n".join(line.removeprefix("#").removeprefix(" ") for line in lines)
    return text[text.index("from django") :]


def library(directory: Path, registry: str = REGISTRY) -> Path:
    """Write the package that the registry watches; return the registry's path."""
    package = directory / "path" / "lib"
    package.mkdir(parents=True, exist_ok=True)
    (package / "__init__.py").touch()
    (package / "core.py").write_text(textwrap.dedent(LIBRARY))
    file = directory / "usage.yaml"
    file.write_text(textwrap.dedent(registry))
    file.chmod(0o600)
    return file


def generated(file: Path) -> str:
    said = footfall("fields", str(file), "--format", "django")
    assert (said.returncode, said.stderr) == (0, "")
    return said.stdout


def use(directory: Path, registry: Path, url: str) -> dict[str, Any]:
    """Run a program that uses the library; return the account of the service in the ledger."""
    around = environ({"PYTHONPATH": str(directory / "path"), "FOOTFALL_EXIT_BUDGET_SECONDS": "0"})
    done = subprocess.run(
        [sys.executable, "-c", PROGRAM, str(registry), url],
        env=around,
        capture_output=True,
        text=True,
        timeout=SECONDS,
        check=False,
    )
    assert (done.returncode, done.stdout, done.stderr) == (0, "", "")
    account: dict[str, Any] = json.loads(footfall("status", "--json").stdout)["ledger"]["accounts"][0]
    return account


def test_real_records_are_stored_by_a_real_django(tmp_path: Path) -> None:
    """What footfall sends for a registry is what the tables made from it take: values, types, and what is left out."""
    file = library(tmp_path)
    with service(tmp_path, generated(file)) as running:
        account = use(tmp_path, file, running.url)
        assert (account["accepted"], account["delivered"], account["dropped"]) == (4, 4, {})
    assert set(running.rows) == {"IntakeCatalog", "IntakeStore", "ServiceNone"}
    search, plain = running.rows["IntakeCatalog"]
    assert re.fullmatch(r"[0-9a-f-]{36}", search["name"])
    assert re.fullmatch(r"[0-9a-f-]{36}", search["session_id"])
    assert search["timestamp"].startswith("20")
    varying = {"name", "session_id", "timestamp"}
    assert {name: value for name, value in search.items() if name not in varying} == {
        "id": 1,
        "function": "search",
        "args": [],
        "kwargs": {"limit": 3, "method": " as it is "},
        "site": "nci",
        "cpu_usage": 0.5,
        "cores": 4,
        "dry": True,
        "tags": ["a", 1, None],
        "bytes": 5_000_000_000,
        "mixed": 1,
        "note": "",
        "nothing": None,
        "class_field": None,
        "id_field": None,
        "timestamp_field": None,
    }
    told = {name: value for name, value in plain.items() if value is not None and name != "timestamp"}
    assert told == {
        "id": 2,
        "name": "anonymous",
        "function": "plain",
        "args": [],
        "kwargs": {},
        "site": "nci",
        "cpu_usage": 0.5,
        "mixed": "text",
        "class_field": "heavy",
        "id_field": 7,
        "timestamp_field": "noon",
    }
    (stored,) = running.rows["IntakeStore"]
    assert set(stored) == {"id", "timestamp", "name", "function", "session_id", "site", "cpu_usage"}
    assert [row["function"] for row in running.rows["ServiceNone"]] == ["nothing"]


def test_what_the_tables_lack_is_refused_and_what_they_do_not_know_ignored(tmp_path: Path) -> None:
    """A client of another registry: a missing field is a 400, which footfall counts; one too many does no harm."""
    file = library(tmp_path)
    code = generated(file)
    library(
        tmp_path, REGISTRY.replace("drop: [args, kwargs]", "drop: [args, kwargs, site]").replace("cores: 4", "n: 4")
    )
    record = {"name": "x", "function": "f", "session_id": "s", "site": "nci", "cpu-usage": 1}
    with service(tmp_path, code) as running:
        account = use(tmp_path, file, running.url)
        assert (account["accepted"], account["delivered"], account["dropped"]) == (4, 3, {"refused": 1})
        full = running.post("intake/store", {**record, "more": 1})
        assert (full.status_code, sorted(full.json())) == (201, sorted([*record, "id", "timestamp"]))
        for name in record:
            missing = running.post("intake/store", {key: value for key, value in record.items() if key != name})
            assert (missing.status_code, missing.json()) == (400, {name: ["This field is required."]})
        assert running.post("intake/store", {**record, "cpu-usage": "much"}).status_code == 400
        assert running.post("intake/nowhere", record).status_code == 404
        assert requests.get(f"{running.url}/intake/store/", timeout=SECONDS).status_code == 405
    assert [row["function"] for row in running.rows["IntakeStore"]] == ["f"]
    assert running.rows["IntakeCatalog"][0]["cores"] is None


HOSTILE = (
    *('"\n__import__("os").abort()\n', "'''", '"""', "\\", "\\'", "a\rb", "a\u2028b", "#", "{x}", "%s", "$", "`", ";"),
    *("class", "None", "self", "pk", "id", "ID", "Id", "objects", "Meta", "save", "models", "serializers", "timestamp"),
    *("__class__", "_meta", "a__b", "a-b", "a b", "a.b", "A_B", "a_", "1", "", "é", "ﬁ", "\u202e", "_", "x" * 300),
    *("name", "function", "args", "kwargs", "session_id", "data", "errors", "fields", "initial_data", "instance"),
    *(
        "validate",
        "is_valid",
        "create",
        "update",
        "source",
        "check",
        "full_clean",
        "DoesNotExist",
        "date_error_message",
    ),
)


def test_names_that_django_or_python_keep_for_themselves_are_stored_all_the_same(tmp_path: Path) -> None:
    """In a real Django: each wire name is taken, and its value is found in a column of its own."""
    registry = Registry(
        project="owner/library",
        entries=(Entry("lib", "f", service="some.service-x", extra={name: f"of {name!a}" for name in HOSTILE}),),
    )
    code = "\n".join(django.code(registry))
    (table,) = django.tables(registry)
    record = {"args": [], "kwargs": {}, "session_id": "s", "name": "n", "function": "f"}
    record |= {column.wire: f"value {number}" for number, column in enumerate(table.columns)}
    with service(tmp_path, code) as running:
        answer = running.post("some.service-x", record)
        assert answer.status_code == 201, answer.text[:2000]
        assert answer.json() == record
    (row,) = running.rows["SomeServiceX"]
    assert {column.wire: row[column.attribute] for column in table.columns} == record


NAMES = st.sampled_from(HOSTILE) | st.text(max_size=40)
VALUES = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=300),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner, max_size=3),
    max_leaves=4,
)
EXTRAS = st.dictionaries(NAMES | NAMES.map("access.{}".format), VALUES, max_size=6)
ENTRIES = st.builds(
    Entry,
    module=st.just("lib"),
    qualname=st.just("f"),
    service=st.sampled_from(["", "a", "a_b", "a-b", "A.B", "1", "none", "aSerializer"]) | NAMES,
    extra=EXTRAS,
    drop=st.lists(NAMES | st.sampled_from(list(django.STANDARD)), max_size=3).map(tuple),
)


@settings(max_examples=300, deadline=None)
@given(st.builds(Registry, project=NAMES, source=NAMES, extra=EXTRAS, entries=st.lists(ENTRIES, max_size=5).map(tuple)))
def test_no_registry_can_bend_the_code(registry: Registry) -> None:
    """Even one that no file could hold: it parses, and is nothing but two imports, models and serializers."""
    if not any(entry.service for entry in registry.entries):
        with pytest.raises(django.ConfigurationError, match="has no function in a group"):
            django.tables(registry)
        return
    code = "\n".join(django.code(registry))
    assert code == "\n".join(django.code(registry))
    assert code.isascii()
    assert all(line.isprintable() for line in code.replace("\x7f", "").splitlines())
    tables = django.tables(registry)
    first, second, *classes = ast.parse(code).body
    assert (ast.unparse(first), ast.unparse(second)) == (
        "from django.db import models",
        "from rest_framework import serializers",
    )
    names = [each.name for each in classes if isinstance(each, ast.ClassDef)]
    assert names == [table.model for table in tables] + [f"{table.model}Serializer" for table in tables]
    assert len({name.lower() for name in names}) == len(classes)
    for table, model, serializer in zip(tables, classes[: len(tables)], classes[len(tables) :], strict=True):
        _assert_model(table, model)
        _assert_serializer(table, serializer)
    routes = ast.parse(hinted(code)).body
    assert [type(each) for each in routes] == [ast.ImportFrom, ast.ImportFrom, ast.ImportFrom, ast.Assign]


def _assert_model(table: django.Table, model: ast.stmt) -> None:
    assert isinstance(model, ast.ClassDef)
    assert ast.unparse(model.bases[0]) == "models.Model"
    found = [ast.unparse(each) for each in model.body]
    attributes = [each.partition(" = ")[0] for each in found]
    assert attributes == [*(column.attribute for column in table.columns), "timestamp"]
    assert len({name.lower() for name in attributes}) == len(attributes)
    assert not [name for name in attributes if name.startswith("_") or name.endswith("_") or "__" in name]
    call = (
        r"[a-z]\w* = models\.[A-Z][A-Za-z]+Field\((max_length=255)?(, )?(null=True, blank=True)?(auto_now_add=True)?\)"
    )
    assert all(re.fullmatch(call, each, re.ASCII | re.IGNORECASE) for each in found)


def _assert_serializer(table: django.Table, serializer: ast.stmt) -> None:
    assert isinstance(serializer, ast.ClassDef)
    assert ast.unparse(serializer.bases[0]) == "serializers.ModelSerializer"
    (meta,) = serializer.body
    assert isinstance(meta, ast.ClassDef)
    model, fields, *options = (each for each in meta.body if isinstance(each, ast.Assign))
    assert (meta.name, ast.unparse(model), len(meta.body)) == ("Meta", f"model = {table.model}", 2 + len(options))
    wires = [column.wire for column in table.columns]
    assert [name for name in ast.literal_eval(fields.value) if name not in {"id", "timestamp"}] == [
        name for name in wires if name not in {"id", "timestamp"}
    ]
    told = ast.literal_eval(options[0].value) if options else {}
    assert set(told) <= set(wires)
    sources = {column.wire: told.get(column.wire, {}).get("source", column.wire) for column in table.columns}
    assert sources == {column.wire: column.attribute for column in table.columns}


def test_reserved_names_are_all_that_a_model_has() -> None:
    """A release of Django with another method on each model fails here before it fails at a user's."""
    code = "import django.db.models as m\nprint(*[n for n in dir(m.Model) if not n.startswith('_')])"
    said = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=SECONDS, check=True)
    assert {name.lower() for name in said.stdout.split()} <= django.RESERVED
    code = "import rest_framework.serializers as s\nprint(*dir(s.ModelSerializer))"
    said = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=SECONDS, check=True)
    checks = [name for name in said.stdout.split() if name.startswith("validate_")]
    assert {name.removeprefix("validate_") for name in checks} == django.REFUSED


@pytest.mark.parametrize(
    ("values", "kind", "optional"),
    [
        ([1, 2], "IntegerField", False),
        ([1, 2**40], "BigIntegerField", False),
        ([1, None], "IntegerField", True),
        ([1, True], "JSONField", False),
        ([1, 1.5], "JSONField", False),
        ([1.5, 2.5], "FloatField", False),
        (["a", "b" * 300], "TextField", False),
        ([True], "BooleanField", False),
        ([float("nan")], "CharField", False),
        ([[1]], "JSONField", False),
        ([None, None], "JSONField", True),
        ([2**80], "CharField", False),
    ],
)
def test_types_come_from_the_values(values: list[Any], kind: str, optional: bool) -> None:
    """As the wire sends them: what JSON cannot hold goes as text."""
    entries = tuple(Entry("lib", f"f{n}", service="s", extra={"field": each}) for n, each in enumerate(values))
    (table,) = django.tables(Registry(project="a/b", entries=entries))
    assert table.columns[-1] == django.Column("field", "field", kind, optional)


def test_the_wires_own_fields_replace_and_endpoints_are_obeyed() -> None:
    """`access.x` over `x`; `access.endpoint` is where, and no column; what all drop has no column."""
    extra = {"x": "text", "access.x": 1, "access.endpoint": "payu/re_start//", "otlp.y": 1}
    entries = (
        Entry("lib", "f", service="payu_re_start", extra=extra, drop=("args", "session_id")),
        Entry("lib", "g", service="payu_re_start", extra={**extra, "access.endpoint": "a b"}, drop=("access.args",)),
    )
    registry = Registry(project="a/b", entries=entries)
    (table,) = django.tables(registry)
    assert [(column.wire, column.kind, column.optional) for column in table.columns] == [
        ("name", "CharField", False),
        ("function", "CharField", False),
        ("kwargs", "JSONField", False),
        ("session_id", "CharField", True),
        ("x", "IntegerField", False),
    ]
    code = "\n".join(django.code(registry))
    assert 'path("payu/re_start/", CreateAPIView.as_view(serializer_class=PayuReStartSerializer))' in code
    assert "# 'a b' needs a route written by hand" in code


@pytest.mark.parametrize(
    ("registry", "says"),
    [
        ("project: a/b\nregistry: [lib:f]", "a/b has no function in a group"),
        ("project: a/b\nregistry: {s: [{function: 'lib:f', extra: {empty_values: 1}}]}", "'empty_values'"),
    ],
)
def test_what_cannot_be_had_is_status_2(tmp_path: Path, registry: str, says: str) -> None:
    """Said in words, and no half of a module is printed."""
    file = tmp_path / "usage.yaml"
    file.write_text(registry)
    said = footfall("fields", str(file), "--format", "django")
    assert (said.returncode, said.stdout) == (2, "")
    assert says in said.stderr


def test_it_needs_a_registry() -> None:
    """There are no tables of nothing."""
    said = footfall("fields", "--format", "django")
    assert (said.returncode, said.stdout) == (2, "")
    assert "name an installed project, or a file" in said.stderr
