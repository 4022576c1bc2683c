"""PEP 440 to SemVer: always SemVer, never the same for two releases, and SemVer is left alone."""

from __future__ import annotations

import re

import pytest
from hypothesis import example, given
from hypothesis import strategies as st
from jobfiles import UNTIMED
from packaging.version import InvalidVersion, Version

from footfall.semver import PATTERN, is_semver, next_patch, semver


@pytest.mark.parametrize(
    ("python", "becomes"),
    [
        ("24.1.0rc1", "24.1.0-rc1"),
        ("24.1", "24.1.0"),
        ("1", "1.0.0"),
        ("v1.2", "1.2.0"),
        ("2023.05.08", "2023.5.8"),
        ("1.0.0", "1.0.0"),
        ("2.15.3-alpha+12345", "2.15.3-alpha+12345"),
        ("1.0a1", "1.0.0-a1"),
        ("1.0.Beta-2", "1.0.0-b2"),
        ("1.0pre", "1.0.0-rc0"),
        ("1.0c3", "1.0.0-rc3"),
        ("1.0.dev4", "1.0.0-dev4"),
        ("1.0rc1.dev4", "1.0.0-rc1.dev4"),
        ("1.0.post1", "1.0.0+post1"),
        ("1.0-1", "1.0.0+post1"),
        ("1.0.0-1", "1.0.0-1"),
        ("1.0.post1.dev2", "1.0.0+post1.dev2"),
        ("1.2.3.4", "1.2.3+release4"),
        ("1.2.3.0.0", "1.2.3"),
        ("1!2.0", "2.0.0+epoch1"),
        ("0!2.0", "2.0.0"),
        ("1.2.3.dev4+g0abc.d20230508", "1.2.3-dev4+g0abc.d20230508"),
        ("1.2+Ubuntu_01-x", "1.2.0+ubuntu.1.x"),
        ("1.2." + "9" * 5000, "1.2." + "9" * 5000),
    ],
)
def test_what_becomes_of_a_version(python: str, becomes: str):
    """The first two are the specification's own."""
    assert semver(python) == becomes


@pytest.mark.parametrize("text", ["", " 1.0", "1.0\n", "latest", "1.0.x", "1..0", "1.0+", "-1", "٣.1", "1e3"])
def test_anything_else_is_no_version(text: str):
    assert semver(text) == ""
    assert not is_semver(text)


NUMBERS = st.integers(0, 10**6).map(str)


@st.composite
def pythons(draw: st.DrawFn, *, local: bool = False) -> str:
    """A version as PEP 440 allows it, with its freedom of spelling."""
    text = draw(st.sampled_from(["", "v"])) + draw(st.sampled_from(["", "", "0!", "1!", "7!"]))
    text += ".".join(draw(st.lists(NUMBERS, min_size=1, max_size=6)))
    separators = st.sampled_from(["", ".", "-", "_"])
    if draw(st.booleans()):
        words = st.sampled_from(["a", "alpha", "b", "beta", "c", "rc", "RC", "pre", "preview"])
        text += draw(separators) + draw(words) + draw(separators) + draw(NUMBERS)
    if draw(st.booleans()):
        text += draw(separators) + draw(st.sampled_from(["post", "rev", "r", "Post"])) + draw(NUMBERS)
    if draw(st.booleans()):
        text += draw(separators) + "dev" + draw(NUMBERS)
    if local and draw(st.booleans()):
        text += "+" + draw(separators.filter(bool)).join(
            draw(st.lists(st.text("abxyzABZ0123456789", min_size=1, max_size=4), min_size=1, max_size=3))
        )
    return text


@UNTIMED
@given(pythons(local=True))
def test_every_python_version_becomes_semver_that_stays(text: str):
    """And once made it is not changed again, nor does it depend on the spelling of the same version."""
    made = semver(text)
    assert is_semver(made)
    assert semver(made) == made
    plain = str(Version(text))
    assert is_semver(text) or is_semver(plain) or semver(plain) == made


@UNTIMED
@given(pythons(), pythons())
@example("1.2.3.4", "1.2.3.5")
@example("1!1.0", "1.0")
@example("1.0.post1", "1.0")
@example("1.0.post1.dev1", "1.0.dev1")
def test_two_releases_never_become_one(one: str, other: str):
    """Else the server would refuse the second for what the first said."""
    if is_semver(one) or is_semver(other):
        return  # 1.0.0-rc1 is left alone, and 1.0.0rc1 becomes it
    assert (semver(one) == semver(other)) is (Version(one) == Version(other))


@UNTIMED
@given(st.tuples(NUMBERS, NUMBERS, NUMBERS), st.tuples(NUMBERS, NUMBERS, NUMBERS))
def test_final_releases_keep_their_order(one: tuple[str, ...], other: tuple[str, ...]):
    one_made, other_made = (tuple(map(int, semver(".".join(each)).split("."))) for each in (one, other))
    assert (one_made < other_made) is (Version(".".join(one)) < Version(".".join(other)))


@UNTIMED
@given(st.text("0123456789.abcdevprostrcl-_+!vX", max_size=14) | pythons(local=True))
def test_what_packaging_takes_is_taken_and_the_schemas_pattern_agrees(text: str):
    """`packaging` is the reference for PEP 440, and no dependency."""
    try:
        Version(text)
    except InvalidVersion:
        assert semver(text) in {"", text}
    else:
        assert semver(text) != ""
    assert (re.search(PATTERN, text) is not None) is (semver(text) != "")


@pytest.mark.parametrize(
    ("version", "following"),
    [
        ("1.2.3", "1.2.4"),
        ("1.2.9", "1.2.10"),
        ("1.0.99+x.1", "1.0.100"),
        ("1.2.3-rc1", "1.2.3"),
        ("1.2.3-a-b+c", "1.2.3"),
    ],
)
def test_the_version_to_take_next(version: str, following: str):
    assert next_patch(version) == following
    assert is_semver(following)
