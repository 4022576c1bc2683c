"""Whether a module is installed, and the nearest one that is: by asking the finders, importing nothing."""

from __future__ import annotations

import pkgutil
import sys
from typing import TYPE_CHECKING

from footfall.registry.nearest import nearest

if TYPE_CHECKING:
    from collections.abc import Sequence
    from importlib.machinery import ModuleSpec


def missing(module: str) -> str:
    """Return why dotted *module* cannot be imported, with the nearest right name; "" when it can be found.

    `importlib.util.find_spec` would import the packages around it.
    """
    path: Sequence[str] | None = None
    package = ""
    for part in module.split("."):
        if package and path is None:
            return f"{package!r} is a module and no package, so it holds no module {part!r}"
        spec = _find(f"{package}.{part}" if package else part, path)
        if spec is None:
            names = [each.name for each in pkgutil.iter_modules(path)]
            # Hundreds of packages are installed, and one or another looks a little like anything.
            guess = nearest(part, names, cutoff=0.6 if package else 0.85)
            where = f"package {package!r} has no module {part!r}" if package else f"{part!r} is not installed here"
            whole = f"{package}.{guess}" if package else guess
            return where + (f"; did you mean {whole!r}?" if guess else "; install it, or correct the name")
        path = spec.submodule_search_locations
        package = spec.name
    return ""


def _find(name: str, path: Sequence[str] | None) -> ModuleSpec | None:
    for finder in sys.meta_path:
        find_spec = getattr(finder, "find_spec", None)  # finders from before Python 3.4 have none
        spec: ModuleSpec | None = find_spec(name, path) if find_spec is not None else None
        if spec is not None:
            return spec
    return None
