"""``chainenv``, also ``kubectl chainenv``: one module a command, imported when it is asked for."""

from .frame import main

__all__ = ["main"]
