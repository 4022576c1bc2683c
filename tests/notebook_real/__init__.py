"""Real notebooks, programs and clusters with intake-esm and xarray on a small catalogue of NetCDF files."""
