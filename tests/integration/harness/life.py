"""One life of an operator in a process that was forked with everything imported: see forked.py, which runs this file.

The process does what the command ``chainenv run`` does; only its imports were made before. It gets LOG, ENVIRONMENT and
CONSTANTS as globals.
"""

from __future__ import annotations

import multiprocessing
import multiprocessing.connection
import os
import runpy
import threading
from pathlib import Path
from typing import Any

import chainenv.cli


def _end_with_parent() -> None:
    parent = multiprocessing.parent_process()
    assert parent is not None
    multiprocessing.connection.wait([parent.sentinel])
    os._exit(1)


def live(log: str, environment: dict[str, str], constants: dict[str, float]) -> None:
    threading.Thread(target=_end_with_parent, daemon=True).start()
    output = os.open(log, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600)
    for descriptor, source in ((0, os.open(os.devnull, os.O_RDONLY)), (1, output), (2, output)):
        os.dup2(source, descriptor)
    os.environ.clear()
    os.environ.update(environment)
    runpy.run_path(str(Path(__file__).with_name("hurried.py")))["shorten"](constants)
    chainenv.cli.main(args=["run"], prog_name="chainenv")


if __name__ == "a life":
    given: dict[str, Any] = globals()
    live(given["LOG"], given["ENVIRONMENT"], given["CONSTANTS"])
