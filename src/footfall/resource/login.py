"""The login name, for a project that says it wants it (``user_name: true``) and for nobody else."""

from __future__ import annotations

import os
from collections.abc import Mapping
from typing import Final

VARIABLES: Final = ("LOGNAME", "USER", "LNAME", "USERNAME")
"""In the order of `getpass.getuser`, whose answer the original access client sends (wire/access.md section 2.1)."""


def login_name(environ: Mapping[str, str]) -> str:
    """Return the login name: of *environ*, else of the password entry, else "".

    `getpass.getuser` reads this process's environment only, and raises where a user id has no entry, as in many
    containers.
    """
    for variable in VARIABLES:
        if name := environ.get(variable):
            return name
    try:
        import pwd  # noqa: PLC0415  not on Windows

        return pwd.getpwuid(os.getuid()).pw_name
    except (ImportError, KeyError, OSError):
        return ""
