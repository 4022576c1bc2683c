"""Where a process runs, and which it is: detectors that look once and return what they found.

The keys are OpenTelemetry's, from `footfall.attributes`.

`collect` has all of them together; `detectors` offers the same to a host's own OpenTelemetry SDK.
"""
