"""To whom: one file a format."""
