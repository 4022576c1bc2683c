"""Errors of the queue's interface: ours, and also the original's classes where their package is installed.

The original raises what schematics raises, so its users catch ``schematics.exceptions.DataError``. Where that can be
imported, what is raised here is an instance of it as well; schematics itself is never needed.
"""

from __future__ import annotations

import functools
import importlib
from collections.abc import Mapping
from typing import Any

from footfall.errors import ConfigurationError, FootfallError


class ValidationError(ConfigurationError):
    """A name holds characters that the server's URLs cannot."""


class DataError(ConfigurationError):
    """A configuration is not valid.

    Args:
        errors: Name of a field to what is wrong with it.
    """

    def __init__(self, errors: Mapping[str, str]) -> None:
        super().__init__("; ".join(f"{name}: {text}" for name, text in errors.items()))
        self.fields = dict(errors)

    def to_primitive(self) -> dict[str, str]:
        """Return the fields and what is wrong with each."""
        return dict(self.fields)


class AutheticationError(FootfallError):
    """The server does not take the token. Spelt as in the original, whose users catch it by this name."""


class NotSyncedError(FootfallError, OSError):
    """A push with ``sync=True`` could not be put on the disk. The message is kept in memory and tried again."""


def validation_error(message: str) -> ValidationError:
    """Return the error to raise for a name."""
    error: ValidationError = _as_theirs(ValidationError)(message)
    return error


def data_error(errors: Mapping[str, str]) -> DataError:
    """Return the error to raise for a configuration."""
    error: DataError = _as_theirs(DataError)(errors)
    return error


@functools.cache
def _as_theirs(ours: type[Any]) -> Any:
    """Return *ours* as a class that is schematics' class of that name, too; *ours* itself where there is none."""
    try:
        theirs = getattr(importlib.import_module("schematics.exceptions"), ours.__name__)
    except Exception:  # noqa: BLE001  not installed, or too old for this Python: then nobody can catch its errors
        return ours
    members: dict[str, Any] = {
        "__init__": ours.__init__,  # theirs would take our text for a mapping
        "__str__": Exception.__str__,
        "__repr__": Exception.__repr__,
        "__eq__": object.__eq__,
        "__hash__": object.__hash__,
        "__module__": ours.__module__,
        "errors": property(_errors),
        "to_primitive": _errors,
    }
    return type(ours.__name__, (ours, theirs), members)


def _errors(error: Any) -> Any:
    return getattr(error, "fields", [str(error)])
