"""Where release 0.4.0 keeps `track_exit`."""

from footfall.facade.migas.tracker import track_exit

__all__ = ["track_exit"]
