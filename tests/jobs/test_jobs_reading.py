"""What a file of job configurations may say, and each error with its file, line, value and the nearest right one."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import msgspec
import pytest
from jobfiles import MANUAL, YAML, file_of, job, step, vector, write

import footfall
from footfall.errors import ConfigurationError, DuplicateJobError, FootfallError, RegistryError, UnknownTagError
from footfall.jobs import JobConfig, MetadataConfig, StepConfig, load, load_mapping, load_one


def test_a_file_becomes_jobs(tmp_path: Path):
    """In the order declared, with the defaults of the format."""
    jobs = load(write(tmp_path, "jobs.yaml", YAML))
    (made,) = jobs.job_configs
    assert made == JobConfig(
        "my_job",
        "My Job",
        (
            StepConfig(
                "say_hello",
                10,
                "Say Hello",
                (MetadataConfig("Duration", "number", "s"), MetadataConfig("Report", "link")),
            ),
            StepConfig("say_bye", -5, "Say Bye"),
        ),
        "1.10.0",
    )
    assert made.points == 5
    assert (jobs.tags, list(jobs), len(jobs), "my_job" in jobs, "x" in jobs) == (
        ("my_job",),
        ["my_job"],
        1,
        True,
        False,
    )
    assert str(jobs.places["my_job"]) == f"{tmp_path / 'jobs.yaml'}:2"
    assert jobs.warnings == ()


def test_the_manuals_example_is_read_once_it_has_a_version(tmp_path: Path):
    """It lacks one, and trackerapi refuses it (vector 016); a caller who knows one gives it."""
    path = write(tmp_path, "job_configurations.json", MANUAL)
    assert footfall.jobs.load(path)["my_job"].points == 35
    del (content := json.loads(path.read_text()))["job_configs"][0]["version"]
    write(tmp_path, path.name, content)
    with pytest.raises(
        RegistryError, match=rf"{path}:4: job 'my_job' has no 'version'; add it, as in 'version: 1.0.0'"
    ):
        load(path)
    assert load(path, version="24.1rc1")["my_job"].version == "24.1.0-rc1"
    with pytest.raises(ConfigurationError, match="version 'newest' is neither PEP 440 nor SemVer"):
        load(path, version="newest")


@pytest.mark.parametrize("number", [8, 9, 10, 15])
def test_what_the_original_sends_or_loads_is_what_we_have(number: int, tmp_path: Path):
    """A recorded configuration encodes as the body that the original sent, default by default."""
    call, sent = (recorded := vector(number))["call"], recorded["request"]
    content = call["kwargs"].get("configurations_file") or file_of(*call["args"])
    expected = [sent["body_json"]] if sent else list(recorded["client_returned"].values())
    made = load(write(tmp_path, "jobs.json", content))
    encoded = json.loads(msgspec.json.encode(made.job_configs))
    assert encoded == expected
    assert json.dumps(encoded) == json.dumps(expected)  # the order of keys, too


@pytest.mark.parametrize("number", [12, 13, 14, 16, 17])
def test_what_the_original_refuses_is_refused(number: int, tmp_path: Path):
    """Steps with one tag, points that are no whole number, names that are no text, no version, jobs with one tag."""
    recorded = vector(number)
    assert recorded["client_raised"]
    given = recorded["call"]["kwargs"]
    name = recorded["call"]["function"]
    content = given.get("configurations_file") or file_of(given if name == "JobConfig" else job("j", given))
    with pytest.raises(DuplicateJobError if number == 17 else RegistryError, match=r"jobs\.json:\d+: "):
        load(write(tmp_path, "jobs.json", content))


@pytest.mark.parametrize("number", [62, 63, 64])
def test_what_the_server_refuses_is_refused_here(number: int, tmp_path: Path):
    """422 and 500 of the real backend, before anything is sent."""
    with pytest.raises(RegistryError, match=r"jobs\.json:\d+: "):
        load(write(tmp_path, "jobs.json", file_of(vector(number)["request"]["body_json"])))


@pytest.mark.parametrize("number", [11, 61])
def test_a_version_that_the_server_refuses_is_made_semver(number: int):
    """``1.0`` was answered 422."""
    recorded = vector(number)["request"]["body_json"]
    assert [each.version for each in load_mapping(file_of(recorded)).job_configs] == ["1.0.0"]


ERRORS: list[tuple[Any, int, str]] = [
    ("", 0, "the file is empty; it needs at least 'job_configs: []'"),
    ("# jobs", 0, "the file is empty; it needs at least 'job_configs: []'"),
    ("[]", 1, "the file must be a map of job_configs, not a list"),
    ("{}", 1, "the file has no 'job_configs'; add it"),
    ("job_config: []", 1, "'job_config' is no key of the file; did you mean 'job_configs'?"),
    ("job_configs: {}", 1, "'job_configs' must be a list, not a map"),
    ("job_configs:", 1, "'job_configs' must be a list, not nothing"),
    ("job_configs:\n- a", 2, "a job must be a map of name, step_configurations, tag, version, not 'a'"),
    ("job_configs:\n- name: J", 2, "a job has no 'tag'; add it"),
    (file_of(job("")), 4, "tag of a job is empty; give it a word by which the program names it"),
    (file_of(job(5)), 4, "tag of a job must be text, not '5'; put it in quotes"),  # type: ignore[arg-type]
    (file_of(job(name=None)), 5, "name of job 'j' must be text, not nothing"),
    (file_of(job(name=["a"])), 5, "name of job 'j' must be text, not a list"),
    (file_of(job(name=True)), 5, "name of job 'j' must be text, not 'true'; put it in quotes"),
    (file_of(job(name="a\0b")), 5, "name of job 'j' holds a zero byte, which the server cannot store; remove it"),
    (file_of(job(version="newest")), 6, "version of job 'j' is 'newest'; write it as in '1.4.0' or '1.4.0-rc1'"),
    (file_of(job(version=True)), 6, "version of job 'j' is 'true'; write it as in '1.4.0' or '1.4.0-rc1'"),
    (file_of(job(version=None)), 6, "version of job 'j' is nothing; write it as in '1.4.0' or '1.4.0-rc1'"),
    (file_of(job(version=["1"])), 6, "version of job 'j' is a list; write it as in '1.4.0' or '1.4.0-rc1'"),
    (file_of(job(version=-1)), 6, "version of job 'j' is '-1'; write it as in '1.4.0' or '1.4.0-rc1'"),
    (file_of(job(step_configurations=None)), 7, "'step_configurations' must be a list, not nothing"),
    (file_of({"tag": "j", "name": "J", "version": "1"}), 3, "job 'j' has no 'step_configurations'; add it"),
    (file_of(job("j", "say_hello")), 8, "a step of job 'j' must be a map of"),  # type: ignore[arg-type]
    (
        file_of(job("j", {"tag": "s", "name": "S"})),
        8,
        "step 's' of job 'j' has no 'points'; add it, as in 'points: 10'",
    ),
    (
        file_of(job("j", {"tag": "s", "name": "S", "point": 1})),
        11,
        "'point' is no key of step 's' of job 'j'; did you mean 'points'?",
    ),
    (
        file_of(job("j", step(points=1.5))),
        11,
        "points of step 's' of job 'j' must be a whole number of at most 32 bits, not '1.5'",
    ),
    (
        file_of(job("j", step(points=1.0))),
        11,
        "points of step 's' of job 'j' must be a whole number of at most 32 bits, not '1.0'",
    ),
    (
        file_of(job("j", step(points="1"))),
        11,
        "points of step 's' of job 'j' must be a whole number of at most 32 bits, not '1'",
    ),
    (
        file_of(job("j", step(points=True))),
        11,
        "points of step 's' of job 'j' must be a whole number of at most 32 bits, not 'true'",
    ),
    (
        file_of(job("j", step(points=2**31))),
        11,
        "points of step 's' of job 'j' must be a whole number of at most 32 bits, not '2147483648'",
    ),
    (file_of(job("j", step(points=10**30))), 11, "must be a whole number of at most 32 bits, not '1000"),
    (file_of(job("j", step(), step())), 13, "step 's' of job 'j' was already given in line 8; tags must differ"),
    (file_of(job("j"), job("j")), 9, "job 'j' was already given in line 3; give each its own tag"),
    (file_of(job("j", step(metadata_configurations={}))), 12, "'metadata_configurations' must be a list, not a map"),
    (
        file_of(job("j", step(metadata_configurations=[{}]))),
        13,
        "metadata of step 's' of job 'j' has no 'name'; add it",
    ),
    (
        file_of(job("j", step(metadata_configurations=[{"name": "m", "kind": "numbers"}]))),
        15,
        "kind of metadata of step 's' of job 'j' is 'numbers'; did you mean 'number'?",
    ),
    (
        file_of(job("j", step(metadata_configurations=[{"name": "m", "kind": "boolean"}]))),
        15,
        "kind of metadata of step 's' of job 'j' is 'boolean'; choose from link, number, text",
    ),
    (file_of(job("j", step(metadata_configurations=[{"name": "m", "kind": None}]))), 15, "is nothing; choose from"),
    (
        file_of(job("j", step(metadata_configurations=[{"name": "m", "units": 5}]))),
        15,
        "units of metadata of step 's' of job 'j' must be text, not '5'; put it in quotes",
    ),
]


@pytest.mark.parametrize("form", ["json", "yaml"])
@pytest.mark.parametrize(("content", "line", "message"), ERRORS, ids=range(len(ERRORS)))
def test_each_error_names_file_line_value_and_what_to_do(
    content: Any, line: int, message: str, form: str, tmp_path: Path
):
    """The same from JSON and from YAML, of which the indented JSON is a part."""
    if form == "json" and isinstance(content, str) and content not in {"[]", "{}"}:
        form = "yml"  # written as YAML only
    path = write(tmp_path, f"jobs.{form}", content)
    with pytest.raises(RegistryError) as caught:
        load(path)
    place = f"{path}:{line}: " if line else f"{path}: "
    assert str(caught.value).startswith(place)
    assert message in str(caught.value)
    assert (caught.value.source, caught.value.line) == (str(path), line)


def test_keys_that_are_not_read_are_dropped(tmp_path: Path):
    """As the original drops them, ``$schema`` among them; one that looks like a slip is reported, and logged."""
    content = file_of(
        job("j", step(metadata_configurations=[{"name": "m", "unit": "s", "note": 1}], icon="x"), owner={"a": [None]})
    )
    path = write(tmp_path, "jobs.json", content)
    jobs = load(path)
    assert jobs["j"].step("s").metadata_configurations == (MetadataConfig("m"),)
    assert jobs.warnings == (
        f"{path}:15: 'unit' is no key of metadata of step 's' of job 'j'; did you mean 'units'? (ignored)",
    )


def test_no_metadata_is_written_in_three_ways():
    """The original takes ``null`` for none."""
    made = [
        load_mapping(file_of(job("j", step(**fields))))["j"]
        for fields in ({}, {"metadata_configurations": None}, {"metadata_configurations": []})
    ]
    assert made[0] == made[1] == made[2]


def test_an_unknown_tag_lists_the_known_ones(tmp_path: Path):
    """With the nearest first, of jobs and of steps."""
    jobs = load_mapping(file_of(job("my_job", step("say_hello"), step("say_bye")), job("other")))
    with pytest.raises(UnknownTagError) as caught:
        jobs["my_jop"]
    assert str(caught.value) == "no job is called 'my_jop'; did you mean 'my_job'? Known jobs: 'my_job', 'other'"
    with pytest.raises(UnknownTagError) as caught:
        jobs["my_job"].step("xyz")
    assert str(caught.value) == "job 'my_job' has no step 'xyz'; Known steps: 'say_hello', 'say_bye'"
    with pytest.raises(LookupError, match="job 'other' has no step 's'; there are no steps"):
        jobs["other"].step("s")
    assert isinstance(caught.value, FootfallError)
    assert jobs["my_job"].step("say_bye").tag == "say_bye"


def test_a_message_stays_short_where_there_are_many():
    jobs = load_mapping(file_of(*(job(f"job_{number:03}") for number in range(100))))
    with pytest.raises(UnknownTagError, match=r"'job_019' and 80 more$"):
        jobs["nothing of the kind"]


def test_one_job_without_the_list_around_it(tmp_path: Path):
    """The original has a loader for such files, too."""
    assert load_one(write(tmp_path, "one.json", job("j", step()))).tag == "j"
    assert (
        load_one(write(tmp_path, "one.yaml", "{tag: j, name: J, step_configurations: []}"), version="2").version
        == "2.0.0"
    )
    with pytest.raises(RegistryError, match="a job has no 'tag'"):
        load_one(write(tmp_path, "many.json", MANUAL))


def test_a_mapping_is_read_like_a_file():
    """And errors name it."""
    with pytest.raises(DuplicateJobError, match=r"^mapping: job 'j' is there twice; give each its own tag$"):
        load_mapping(file_of(job("j"), job("j")))
    with pytest.raises(RegistryError, match=r"^mapping: step 's' of job 'j' was already given; tags must differ$"):
        load_mapping(file_of(job("j", step(), step())))
