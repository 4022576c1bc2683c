"""`footfall schema jobs`, trackerapi's own command, `footfall off`, and what importing costs."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
from pathlib import Path

import pytest
from jobfiles import MANUAL, ROOT, YAML, file_of, job, write
from jsonschema import Draft202012Validator

from footfall.facade.tracker.generate_json_schemas import generate_job_configs_json_schema, parse_args
from footfall.jobs import load, load_mapping, registered
from footfall.jobs.schema import json_schema
from footfall.registry import yaml as registry_yaml
from footfall.registry.nodes import from_text
from footfall.semver import semver

MODULE = "footfall.facade.tracker.generate_json_schemas"
NAME = "job-configurations-schema.generated.json"


def python(*arguments: str, cwd: Path) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-W", "error", *arguments],
        cwd=cwd,
        env={**os.environ, "COLUMNS": "200"},
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )


def tree(directory: Path) -> set[str]:
    return {str(path.relative_to(directory)) for path in directory.rglob("*") if path.is_file()}


@pytest.mark.parametrize(
    ("arguments", "file"),
    [
        ((), NAME),
        (("schemas",), f"schemas/{NAME}"),
        (("-l", "schemas"), f"schemas/{NAME}"),
        (("--location", "a/b/c"), f"a/b/c/{NAME}"),
        (("schemas", "-l", "schemas", "-n", "jobs"), "schemas/jobs.generated.json"),
        (("--name", "jobs", "."), "jobs.generated.json"),
    ],
)
def test_the_originals_command_in_all_its_forms(arguments: tuple[str, ...], file: str, tmp_path: Path):
    """Its manual gives the directory as a bare argument, its help ``-l``; it makes the directory and says where."""
    said = python("-m", MODULE, *arguments, cwd=tmp_path)
    path = Path(os.path.realpath(tmp_path)) / file
    assert (said.returncode, said.stderr) == (0, "")
    assert said.stdout == f"Generated JSON Schema for JobConfigs at {path}\n"
    assert tree(tmp_path) == {file}
    assert json.loads(path.read_text()) == json_schema()
    assert python("-m", MODULE, *arguments, cwd=tmp_path).returncode == 0  # again, over the old one


@pytest.mark.parametrize(
    ("arguments", "complaint"),
    [
        (("one", "-l", "other"), "two locations, 'one' and 'other'; give one"),
        (("-n", "a/b"), "footfall: name 'a/b' must be that of a file, without directories"),
        (("-n", "../x"), "footfall: name '../x' must be that of a file"),
        (("file",), "footfall: [Errno 17] File exists: 'file'"),
        (("--where", "x"), "unrecognized arguments: --where"),
    ],
)
def test_wrong_use_is_status_2_and_writes_nothing(arguments: tuple[str, ...], complaint: str, tmp_path: Path):
    (tmp_path / "file").write_text("kept")
    said = python("-m", MODULE, *arguments, cwd=tmp_path)
    assert (said.returncode, said.stdout) == (2, "")
    assert complaint in said.stderr
    assert "Traceback" not in said.stderr
    assert (tree(tmp_path), (tmp_path / "file").read_text()) == ({"file"}, "kept")


def test_its_help_has_what_the_manual_shows(tmp_path: Path):
    said = python("-m", MODULE, "-h", cwd=tmp_path).stdout
    for text in (
        "[-h] [-l LOCATION] [-n NAME]",
        "Location of generated schemas",
        "Name to use for the generated <name>.generated.json schema file",
    ):
        assert text in said


def test_the_functions_that_its_own_tests_import(tmp_path: Path, capsys: pytest.CaptureFixture[str]):
    """`parse_args` and `generate_job_configs_json_schema`, with the names of their arguments."""
    assert parse_args(["-l", "hello"]).location == "hello"
    assert parse_args(["-n", "my-config-schema"]).name == "my-config-schema"
    assert (parse_args([]).location, parse_args([]).name) == (None, None)
    generate_job_configs_json_schema(location=tmp_path / "out", filename="test-schema")
    assert (tmp_path / "out" / "test-schema.generated.json").exists()
    assert "JobConfigs" in capsys.readouterr().out


def test_the_manual_word_for_word(tmp_path: Path):
    """Generate the schema, write the file beside it that points to it, check it with it, load the directory."""
    python("-m", MODULE, cwd=tmp_path)
    write(tmp_path, "job_configurations.json", MANUAL)
    schema = json.loads((tmp_path / MANUAL["$schema"]).read_text())
    Draft202012Validator(schema).validate(MANUAL)
    assert load(tmp_path).tags == ("my_job",)


def test_footfall_schema_jobs_is_the_same(tmp_path: Path):
    """And `footfall schema` alone is still that of footfall.yaml."""
    said = python("-m", "footfall", "schema", "jobs", cwd=tmp_path)
    assert (said.returncode, said.stderr, json.loads(said.stdout)) == (0, "", json_schema())
    assert python("-m", "footfall", "schema", "jobs", "-o", "jobs.json", cwd=tmp_path).stdout == ""
    assert (tmp_path / "jobs.json").read_text() == said.stdout
    plain, named = (python("-m", "footfall", "schema", *more, cwd=tmp_path).stdout for more in ((), ("footfall",)))
    assert plain == named
    assert json.loads(plain)["title"] == "footfall.yaml"
    assert python("-m", "footfall", "schema", "job", cwd=tmp_path).returncode == 2


def test_off_forgets_what_was_registered(tmp_path: Path):
    """It says which jobs ran here."""
    state = Path(os.environ["FOOTFALL_DIR"])
    (state / "journal").mkdir(parents=True, mode=0o700)
    state.chmod(0o700)
    registered.remember(state, "https://tracker.example.org", load_mapping(file_of(job()))["j"])
    assert len(list((state / registered.FOLDER).iterdir())) == 1
    assert python("-m", "footfall", "off", "owner/name", cwd=tmp_path).returncode == 0
    assert len(list((state / registered.FOLDER).iterdir())) == 1
    assert python("-m", "footfall", "off", cwd=tmp_path).returncode == 0
    assert list((state / registered.FOLDER).iterdir()) == []


def test_footfall_jobs_is_there_with_the_first_look(tmp_path: Path):
    """Importing footfall loads nothing of it, and JSON files need no YAML, HTTP, database or SDK."""
    write(tmp_path, "jobs.json", file_of(job()))
    write(tmp_path, "jobs.yaml", YAML)
    program = """
import sys
import footfall
assert {name for name in sys.modules if name.startswith("footfall")} == {"footfall"}
assert footfall.jobs.load("jobs.json")["j"].version == "1.0.0"
assert footfall.jobs is sys.modules["footfall.jobs"] and "jobs" in dir(footfall)
heavy = {"yaml", "requests", "sqlite3", "opentelemetry", "wrapt", "footfall.runtime", "footfall.api"}
assert heavy.isdisjoint(sys.modules), heavy & set(sys.modules)
assert footfall.jobs.load("jobs.yaml").tags == ("my_job",)
"""
    said = python("-c", program, cwd=tmp_path)
    assert (said.returncode, said.stdout, said.stderr) == (0, "", "")


def test_the_page_shows_what_is_so(tmp_path: Path):
    """Its file loads and is valid, its code runs, its versions become what it says."""
    page = (ROOT / "docs" / "jobs.md").read_text(encoding="utf-8").partition("\n## Job configurations\n")[2]
    text, code = (re.findall(rf"```{word}\n(.*?)```", page, re.DOTALL)[0] for word in ("yaml", "python"))
    write(tmp_path, "job_configurations.yaml", text)
    said = python("-c", code + "print(job.version, job.points)", cwd=tmp_path)
    assert (said.stdout, said.stderr) == ("24.1.0-rc1 15\n", "")
    Draft202012Validator(json_schema()).validate(from_text(text, "f").plain())
    versions = re.findall(r"`([0-9!.a-z]+)` (?:becomes\s)?`([0-9a-z.+-]+)`", " ".join(page.split()))
    assert len(versions) == 6
    assert [semver(python_version) for python_version, _ in versions] == [made for _, made in versions]


def test_the_page_shows_jobs_that_run(tmp_path: Path):
    """Its program tells what the page says, and its registry loads."""
    page = (ROOT / "docs" / "jobs.md").read_text(encoding="utf-8").partition("\n## Job configurations\n")[0]
    registry, code = (re.findall(rf"```{word}\n(.*?)```", page, re.DOTALL)[0] for word in ("yaml", "python"))
    write(tmp_path, "jobs.yaml", MANUAL)
    said = python("-c", "draw = lambda: 7\n" + code + "print(job.points_done, job.points)", cwd=tmp_path)
    assert (said.stdout, said.stderr) == ("Hello John!\n35 35\n", "")
    entries = registry_yaml.load_text(registry, "footfall.yaml").entries
    assert [(entry.name, entry.job, entry.step) for entry in entries] == [
        ("reports:main", "my_job", ""),
        ("reports:hello", "", "say_hello"),
    ]
