"""One running operator: its parts are connected (wiring), kept running (supervision) and asked how they are (health)."""

from .supervision import LeaseLostError, run

__all__ = ["LeaseLostError", "run"]
