"""Files and directories; JSON and YAML that say the same become the same."""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import Any

import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st
from jobfiles import MANUAL, UNTIMED, YAML, file_of, job, step, write

from footfall.errors import DuplicateJobError, RegistryError
from footfall.jobs import load, load_mapping
from footfall.jobs.json_text import from_json
from footfall.registry.nodes import MAX_BYTES, MAX_DEPTH, Node, from_python, from_text

TEXTS = st.text(st.characters(exclude_categories=["Cs", "Cc"]), max_size=8)
VALUES = st.recursive(
    st.none()
    | st.booleans()
    | st.integers(-(2**63), 2**63 - 1)
    | st.floats(allow_nan=False, allow_infinity=False)
    | TEXTS,
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(TEXTS, inner, max_size=4),
    max_leaves=12,
)


@UNTIMED
@given(VALUES, st.sampled_from([None, 2, "\t"]), st.booleans())
def test_json_text_becomes_what_python_reads(value: Any, indent: Any, ascii_only: bool):
    """However it is laid out, escaped or not."""
    text = json.dumps(value, indent=indent, ensure_ascii=ascii_only)
    assert from_json(text, "f").plain() == from_python(value, "f").plain()


@UNTIMED
@given(st.dictionaries(TEXTS, st.lists(TEXTS | st.integers(-99, 99), min_size=1, max_size=3), min_size=1, max_size=4))
def test_every_line_is_the_one_that_yaml_has(value: Any):
    """Indented JSON is YAML, so its parser is the reference; emoji are the reason why it is not ours."""
    text = json.dumps(value, indent=1, ensure_ascii=False)

    def lines(node: Node) -> Any:
        if node.members is not None:
            return node.line, node.keys, {key: lines(child) for key, child in node.members.items()}
        return node.line, [lines(child) for child in node.elements or ()], node.text

    assert lines(from_json(text, "f")) == lines(from_text(text, "f"))


@pytest.mark.parametrize(
    ("text", "line", "message"),
    [
        ("", 1, "this is not JSON: Expecting value"),
        ('{\n"a" 1}', 2, "this is not JSON: Expecting ':' delimiter"),
        ('{\n"a": NaN}', 2, "this is not JSON: NaN is no number"),
        ('{"b": "NaN",\n"a":\n-Infinity}', 3, "this is not JSON: -Infinity is no number"),
        ('{"a": 1,\n"a": 2}', 2, "key 'a' was already given in line 1"),
        ('{"a":\n"\\ud83d"}', 2, "'\\ud83d' is half of a surrogate pair, which is no character"),
        ('{"\\ude00": 1}', 1, "'\\ude00' is half of a surrogate pair, which is no character"),
        ("[\n" * (MAX_DEPTH + 1), MAX_DEPTH + 1, f"nested deeper than {MAX_DEPTH}"),
        ("[" * 100_000, 1, f"nested deeper than {MAX_DEPTH}"),
        (" " * (MAX_BYTES + 1), 0, "larger than 256 KiB; split it"),
        (b"\xff", 0, "this is not UTF-8 text"),
    ],
)
def test_what_is_no_json_is_said_with_its_line(text: str | bytes, line: int, message: str, tmp_path: Path):
    path = tmp_path / "jobs.json"
    path.write_bytes(text if isinstance(text, bytes) else text.encode())
    with pytest.raises(RegistryError) as caught:
        load(path)
    assert message in str(caught.value)
    assert str(caught.value).startswith(f"{path}:")
    assert caught.value.line == line


@pytest.mark.parametrize("number", ["7" * 300, "0." + "1" * 60, "12345678901234567890"])
def test_a_long_number_is_still_no_text(number: str, tmp_path: Path):
    """Where a key is dropped anyway it may stand; nothing larger than a double may."""
    text = json.dumps(file_of(job(name="@")))
    with pytest.raises(RegistryError, match=rf"jobs\.json:1: name of job 'j' must be text, not '{number[:9]}"):
        load(write(tmp_path, "jobs.json", text.replace('"@"', number)))
    load(write(tmp_path, "jobs.json", text.replace('"@"', f'"J", "id": {number}')))
    with pytest.raises(RegistryError, match=r"jobs\.json:1: '7777.*' is larger than any number"):
        load(write(tmp_path, "jobs.json", text.replace('"@"', "7" * 5000)))


CONFIGURATIONS = st.fixed_dictionaries(
    {
        "name": TEXTS,
        "version": st.sampled_from(["1.0.0", "24.1", "2.0rc1", "1.10"]),
        "step_configurations": st.lists(
            st.fixed_dictionaries(
                {"tag": TEXTS.filter(bool), "name": TEXTS, "points": st.integers(-(2**31), 2**31 - 1)},
                optional={
                    "metadata_configurations": st.none()
                    | st.lists(
                        st.fixed_dictionaries(
                            {"name": TEXTS},
                            optional={"kind": st.sampled_from(["text", "number", "link"]), "units": st.none() | TEXTS},
                        ),
                        max_size=3,
                    )
                },
            ),
            unique_by=lambda each: each["tag"],
            max_size=4,
        ),
    }
)


@UNTIMED
@given(st.dictionaries(TEXTS.filter(bool), CONFIGURATIONS, max_size=3))
def test_json_and_yaml_say_the_same(jobs: dict[str, Any]):
    """As `json` and PyYAML write them (all quoted: it has 0E0 for text, YAML 1.2 for a number), and as a mapping."""
    content = file_of(*({"tag": tag, **fields} for tag, fields in jobs.items()))
    expected = load_mapping(content).job_configs
    from footfall.jobs.reading import Reader

    assert Reader("f").file(from_json(json.dumps(content), "f")).job_configs == expected
    assert (
        Reader("f").file(from_text(yaml.safe_dump(content, allow_unicode=True, default_style='"'), "f")).job_configs
        == expected
    )


def test_a_version_in_yaml_needs_no_quotes(tmp_path: Path):
    """``1.10`` is not ``1.1``, in JSON neither."""
    assert load(write(tmp_path, "a.yaml", YAML))["my_job"].version == "1.10.0"
    text = json.dumps(file_of(job("j", version="@"))).replace('"@"', "1.10")
    assert load(write(tmp_path, "a.json", text))["j"].version == "1.10.0"


@pytest.mark.parametrize("name", ["jobs.JSON", "jobs.conf", "jobs"])
def test_any_name_will_do(name: str, tmp_path: Path):
    """A brace at the beginning is JSON where the name says nothing; a byte order mark does not matter."""
    text = "\ufeff  " + json.dumps(file_of(job("😀")))
    assert load(write(tmp_path, name, text)).tags == ("😀",)
    if not name.endswith("JSON"):
        assert load(write(tmp_path, name, YAML)).tags == ("my_job",)


def test_a_directory_is_all_its_files(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    """By name; schemas, hidden files, other files and directories below are left alone."""
    write(tmp_path, "b.yaml", YAML)
    write(tmp_path, "a.json", file_of(job("first"), job("second")))
    write(tmp_path, "c.yml", "job_configs: []")
    for other in ("job-configurations-schema.generated.json", ".hidden.json", "notes.txt"):
        write(tmp_path, other, "{")
    (tmp_path / "below.json").mkdir()
    monkeypatch.chdir(tmp_path)
    jobs = load(".")
    assert jobs.tags == ("first", "second", "my_job")
    assert [str(place) for place in jobs.places.values()] == ["a.json:3", "a.json:9", "b.yaml:2"]
    write(tmp_path, "d.json", file_of(job("second")))
    with pytest.raises(DuplicateJobError, match=r"^d\.json:3: job 'second' was already given in a\.json:9; "):
        load(Path())


def test_a_directory_without_files_is_a_mistake(tmp_path: Path):
    with pytest.raises(RegistryError, match=r"no file in this directory is called \*\.json, \*\.yaml, \*\.yml"):
        load(tmp_path)


def test_what_is_not_there_is_said_as_python_says_it(tmp_path: Path):
    with pytest.raises(FileNotFoundError):
        load(tmp_path / "jobs.json")


@pytest.mark.parametrize("content", ["job_configs: &a []", "job_configs: !!python/name:os.system x", "--- {}\n--- {}"])
def test_no_part_of_yaml_that_makes_objects_is_read(content: str, tmp_path: Path):
    with pytest.raises(RegistryError, match=r"jobs\.yaml:\d: "):
        load(write(tmp_path, "jobs.yaml", content))


def test_a_pipe_in_place_of_a_file_does_not_hang(tmp_path: Path):
    os.mkfifo(tmp_path / "jobs.json")
    with pytest.raises(RegistryError, match="this is not a regular file"):
        load(tmp_path / "jobs.json")


def test_loading_leaves_no_file_behind(tmp_path: Path):
    """Reading is only that."""
    path = write(tmp_path, "jobs.json", MANUAL)
    load(path)
    assert [each for each in tmp_path.iterdir() if each != path] == []


def test_step_order_is_kept(tmp_path: Path):
    tags = [f"s{number}" for number in (3, 1, 2)]
    jobs = load(write(tmp_path, "jobs.json", file_of(job("j", *map(step, tags)))))
    assert [each.tag for each in jobs["j"].step_configurations] == tags
