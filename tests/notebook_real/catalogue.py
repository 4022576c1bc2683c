"""A small intake-esm catalogue: eight NetCDF files of a few numbers, a table of them, and its description.

    python -m tests.notebook_real.catalogue FOLDER

They are to be read with ``engine="scipy"``: netCDF4 releases the GIL over a library that is not safe in threads, and
intake-esm and dask have some; without footfall, one notebook in ten crashed.

A process of its own: what intake-esm and its like warn of when they are imported is not the test suite's concern.
"""

from __future__ import annotations

import csv
import json
import sys
from itertools import product
from pathlib import Path

MODEL = "ACCESS"
VARIABLES = ("pr", "tas")
EXPERIMENTS = ("historical", "ssp585")
MEMBERS = ("r1", "r2")
NAME = "small.json"


def write(folder: Path) -> Path:
    """Write the catalogue to *folder*; return the path that ``intake.open_esm_datastore`` takes."""
    import numpy as np
    import xarray

    rows = []
    for number, (variable, experiment, member) in enumerate(product(VARIABLES, EXPERIMENTS, MEMBERS)):
        path = folder / f"{variable}-{experiment}-{member}.nc"
        values = np.arange(24.0).reshape(6, 2, 2) + number
        coordinates = {"time": np.arange(6), "lat": [-45.0, 45.0], "lon": [0.0, 180.0]}
        dataset = xarray.Dataset({variable: (("time", "lat", "lon"), values)}, coords=coordinates)
        dataset.to_netcdf(path, engine="scipy")
        rows.append(
            {"model": MODEL, "variable": variable, "experiment": experiment, "member": member, "path": str(path)}
        )
    with (folder / "small.csv").open("w", newline="") as file:
        table = csv.DictWriter(file, fieldnames=list(rows[0]))
        table.writeheader()
        table.writerows(rows)
    join = {"type": "join_new", "attribute_name": "member", "options": {"coords": "minimal", "compat": "override"}}
    description = {
        "esmcat_version": "0.1.0",
        "id": "small",
        "description": "A small catalogue",
        "catalog_file": str(folder / "small.csv"),
        "attributes": [{"column_name": name} for name in ("model", "variable", "experiment", "member")],
        "assets": {"column_name": "path", "format": "netcdf"},
        "aggregation_control": {
            "variable_column_name": "variable",
            "groupby_attrs": ["model", "experiment"],
            "aggregations": [{"type": "union", "attribute_name": "variable"}, join],
        },
    }
    (folder / NAME).write_text(json.dumps(description))
    return folder / NAME


if __name__ == "__main__":
    write(Path(sys.argv[1]))
