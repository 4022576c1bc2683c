"""What installed packages ask to have watched: entry point group ``footfall.projects``.

The value of an entry point is ``package`` (which holds a ``footfall.yaml``) or ``package:path/in/package.yaml``. The
file is found beside the distribution's metadata or where the package would be imported from. The package itself is
never imported: a start-up hook that imported every watched package would cost its users more than all the rest.
"""

from __future__ import annotations

import importlib.util
import re
import sys
from contextlib import suppress
from functools import lru_cache
from pathlib import Path
from typing import TYPE_CHECKING, Final

import msgspec

from footfall.errors import ConfigurationError, RegistryError, guard, trouble
from footfall.registry.model import NAME_PATTERN, Registry, is_dotted, quote
from footfall.registry.yaml import load_file

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Iterable, Iterator
    from importlib.metadata import Distribution, EntryPoint

GROUP: Final = "footfall.projects"
FILE_NAME: Final = "footfall.yaml"

_RESOURCE = re.compile(rf"(?:{NAME_PATTERN}/)*{NAME_PATTERN}\.ya?ml")


def _note(name: str, error: Exception) -> None:
    trouble.note(f"read project: {type(error).__name__}", "footfall: project %s is not watched: %s", quote(name), error)


def discover(
    *, wires: Collection[str] | None = None, failed: Callable[[str, Exception], None] = _note
) -> list[Registry]:
    """Return the registries of all installed projects, sorted by the name of their entry point.

    Runs in the host program, so a package whose file is missing or wrong is skipped, and unknown keys (of a newer
    footfall) are ignored. A file without a version gets that of its distribution.

    Args:
        wires: Names of the installed wires; None accepts any.
        failed: Told the name of each entry point that is skipped, and why; default: counts and logs it.
    """
    found: list[Registry] = []
    with guard("find projects"):
        from importlib.metadata import entry_points  # noqa: PLC0415  30 ms that `import footfall` must not cost

        for point in sorted(entry_points(group=GROUP), key=lambda point: (point.name, point.value)):
            with guard("read project"):
                registry = _load(point, wires, failed)
                if registry is not None:
                    found.append(registry)
    return found


def _load(
    point: EntryPoint, wires: Collection[str] | None, failed: Callable[[str, Exception], None]
) -> Registry | None:
    try:
        registry = load_file(locate(point), strict=False, wires=wires)
    except (ConfigurationError, OSError) as error:
        failed(point.name, error)
        return None
    distribution = point.dist
    if registry.version or distribution is None:
        return registry
    return msgspec.structs.replace(registry, version=distribution.version)


def locate(point: EntryPoint) -> Path:
    """Return the file that an entry point means, without importing anything of its package.

    Raises:
        RegistryError: The value is no package with a YAML file, or there is no such file.
    """
    package, _, resource = point.value.partition(":")
    resource = resource or FILE_NAME
    if not is_dotted(package) or not _RESOURCE.fullmatch(resource):
        msg = f"entry point {quote(point.name)} of group {GROUP} is {quote(point.value)}; write package:{FILE_NAME}"
        raise RegistryError(msg)
    top, *inner = package.split(".")
    for root in _roots(top, point.dist):
        path = root.joinpath(*inner, *resource.split("/"))
        if path.is_file():
            return path
    msg = f"entry point {quote(point.name)} of group {GROUP} names {quote(point.value)}, and there is no such file"
    raise RegistryError(msg)


def _roots(top: str, distribution: Distribution | None) -> Iterator[Path]:
    """Yield the folders that may be package *top*, the likeliest first."""
    if distribution is not None:
        # Beside the metadata, and so from the very distribution that declares it: a folder of the same name in the
        # working directory does not come first.
        yield Path(str(distribution.locate_file(top)))
    # Editable installs keep their code elsewhere. For a top-level name this runs finders, never the package.
    spec = getattr(sys.modules[top], "__spec__", None) if top in sys.modules else importlib.util.find_spec(top)
    if spec is not None:
        yield from map(Path, spec.submodule_search_locations or ())


@lru_cache(maxsize=256)
def installed_version(project_or_module: str) -> str:
    """Return the version of the distribution behind a project or module, or "" when that is not known.

    The names most projects use are asked first (``owner/name``: distribution ``name``; ``module``: distribution
    ``module``). Only when there is none are all distributions searched for the module, which took 25 ms
    among 130 of them.

    Args:
        project_or_module: ``owner/name``, a dotted module, or ``module:qualname``.
    """
    from importlib.metadata import PackageNotFoundError, distributions, version  # noqa: PLC0415  as above

    name = project_or_module.rpartition("/")[2].partition(":")[0]
    top = name.partition(".")[0]
    with guard("find version"):
        for candidate in dict.fromkeys((name, top)):
            with suppress(PackageNotFoundError, ValueError):  # ValueError: an empty name
                return version(candidate)
        module = top.replace("-", "_")
        for distribution in distributions():
            if module and module in _top_level(distribution):
                return distribution.version
    return ""


def version_of(project: str, packages: Iterable[str]) -> str:
    """Return the version of the distribution named like the repository, else of one that provides a package, or ""."""
    names = (project.partition("/")[2], *sorted(packages))
    return next((version for name in names if (version := installed_version(name))), "")


def _top_level(distribution: Distribution) -> set[str]:
    """Return the import names of *distribution*, from the short list some carry, else from the names of its files."""
    listed = distribution.read_text("top_level.txt")
    if listed:
        return set(listed.split())
    names = (line.partition(",")[0] for line in (distribution.read_text("RECORD") or "").splitlines())
    return {name.partition("/")[0].removesuffix(".py") for name in names if name.endswith(".py")}
