"""The gateway's file: what it says holds, and what is wrong in it is named with its line and the nearest right word."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import jsonschema
import pytest
import yaml

from footfall.cli.main import main
from footfall.destination import Destination
from footfall.errors import ConfigurationError, FootfallError, UnsafeFileError
from footfall.gateway.configuration import Accept, Configuration, Limits, Listen, Token, allows, rule_of
from footfall.gateway.from_otlp import Foreign
from footfall.gateway.reading import load, load_text
from footfall.gateway.schema import EXAMPLE, json_schema
from footfall.gateway.tokens import Tokens

WHOLE = """
listen: {host: 0.0.0.0, port: 14318, certificate: /c.pem, key: /k.pem}
state: /var/lib/footfall
tokens:
  - {token: "env:A", projects: [demo/*, other/one]}
  - token: file:/b
projects:
  demo/lib: [{migas: "https://migas.example.org"}]
  demo/*: {otlp: "https://o.example.org", addressed: true, credentials: "env:O"}
  other/one:
accept:
  - {scope: "opentelemetry.*", name: "GET *", project: demo/lib, service: web, as: request, attributes: [http.route]}
limits: {body_bytes: 1000, body_seconds: 2, outbox_bytes: 5000000}
metrics: none
"""


def test_a_whole_file() -> None:
    """Every key, as it was meant."""
    assert load_text(WHOLE, "g.yaml") == Configuration(
        listen=Listen(host="0.0.0.0", port=14318, certificate="/c.pem", key="/k.pem"),
        state="/var/lib/footfall",
        tokens=(Token(token="env:A", projects=("demo/*", "other/one")), Token(token="file:/b")),
        projects={
            "demo/lib": (Destination(wire="migas", endpoint="https://migas.example.org"),),
            "demo/*": (
                Destination(
                    wire="otlp", endpoint="https://o.example.org", options={"addressed": True}, credentials="env:O"
                ),
            ),
            "other/one": (),
        },
        accept=(
            Accept(
                scope="opentelemetry.*",
                name="GET *",
                project="demo/lib",
                service="web",
                as_name="request",
                attributes=("http.route",),
            ),
        ),
        limits=Limits(body_bytes=1000, body_seconds=2.0, outbox_bytes=5_000_000),
        metrics="none",
    )


DESTINATION = "[{migas: 'http://127.0.0.1'}]"


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", "g.yaml: the file is empty"),
        ("limits: {}", "g.yaml:1: 'projects' is missing"),
        ("projects: {}", "g.yaml:1: 'projects' must be a map"),
        (f"projects: {{demo: {DESTINATION}}}", "g.yaml:1: project 'demo' must be owner/name"),
        (f"projects: {{'*': {DESTINATION}}}", "must be owner/name"),
        (f"projects: {{'a*/b': {DESTINATION}}}", "must be owner/name"),
        ("projects:\n  demo/lib:\n    - migsa: http://127.0.0.1", "g.yaml:3: a destination begins with its wire"),
        ("projects:\n  demo/lib:\n    - migas: http://example.org", "g.yaml:3: migas: plain http"),
        ("projects:\n  demo/lib:\n    - migas: https://u:p@example.org", "user name or password"),
        (
            f"projects: {{a/b: {DESTINATION}}}\nlisen: {{}}",
            "g.yaml:2: 'lisen' is no key of the file; did you mean 'listen'",
        ),
        (f"projects: {{a/b: {DESTINATION}}}\nlisten: {{prt: 1}}", "'prt' is no key of 'listen'; did you mean 'port'"),
        (f"projects: {{a/b: {DESTINATION}}}\nlisten: {{port: 70000}}", "g.yaml:2: 'port' is '70000'"),
        (f"projects: {{a/b: {DESTINATION}}}\nlisten: {{host: 10.0.0.1}}", "no TLS and no a token"),
        (f"projects: {{a/b: {DESTINATION}}}\nlisten: {{certificate: /c}}", "'certificate' and 'key' go together"),
        (f"projects: {{a/b: {DESTINATION}}}\nlimits: {{ratio: 0}}", "'ratio' is '0'; it must be 1 or more"),
        (f"projects: {{a/b: {DESTINATION}}}\nlimits: {{ratio: true}}", "'ratio' must be a whole number"),
        (f"projects: {{a/b: {DESTINATION}}}\nstate: var", "'state' must be an absolute path"),
        (f"projects: {{a/b: {DESTINATION}}}\nmetrics: oltp", "metrics is 'oltp'; did you mean 'otlp'"),
        (f"projects: {{a/b: {DESTINATION}}}\naccept: [{{project: a/b}}]", "a rule needs 'scope' or 'name'"),
        (f"projects: {{a/b: {DESTINATION}}}\naccept: [{{scope: x}}]", "'project' is missing"),
        (f"projects: {{a/b: {DESTINATION}}}\ntokens: [{{projects: []}}]", "'token' is missing"),
    ],
)
def test_what_is_wrong_is_named(text: str, message: str) -> None:
    """File, line, wrong value, nearest right word."""
    with pytest.raises(ConfigurationError) as error:
        load_text(text, "g.yaml", wires=["migas", "otlp"])
    assert message in str(error.value)


def test_a_token_in_the_file_is_refused_and_not_shown() -> None:
    """Only references, and what was written there in their place is not repeated."""
    with pytest.raises(ConfigurationError) as error:
        load_text(f"projects: {{a/b: {DESTINATION}}}\ntokens: [{{token: hunter2}}]", "g.yaml")
    assert "reference" in str(error.value)
    assert "hunter2" not in str(error.value)


def test_the_file_must_be_ours_alone(tmp_path: Path) -> None:
    """Who may write it decides where data go (reliability.md S2)."""
    path = tmp_path / "g.yaml"
    path.write_text(f"projects: {{a/b: {DESTINATION}}}")
    path.chmod(0o666)
    with pytest.raises(UnsafeFileError, match="chmod go-w"):
        load(path)
    path.chmod(0o600)
    assert load(path).send_to("a/b") is not None


@pytest.mark.parametrize(
    ("project", "expected"),
    [
        *(("demo/lib", "migas"), ("demo/other", "otlp"), ("other/one", ""), ("other/two", None)),
        *(("demo", None), ("", None), ("demo/..", None), ("demo/a/b", None)),
    ],
)
def test_a_project_finds_its_own_entry_then_its_owners(project: str, expected: str | None) -> None:
    """The exact name goes first; without either there is no destination."""
    found = load_text(WHOLE, "g.yaml").send_to(project)
    assert (None if found is None else ",".join(each.wire for each in found)) == expected


def test_patterns_of_tokens() -> None:
    """Names and owners; none means all."""
    assert allows((), "a/b")
    assert allows(("a/b",), "a/b")
    assert allows(("a/*",), "a/b")
    assert not allows(("a/c", "b/*"), "a/b")


def test_rules_in_their_order() -> None:
    """The first that fits both patterns; nothing without any."""
    rule = rule_of(
        [
            Accept(scope="flask", name="GET /*", project="a/web", as_name="get"),
            Accept(scope="fl*", project="a/other"),
        ]
    )
    assert rule("flask", "GET /x") == Foreign(project="a/web", name="get")
    assert rule("flask", "POST /x") == Foreign(project="a/other")
    assert rule("django", "GET /x") is None
    assert rule_of([])("flask", "GET /x") is None


def test_tokens(tmp_path: Path) -> None:
    """From the environment and from files, bare or as the header line that the sender's credentials are."""
    path = tmp_path / "token"
    path.write_text("Authorization: Bearer second\n")
    path.chmod(0o600)
    tokens = Tokens([Token(token="env:T", projects=("a/*",)), Token(token=f"file:{path}")], {"T": "first"})
    assert tokens.projects("Bearer first") == ("a/*",)
    assert tokens.projects("bearer second") == ()
    assert [tokens.projects(text) for text in ("", "first", "Basic first", "Bearer third", "Bearer ")] == [None] * 5
    assert Tokens([], {}).projects("") == ()
    assert "first" not in repr(vars(tokens))
    with pytest.raises(ConfigurationError, match="env:NONE is not there"):
        Tokens([Token(token="env:NONE")], {})
    with pytest.raises(ConfigurationError, match="the same token"):
        Tokens([Token(token="env:A"), Token(token="env:B")], {"A": "x", "B": "Bearer x"})
    path.chmod(0o644)
    with pytest.raises(FootfallError, match="chmod 600"):
        Tokens([Token(token=f"file:{path}")], {})


def test_the_schema_takes_what_the_reader_takes() -> None:
    """Whole file and example; and it refuses slips."""
    schema = json_schema()
    jsonschema.Draft202012Validator.check_schema(schema)
    validator = jsonschema.Draft202012Validator(schema)
    for text in (WHOLE, EXAMPLE):
        load_text(text, "g.yaml")
        validator.validate(yaml.safe_load(text))
    wrong: list[Any] = [
        {},
        {"projects": {}},
        {"projects": {"demo": None}},
        {"projects": {"a/b": None}, "listen": {"prt": 1}},
        {"projects": {"a/b": None}, "tokens": [{"token": "hunter2"}]},
        {"projects": {"a/b": None}, "metrics": "oltp"},
        {"projects": {"a/b": None}, "accept": [{"scope": "x"}]},
    ]
    assert [document for document in wrong if validator.is_valid(document)] == []
    assert all("description" in shape for shape in schema["properties"].values())


def test_the_command_checks_and_shows(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """--example can be used as it is; --check says what is wrong; without a file it says how to get one."""
    assert main(["gateway", "--example"]) == 0
    path = tmp_path / "g.yaml"
    path.write_text(capsys.readouterr().out)
    path.chmod(0o600)
    assert main(["gateway", "--config", str(path), "--check"]) == 0
    assert capsys.readouterr().out == f"{path}: 2 projects, 2 servers\n"
    assert main(["gateway"]) == 2
    assert "--example" in capsys.readouterr().err
    assert main(["gateway", "--config", str(tmp_path / "none.yaml")]) == 2
    assert "No such file" in capsys.readouterr().err
    assert main(["schema", "gateway"]) == 0
    assert json.loads(capsys.readouterr().out)["title"] == "footfall gateway"


def test_without_the_extra_the_command_says_how_to_get_it(tmp_path: Path) -> None:
    """A base installation has neither Starlette nor uvicorn."""
    path = tmp_path / "g.yaml"
    path.write_text(f"projects: {{a/b: {DESTINATION}}}")
    path.chmod(0o600)
    code = "import sys; sys.modules['uvicorn'] = None; from footfall.cli.main import main; sys.exit(main())"
    done = subprocess.run(
        [sys.executable, "-c", code, "gateway", "--config", str(path)],
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert (done.returncode, done.stdout) == (1, "")
    assert "pip install 'footfall[gateway]'" in done.stderr
