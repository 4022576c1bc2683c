"""The preset ``nipype``: a node of a workflow failed, and its error is a text around another traceback."""

from __future__ import annotations

import re
from types import TracebackType
from typing import Any, Final

from footfall.facade.migas.error import strip_filenames

MAX_CHARACTERS: Final = 1500
"""Of a traceback: with more, no crumb keeps to the 2500 bytes that the server takes."""

_NODE: Final = re.compile(r"while executing Node (\w+)")
_TRACEBACK: Final = "Traceback:"


def node_execution_error(etype: type[BaseException], evalue: Any, etb: TracebackType | None) -> dict[str, Any]:
    """Return the fields of a crumb that tells which node failed, and its traceback without paths.

    Args:
        etype: Not used: it is always the same class.
        evalue: The text of the error.
        etb: Not used: it is that of the workflow engine.
    """
    del etype, etb
    text = str(evalue).translate({ord("\n"): " ", ord("\t"): " "})
    node = _NODE.search(text)
    told = strip_filenames(text.partition(_TRACEBACK)[2]).strip()
    if len(told) > MAX_CHARACTERS:  # what failed stands at the end, where it began at the beginning
        half = (MAX_CHARACTERS - 3) // 2
        told = f"{told[:half]}...{told[-half:]}"
    return {
        "status": "F",
        "status_desc": f"Exception raised from node {node[1] if node else '<?>'}",
        "error_type": "NodeExecutionError",
        "error_desc": told or "No traceback available",
    }
