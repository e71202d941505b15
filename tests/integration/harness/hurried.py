"""The operator's process with constants cut short that production has no setting for: a person would not sit through them.

``python hurried.py '{"chainenv.app:READY_SECONDS": 2}' run``. Everything else is the command ``chainenv``.
"""

from __future__ import annotations

import importlib
import json
import sys


def shorten(constants: dict[str, float]) -> None:
    for name, value in constants.items():
        module, _, constant = name.partition(":")
        loaded = importlib.import_module(module)
        assert hasattr(loaded, constant), f"{name} is not there any more"
        setattr(loaded, constant, value)


if __name__ == "__main__":
    shorten(json.loads(sys.argv.pop(1)))
    importlib.import_module("chainenv.cli").main()
