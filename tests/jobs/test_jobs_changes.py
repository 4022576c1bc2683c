"""A changed list of steps under an unchanged version is refused before anything is sent."""

from __future__ import annotations

import os
import time
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from jobfiles import UNTIMED, YAML, file_of, job, step, vector, write

from footfall.errors import ChangedJobError, ConfigurationError
from footfall.jobs import JobConfig, changes, load, load_mapping, registered

SERVER = "https://tracker.example.org"


def made(content: dict[str, Any]) -> JobConfig:
    (one,) = load_mapping(file_of(content)).job_configs
    return one


METER = {"name": "m", "kind": "number", "units": "s"}
BEFORE = job("j", step("a", points=1, metadata_configurations=[METER, {"name": "n"}]), step("b"))


def meter(*metadata: dict[str, Any]) -> dict[str, Any]:
    return job("j", step("a", points=1, metadata_configurations=list(metadata)), step("b"))


@pytest.mark.parametrize(
    ("after", "expected"),
    [
        (BEFORE, ()),
        ({**BEFORE, "version": "1.0.1"}, ()),
        ({**BEFORE, "name": "K"}, ("name was 'J', is 'K'",)),
        ({**BEFORE, "tag": "k"}, ("tag was 'j', is 'k'",)),
        (
            {**BEFORE, "step_configurations": [BEFORE["step_configurations"][0], step("c")]},
            ("step 'c' is new", "step 'b' is gone"),
        ),
        ({**BEFORE, "step_configurations": BEFORE["step_configurations"][::-1]}, ("the order of steps changed",)),
        (
            {**BEFORE, "step_configurations": [BEFORE["step_configurations"][0], step("b", points=2, name="B")]},
            ("step 'b': name was 'S', is 'B'", "step 'b': points were 1, are 2"),
        ),
        (meter(METER), ("step 'a': metadata 'n' is gone",)),
        (meter(METER, {"name": "n"}, {"name": "o"}), ("step 'a': metadata 'o' is new",)),
        (meter({"name": "n"}, METER), ("step 'a': the order of metadata changed",)),
        (
            meter({"name": "m", "kind": "text"}, {"name": "n", "units": "MB"}),
            (
                "step 'a': metadata 'm': kind was 'number', is 'text'",
                "step 'a': metadata 'm': units were 's', are none",
                "step 'a': metadata 'n': units were none, are 'MB'",
            ),
        ),
    ],
)
def test_what_changed_is_said_in_words(after: dict[str, Any], expected: tuple[str, ...]):
    assert changes(made(BEFORE), made(after)) == expected


METADATA = st.lists(
    st.builds(
        lambda name, kind, units: {"name": name, "kind": kind, "units": units},
        st.sampled_from("mn"),
        st.sampled_from(["text", "link"]),
        st.sampled_from([None, "s"]),
    ),
    max_size=3,
)
STEPS = st.lists(
    st.builds(
        lambda tag, points, metadata: step(tag, points=points, metadata_configurations=metadata),
        st.sampled_from("abc"),
        st.integers(0, 1),
        METADATA,
    ),
    unique_by=lambda each: each["tag"],
    max_size=3,
)


@UNTIMED
@given(STEPS, STEPS)
def test_nothing_is_overlooked(one: list[dict[str, Any]], other: list[dict[str, Any]]):
    """Whatever differs is told, also where names of metadata repeat; what does not differ is not."""
    before, after = made(job("j", *one)), made(job("j", *other))
    assert (changes(before, after) == ()) is (before == after)


def test_it_agrees_with_the_real_server():
    """Which answered 400 to another name under the version that it had (vector 60), and 200 to the same again (59)."""
    stored, refused = (made(vector(number)["request"]["body_json"]) for number in (59, 60))
    assert vector(59)["response_given"]["status"] == 200
    assert "root['name']" in vector(60)["response_given"]["body"]
    assert changes(stored, refused) == ("name was 'My Job', is 'Renamed'",)


@pytest.fixture
def state(tmp_path: Path) -> Path:
    directory = tmp_path / "state"
    directory.mkdir(mode=0o700)
    return directory


def test_a_changed_job_is_refused_with_its_place_and_a_version_to_take(state: Path, tmp_path: Path):
    """The same again is taken, and so is the change under another version."""
    path = write(tmp_path, "jobs.yaml", YAML)
    jobs = load(path)
    registered.check(state, SERVER, jobs["my_job"])
    registered.remember(state, SERVER, jobs["my_job"])
    registered.check(state, SERVER, load(path)["my_job"])
    write(tmp_path, "jobs.yaml", YAML.replace("points: -5", "points: 5"))
    jobs = load(path)
    with pytest.raises(ChangedJobError) as caught:
        registered.check(state, SERVER, jobs["my_job"], place=jobs.places["my_job"])
    assert str(caught.value) == (
        f"{path}:2: job 'my_job' changed, but its version is still 1.10.0: step 'say_bye': points were -5, are 5;"
        " give it a new version, such as 1.10.1"
    )
    assert isinstance(caught.value, ConfigurationError)
    write(tmp_path, "jobs.yaml", YAML.replace("points: -5", "points: 5").replace("1.10", "1.10.1"))
    registered.check(state, SERVER, load(path)["my_job"])


def test_going_back_to_an_older_version_is_compared_with_that(state: Path):
    """Each version is kept: two programs of one machine may run two of them."""
    for version in ("1.0.0", "2.0.0"):
        registered.remember(state, SERVER, made({**BEFORE, "version": version}))
    registered.check(state, SERVER, made(BEFORE))
    with pytest.raises(ChangedJobError, match="step 'c' is new"):
        registered.check(state, SERVER, made(job("j", *BEFORE["step_configurations"], step("c"))))


def test_another_server_or_tag_knows_nothing_of_it(state: Path):
    registered.remember(state, SERVER, made(BEFORE))
    changed = {**BEFORE, "name": "K"}
    registered.check(state, "https://other.example.org", made(changed))
    registered.check(state, SERVER, made({**changed, "tag": "k"}))


def test_many_changes_are_counted(state: Path):
    registered.remember(state, SERVER, made(job("j")))
    with pytest.raises(ChangedJobError, match=r"'s7' is new, and 12 more; give it"):
        registered.check(state, SERVER, made(job("j", *(step(f"s{number}") for number in range(20)))))


def test_the_files_are_private_and_their_names_tell_nothing(state: Path):
    """One for each, whatever the umask."""
    previous = os.umask(0)
    try:
        registered.remember(state, SERVER, made(BEFORE))
        registered.remember(state, SERVER, made(BEFORE))
    finally:
        os.umask(previous)
    (path,) = (state / registered.FOLDER).iterdir()
    assert (path.stat().st_mode & 0o777, path.parent.stat().st_mode & 0o777) == (0o600, 0o700)
    assert len(path.stem) == 32
    assert "tracker.example.org" not in path.read_text()
    assert registered.registered(state, SERVER, made(BEFORE)) == made(BEFORE)


def test_versions_that_nobody_registers_any_more_are_forgotten(state: Path):
    registered.remember(state, SERVER, made(BEFORE))
    (old,) = (state / registered.FOLDER).iterdir()
    past = time.time() - registered.KEEP_SECONDS - 60
    os.utime(old, (past, past))
    registered.remember(state, SERVER, made({**BEFORE, "version": "2.0.0"}))
    assert not old.exists()
    registered.forget(state)
    assert list((state / registered.FOLDER).iterdir()) == []
    registered.forget(state / "missing")


@pytest.mark.parametrize("content", [b"", b"{", b"[]", b'{"tag": 5}', b"\xff", b"x" * (2**20 + 1)])
def test_a_damaged_file_refuses_nothing(state: Path, content: bytes):
    """It is written anew with the next registration."""
    registered.remember(state, SERVER, made(BEFORE))
    (path,) = (state / registered.FOLDER).iterdir()
    path.write_bytes(content)
    registered.check(state, SERVER, made({**BEFORE, "name": "K"}))
    registered.remember(state, SERVER, made(BEFORE))
    with pytest.raises(ChangedJobError):
        registered.check(state, SERVER, made({**BEFORE, "name": "K"}))


def test_a_place_that_will_not_do_is_no_trouble(tmp_path: Path, state: Path):
    """A file in its place, a link, a directory that others may enter: nothing is kept, nothing is refused."""
    (tmp_path / "file").write_text("")
    (state / registered.FOLDER).symlink_to(tmp_path)
    for place in (tmp_path / "file", state):
        registered.remember(place, SERVER, made(BEFORE))
        registered.check(place, SERVER, made({**BEFORE, "name": "K"}))
    assert list(tmp_path.glob("*.json")) == []
