"""What the tests of the sandbox share."""

from __future__ import annotations

import subprocess
import time
from collections.abc import Callable
from pathlib import Path

import chainenv_sandbox

IMPORT_ROOT = Path(chainenv_sandbox.__file__).parents[1]
PATIENCE_SECONDS = 60.0

Run = Callable[..., "subprocess.Popen[str]"]


def wait_for(condition: Callable[[], object], what: str) -> None:
    deadline = time.monotonic() + PATIENCE_SECONDS
    while not condition():
        assert time.monotonic() < deadline, f"waited {PATIENCE_SECONDS:.0f} s for {what}"
        time.sleep(0.02)


def process_arguments() -> dict[int, str]:
    """Of every live process; zombies, which nobody may reap in a container, do not count."""
    listing = subprocess.run(["ps", "-axww", "-o", "pid=,stat=,args="], capture_output=True, text=True, check=True).stdout
    rows = (line.split(maxsplit=2) for line in listing.splitlines())
    return {int(row[0]): row[2] for row in rows if len(row) == 3 and not row[1].startswith("Z")}


def program(path: Path, script: str) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(f"#!/bin/sh\n{script}\n")
    path.chmod(0o755)
    return path
