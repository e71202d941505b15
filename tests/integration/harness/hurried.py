"""Constants cut short that production has no setting for: a person would not sit through them.

``{"chainenv.app.health:READY_SECONDS": 2}``; everything else is the operator as it is.
"""

from __future__ import annotations

import importlib


def shorten(constants: dict[str, float]) -> None:
    for name, value in constants.items():
        module, _, constant = name.partition(":")
        loaded = importlib.import_module(module)
        assert hasattr(loaded, constant), f"{name} is not there any more"
        setattr(loaded, constant, value)
