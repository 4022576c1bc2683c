"""What IPython does to show an exception or an object: as it is without footfall, and no use of anybody's.

IPython has no hook for either, so two methods of the one shell are replaced, and given back by `Shown.undo`.
"""

from __future__ import annotations

import sys
from typing import Any, cast

from footfall.errors import guard
from footfall.instrumentation.outermost import aside
from footfall.instrumentation.tracebacks import without_ours


class Shown:
    """Stands between a shell and what it shows.

    Args:
        shell: IPython's, or anything with its ``showtraceback`` and ``display_formatter``; what it lacks is left out.
    """

    def __init__(self, shell: Any) -> None:
        self._replaced: list[tuple[Any, str, Any, Any]] = []
        with guard("show exceptions"):
            self._replace(shell, "showtraceback", self._show_traceback)
        with guard("show objects"):
            self._replace(getattr(shell, "display_formatter", None), "format", self._format)

    def undo(self) -> None:
        """Give the methods back, but for one that somebody else has replaced since."""
        while self._replaced:
            owner, name, original, ours = self._replaced.pop()
            if owner.__dict__.get(name) is not ours:
                continue
            delattr(owner, name)
            if getattr(owner, name, None) != original:  # it was an attribute of the object before, too
                setattr(owner, name, original)

    def _replace(self, owner: Any, name: str, make: Any) -> None:
        original = getattr(owner, name, None)
        if callable(original):
            ours = make(original)
            setattr(owner, name, ours)
            self._replaced.append((owner, name, original, ours))

    def _show_traceback(self, original: Any) -> Any:
        def showtraceback(exc_tuple: Any = None, *args: Any, **kwargs: Any) -> Any:
            with guard("show exception"):
                without_ours(cast("Any", exc_tuple)[1] if type(exc_tuple) is tuple else sys.exc_info()[1])
            return original(exc_tuple, *args, **kwargs)

        return showtraceback

    def _format(self, original: Any) -> Any:
        def format(*args: Any, **kwargs: Any) -> Any:  # noqa: A001  as IPython calls it
            with aside():  # a catalogue counts its entries to show itself; the cell only named it
                return original(*args, **kwargs)

        return format
