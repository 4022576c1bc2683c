"""`footfall fields`: every field that can leave the machine, from the code and the registry themselves."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path

import pytest
from clihelp import footfall, registered

from footfall import attributes
from footfall.cli.fields import FORM_MEANINGS, _extra
from footfall.cli.readers import EXTRA, ROWS, readers
from footfall.registry.model import FORMS, Entry, Registry
from footfall.usage import Usage
from footfall.wire.base import Request
from footfall.wire.load import OURS, sample

REGISTRY = """
    project: owner/library
    consent: opt-in
    extra: {site: nci, migas.status_desc: hello}
    send_to:
      - migas: https://migas.example.org
        credentials: env:MIGAS_HEADERS
      - otlp: https://collector.example.org
        services: core
    registry:
      core:
        - lib.core:plain
        - function: lib.core:search
          capture: {limit: int, method: {choice: [exact, fuzzy]}}
          extra: {area: search}
          drop: [footfall.items]
"""


class _Reads:
    """A wire that tells one attribute of a record and nothing else."""

    def __init__(self, attribute: str) -> None:
        self.name = attribute

    def translate(self, batch: Sequence[Usage]) -> list[Request]:
        body = repr([getattr(usage, self.name) for usage in batch]).encode()
        return [Request(path="/", body=body, content_type="text/plain", idempotency_key=batch[0].trace_id)]


def test_each_field_is_read_by_those_whose_requests_change_with_it() -> None:
    """The claim is tried, not believed: a wire that tells of items is listed there and nowhere else."""
    found = readers([_Reads("items"), _Reads("project")])  # type: ignore[list-item]
    assert {key for key, names in found.items() if "items" in names} == {attributes.ITEMS}
    assert {key for key, names in found.items() if "project" in names} == {
        attributes.PROJECT,
        attributes.SERVICE_NAME,
        attributes.SERVICE_NAMESPACE,
    }


def test_a_wire_that_fails_counts_as_a_reader() -> None:
    """Whoever cannot be tried is not called innocent."""
    found = readers([_Reads("no_such_attribute")])  # type: ignore[list-item]
    assert {row.key for row in ROWS if not found[row.key]} == {row.key for row in ROWS if row.where == "host"}


def test_every_attribute_has_a_row_and_otlp_reads_them_all() -> None:
    """No attribute that footfall emits is missing, and what no wire reads is known by name."""
    found = readers([sample(name) for name in OURS])
    assert {row.key for row in attributes.TABLE} < {row.key for row in ROWS} == found.keys()
    of_the_host = {row.key for row in attributes.TABLE if row.where == "host"}
    assert {key for key, names in found.items() if "otlp" not in names} == {attributes.RECORDED, *of_the_host}
    assert found[attributes.RECORDED] == ()
    assert "migas" not in found[attributes.ARGUMENT_PREFIX + "<name>"]


def test_every_form_of_an_argument_is_explained() -> None:
    """A new form says what of an argument leaves before it can be used."""
    assert tuple(FORM_MEANINGS) == FORMS


def test_text_lists_every_field() -> None:
    """People get a line for each, and are told what no table of ours can hold back."""
    said = footfall("fields")
    assert (said.returncode, said.stderr) == (0, "")
    lines = said.stdout.splitlines()
    assert all(any(line.startswith(f"  `{row.key}`") for line in lines) for row in ROWS)
    assert "the address that a connection comes from" in said.stdout


def test_a_project_adds_its_arguments_fields_servers_and_functions(tmp_path: Path) -> None:
    """The data table of a project: by its name where it is installed, or by its file."""
    variables = registered(tmp_path, REGISTRY)
    by_name = footfall("fields", "owner/library", **variables)
    by_file = footfall("fields", variables["FOOTFALL_CONFIG"])
    assert (by_name.returncode, by_name.stderr, by_name.stdout) == (0, "", by_file.stdout)
    rows = [" ".join(line.split()) for line in by_name.stdout.splitlines()]
    assert "What can leave the machine for owner/library" in rows
    assert "https://migas.example.org migas all env:MIGAS_HEADERS" in rows
    assert "https://collector.example.org otlp core none" in rows
    assert "lib.core:search core limit int: a whole number otlp" in rows
    assert any(row.startswith("lib.core:search core method choice (exact, fuzzy): the value") for row in rows)
    assert 'site "nci" every use otlp' in rows
    assert 'migas.status_desc "hello" every use migas' in rows
    assert 'area "search" lib.core:search otlp' in rows
    assert "lib.core:search footfall.items" in rows
    assert "lib.core:plain core" in rows


def test_the_login_name_is_announced_in_plain_words(tmp_path: Path) -> None:
    """Whoever asks what leaves must not have to know what a key means."""
    said = footfall("fields", "owner/library", **registered(tmp_path, REGISTRY + "    user_name: true"))
    assert any(
        " ".join(line.split()).startswith("name login name of the user every use") for line in said.stdout.splitlines()
    )


@pytest.mark.parametrize(
    ("registry", "said"),
    [
        (Registry("o/n"), [("name", "random id of the installation, no login name", "every use", "access")]),
        (Registry("o/n", user_name=True), [("name", "login name of the user", "every use", "access")]),
        (
            Registry("o/n", user_name=True, extra={"access.name": "someone"}),
            [("access.name", '"someone"', "every use", "access")],
        ),
        (
            Registry("o/n", entries=(Entry("m", "f", extra={"access.endpoint": "a_b"}),)),
            [("name", "random id of the installation, no login name", "every use", "access")],
        ),
    ],
)
def test_who_it_was_is_said_for_servers_that_are_told(registry: Registry, said: list[tuple[str, ...]]) -> None:
    """Login name, random id, or what the project gives; the path of a server is no field."""
    assert list(_extra(registry, [_Reads("access")], {EXTRA: ()})) == said  # type: ignore[list-item]


def test_only_what_the_projects_own_servers_read_is_listed(tmp_path: Path) -> None:
    """Who tells migas alone need not explain what only OTLP could hold."""
    variables = registered(tmp_path, "project: owner/library\nsend_to: {migas: https://migas.example.org}")
    names = {
        row["name"]
        for row in json.loads(footfall("fields", "owner/library", "--format", "json", **variables).stdout)["fields"]
    }
    assert "session.id" in names
    assert "footfall.items" not in names


def test_markdown_is_tables_that_a_page_can_hold(tmp_path: Path) -> None:
    """Each table has its line of dashes, and each row as many cells; a bar in a text cannot end its cell."""
    variables = registered(tmp_path, REGISTRY.replace("site: nci", "site: a|b"))
    said = footfall("fields", "owner/library", "--format", "markdown", **variables)
    tables = [block.splitlines() for block in said.stdout.split("\n\n") if block.startswith("|")]
    assert len(tables) == 6
    for head, dashes, *rows in tables:
        assert set(dashes) <= set("|- ")
        assert {row.replace(r"\|", "").count("|") for row in rows} <= {head.count("|")}
    assert r'"a\|b"' in said.stdout


def test_json_is_for_programs(tmp_path: Path) -> None:
    """The same as plain data under stable names."""
    variables = registered(tmp_path, REGISTRY)
    found = json.loads(footfall("fields", "owner/library", "--format", "json", **variables).stdout)
    assert set(found) == {"fields", "project", "consent", "ci", "user_name", "send_to", "extra", "functions"}
    assert found["functions"][1] == {
        "name": "lib.core:search",
        "service": "core",
        "captured": [
            {"parameter": "limit", "form": "int", "choices": []},
            {"parameter": "method", "form": "choice", "choices": ["exact", "fuzzy"]},
        ],
        "extra": {"area": "search"},
        "drop": ["footfall.items"],
    }


@pytest.mark.parametrize(
    ("name", "says"),
    [
        ("owner/librari", "did you mean 'owner/library'?"),
        ("no/such.yaml", "no/such.yaml: No such file"),
        ("wrong.yaml", "wrong.yaml:1: 'project' is missing"),
    ],
)
def test_what_is_not_there_is_status_2(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, name: str, says: str) -> None:
    """A wrong name or file is named with what would have been right."""
    variables = registered(tmp_path, REGISTRY)
    monkeypatch.chdir(tmp_path)
    (tmp_path / "wrong.yaml").write_text("consent: opt-in\n")
    said = footfall("fields", name, **variables)
    assert said.returncode == 2
    assert says in said.stderr
    assert said.stdout == ""


def test_text_of_a_registry_cannot_steer_the_terminal(tmp_path: Path) -> None:
    """A file from anywhere can be looked at safely (reliability.md S19)."""
    evil = 'project: owner/library\nextra: {"a\\e[31mb": "c\\u202ed"}\n'
    said = footfall("fields", "owner/library", **registered(tmp_path, evil))
    assert said.returncode == 0
    assert "\x1b" not in said.stdout
    assert "\u202e" not in said.stdout
    assert r"a\u001b[31mb" in said.stdout
