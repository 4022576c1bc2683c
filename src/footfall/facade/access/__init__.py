"""What programs that import access_py_telemetry find here: the same names, on footfall."""
