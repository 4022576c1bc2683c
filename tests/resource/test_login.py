"""The login name: as `getpass` finds it, but never with an error."""

from __future__ import annotations

import os
import pwd

import pytest

from footfall.resource.login import VARIABLES, login_name


@pytest.mark.parametrize("position", range(len(VARIABLES)))
def test_the_first_variable_that_says_something(position: int) -> None:
    """An empty one says nothing."""
    environ = {name: "" if index < position else name.lower() for index, name in enumerate(VARIABLES)}
    assert login_name(environ) == VARIABLES[position].lower()


def test_else_the_password_entry() -> None:
    """As for programs that cron starts."""
    assert login_name({}) == pwd.getpwuid(os.getuid()).pw_name


def test_a_user_without_an_entry_has_no_name(monkeypatch: pytest.MonkeyPatch) -> None:
    """Containers run under any number."""
    monkeypatch.setattr(os, "getuid", lambda: 3_999_999_999)
    assert login_name({}) == ""
