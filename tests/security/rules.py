"""How a rule is shown: its check passes, and the same check fails when the rule is taken out.

    @rule(without(files, "DIRECTORY_MODE", 0o777))
    def test_directories_are_private(tmp_path): ...

becomes two cases: ``holds``, and ``without DIRECTORY_MODE``, in which the one function or constant that implements the
rule is replaced by a permissive stand-in and the check must raise AssertionError. A check that could not fail would
show nothing.
"""

from __future__ import annotations

import ast
import functools
import inspect
import warnings
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, TypeVar

import msgspec
import pytest

import footfall
from footfall.errors import trouble

PACKAGE = Path(footfall.__file__).parent
Check = TypeVar("Check", bound=Callable[..., None])


class Removal(msgspec.Struct, frozen=True):
    """A rule taken out: *name* of *owner* (module, class or mapping) becomes *stand_in*; *also* goes with it."""

    owner: Any
    name: str
    stand_in: Any
    also: tuple[Any, ...] = ()

    def apply(self, patch: pytest.MonkeyPatch) -> None:
        if isinstance(self.owner, dict):
            patch.setitem(self.owner, self.name, self.stand_in)
        else:
            patch.setattr(self.owner, self.name, self.stand_in)
        for other in self.also:
            other.apply(patch)

    def __str__(self) -> str:
        owner = getattr(self.owner, "__name__", "").rpartition(".")[2]
        return f"without {owner}.{self.name}".replace(".__", "__")


def without(owner: Any, name: str, stand_in: Any, *also: Removal) -> Removal:
    """Return the removal of one rule."""
    return Removal(owner, name, stand_in, also)


def holds(check: Callable[..., None], *arguments: Any, **keywords: Any) -> None:
    """Run *check* with every rule in place."""
    check(*arguments, **keywords)


def fails_without(check: Callable[..., None], removal: Removal, *arguments: Any, **keywords: Any) -> None:
    """Run *check* with a rule taken out; it must notice.

    Warnings, and errors that footfall hides meanwhile, do not count: the stand-in is not footfall.
    """
    with pytest.MonkeyPatch.context() as patch, warnings.catch_warnings():
        warnings.simplefilter("ignore")
        patch.setattr(trouble, "observers", [])
        removal.apply(patch)
        try:
            check(*arguments, **keywords)
        except AssertionError:
            return
    pytest.fail(f"{check.__name__} passes {removal}: it shows nothing")


def rule(*removals: Removal) -> Callable[[Check], Check]:
    """Make a test of a check: it holds, and it fails without each of *removals*."""

    def decorate(check: Check) -> Check:
        @pytest.mark.parametrize("removal", [None, *removals], ids=["holds", *map(str, removals)])
        @functools.wraps(check)
        def test(*arguments: Any, removal: Removal | None, **keywords: Any) -> None:
            if removal is None:
                holds(check, *arguments, **keywords)
            else:
                fails_without(check, removal, *arguments, **keywords)

        signature = inspect.signature(check)
        added = inspect.Parameter("removal", inspect.Parameter.KEYWORD_ONLY)
        test.__signature__ = signature.replace(parameters=[*signature.parameters.values(), added])  # type: ignore[attr-defined]
        return test  # type: ignore[return-value]

    return decorate


def refused(
    kind: type[BaseException] | tuple[type[BaseException], ...], call: Callable[..., Any], *arguments: Any
) -> BaseException:
    """Return the error of *kind* that *call* raises; AssertionError when it raises none."""
    try:
        result = call(*arguments)
    except kind as error:
        return error
    raise AssertionError(f"not refused: {arguments!r}" + (f" gave {result!r}" if result is not None else ""))


@functools.cache
def sources() -> tuple[tuple[str, ast.Module], ...]:
    """Return name and syntax tree of each module of the package."""
    paths = sorted(PACKAGE.rglob("*.py"))
    return tuple((str(path.relative_to(PACKAGE)), ast.parse(path.read_text(encoding="utf-8"))) for path in paths)


def also_with(text: str) -> Callable[[], tuple[tuple[str, ast.Module], ...]]:
    """Return a stand-in for `sources` in which somebody has added a module with that *text*."""
    return lambda: (*_sources(), ("added.py", ast.parse(text)))


_sources = sources


def names_used(tree: ast.Module) -> Iterator[str]:
    """Yield what a module imports and calls, dotted: ``os.chmod``, ``yaml.load``, ``eval``."""
    for node in ast.walk(tree):
        match node:
            case ast.Import(names=names):
                yield from (alias.name for alias in names)
            case ast.ImportFrom(module=module, names=names):
                yield module or ""
                yield from (f"{module}.{alias.name}" for alias in names)
            case ast.Call(func=function):
                yield ast.unparse(function)
            case _:
                pass


def everything_in(*directories: Path) -> dict[str, bytes]:
    """Return each file below *directories* with its bytes."""
    return {str(path): path.read_bytes() for root in directories for path in root.rglob("*") if path.is_file()}
