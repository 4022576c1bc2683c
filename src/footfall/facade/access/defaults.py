"""The services that the original's release 0.3.0 knows, and what each of them is told of.

Names of other people's functions, in the order of that release's configuration. Data, not settings: programs add
services to `ApiHandler.endpoints`, and functions to a `TelemetryRegister`.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

ENDPOINTS: Final[Mapping[str, str]] = {
    "intake_catalog": "intake/catalog",
    "intake_datastore": "intake/datastore",
    "intake_cli": "intake/cli",
}
"""Service to endpoint."""

_LOOK: Final = ("search", "unique", "nunique", "df")
_LOAD: Final = ("to_dataset_dict", "to_dask")
_SOURCE: Final = ("__getitem__", "keys", "to_source", "to_source_dict")
_BUILDERS: Final = ("Base", "AccessOm2", "AccessOm3", "Mom6", "AccessEsm15", "AccessCm2", "ROMS")


def _methods(owner: str, *names: str) -> tuple[str, ...]:
    return tuple(f"{owner}.{name}" for name in names)


FUNCTIONS: Final[Mapping[str, tuple[str, ...]]] = {
    "intake_catalog": (
        *_methods("esm_datastore", *_LOOK, *_LOAD),
        *_methods("DfFileCatalog", *_LOOK, *_SOURCE),
        *_methods("AliasedESMCatalog", *_LOOK, *_LOAD),
        *_methods("AliasedDataframeCatalog", *_LOOK, *_SOURCE),
        "intake.cat.access_nri",
    ),
    "intake_datastore": (
        "open_esm_datastore",
        "use_datastore",
        *(f"{builder}Builder.{step}" for builder in _BUILDERS for step in ("build", "save")),
    ),
    "intake_cli": ("metadata_validate", "metadata_template", "use_esm_datatore"),
}
"""Service to names. The last one is spelled as there."""
