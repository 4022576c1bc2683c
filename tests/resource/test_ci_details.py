"""What the host's own resource tells of a CI run: addresses without credentials, names of a sane length."""

from __future__ import annotations

import string

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from footfall.resource import ci_details
from footfall.resource.ci_details import web_address


@pytest.mark.parametrize(
    ("text", "address"),
    [
        ("https://github.com/o/r", "https://github.com/o/r"),
        ("https://github.com/o/r/", "https://github.com/o/r"),
        ("http://git.example:8080/o/r", "http://git.example:8080/o/r"),
        ("https://[2001:db8::1]:8443/o/r", "https://[2001:db8::1]:8443/o/r"),
        ("https://git.example/~o/a b", "https://git.example/~o/a%20b"),
        ("git@github.com:o/r", "https://github.com/o/r"),
        ("ssh://git@github.com/o/r", "https://github.com/o/r"),
        ("ssh://git@github.com:7999/o/r", "https://github.com/o/r"),
        # Credentials.
        ("https://user:password@github.com/o/r", "https://github.com/o/r"),
        ("https://token@github.com/o/r", "https://github.com/o/r"),
        ("https://user:p@ss@github.com/o/r", "https://github.com/o/r"),
        ("https://user:pa/ss@github.com/o/r", ""),
        ("https://user:12/ss@github.com/o/r", ""),
        ("https://user/:pa#ss@github.com/o/r", ""),
        ("https://github.com/o/r?private_token=secret", "https://github.com/o/r"),
        ("https://github.com/o/r#secret", "https://github.com/o/r"),
        # Paths on some machine, and no addresses at all.
        ("file:///home/alice/r", ""),
        ("/home/alice/r", ""),
        ("~/r", ""),
        (r"C:\Users\alice\r", ""),
        ("alice@server:/home/alice/r", ""),
        ("git@server:/home/alice/r", ""),
        ("ssh://alice@server/home/alice/r", ""),
        ("../r", ""),
        ("https:///o/r", ""),
        ("https://[::1/o/r", ""),
        ("https://host:port/o/r", ""),
        ("javascript:alert(1)", ""),
        ("https://h/" + "x" * 600, ""),
        ("", ""),
    ],
)
def test_web_address(text: str, address: str) -> None:
    """An address for browsers, or nothing."""
    assert web_address(text) == address


_characters = st.text(string.ascii_letters + string.digits + "/:@?#%&=+ .-_~[]", max_size=12)


@settings(deadline=None, max_examples=300)
@given(user=_characters, password=_characters, path=_characters)
def test_no_password_survives(user: str, password: str, path: str) -> None:
    """Whatever stands before the host, and however it is cut."""
    found = web_address(f"https://{user}:hunter2{password}@git.example/{path.replace('@', '')}")
    assert "hunter2" not in found


def test_a_query_is_kept_only_where_the_table_wrote_it() -> None:
    """Azure's page of a run needs one."""
    assert web_address("https://h/p?buildId=1", query=True) == "https://h/p?buildId=1"
    assert web_address("https://h/p?u=a@b", query=True) == ""


@pytest.mark.parametrize(
    ("variables", "key", "value"),
    [
        ({"GITHUB_REF_NAME": "x" * 500}, "vcs.ref.head.name", "x" * 128),
        ({"GITHUB_REF_NAME": "a\x1b[31mb"}, "vcs.ref.head.name", None),
        ({"GITHUB_REF_NAME": " main "}, "vcs.ref.head.name", "main"),
        ({"GITHUB_SHA": "HEAD"}, "vcs.ref.head.revision", None),
        ({"GITHUB_SHA": "r1234"}, "vcs.ref.head.revision", None),
        ({"GITHUB_SHA": "1234"}, "vcs.ref.head.revision", "1234"),  # Subversion's
        ({"GITHUB_SERVER_URL": "https://github.com"}, "vcs.repository.url.full", None),  # half of it
        ({"GITHUB_SERVER_URL": "file:///home", "GITHUB_REPOSITORY": "o/r"}, "vcs.repository.url.full", None),
    ],
)
def test_values_are_what_they_should_be(variables: dict[str, str], key: str, value: str | None) -> None:
    """Names are printable and short, revisions are revisions."""
    assert ci_details.repository({"GITHUB_ACTIONS": "true", **variables}).get(key) == value


def test_values_are_taken_as_they_are() -> None:
    """A value that looks like a template is not one."""
    environ = {"GITHUB_ACTIONS": "true", "GITHUB_WORKFLOW": "{GITHUB_TOKEN}", "GITHUB_TOKEN": "hunter2"}
    assert ci_details.pipeline(environ) == {"cicd.pipeline.name": "{GITHUB_TOKEN}"}
