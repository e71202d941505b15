"""Real files, processes and loopback servers: nothing of the sandbox is replaced."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from .helpers import IMPORT_ROOT, Run


@pytest.fixture
def python(tmp_path: Path) -> Iterator[Run]:
    """Starts another Python that can import the sandbox; ended with the test."""
    started: list[subprocess.Popen[str]] = []

    def run(*arguments: str, env: dict[str, str] | None = None) -> subprocess.Popen[str]:
        environment = {**(os.environ if env is None else env), "PYTHONPATH": str(IMPORT_ROOT)}
        with (tmp_path / f"stdout-{len(started)}").open("w") as out, (tmp_path / f"stderr-{len(started)}").open("w") as err:
            process = subprocess.Popen(
                [sys.executable, *arguments], env=environment, cwd=tmp_path, stdin=subprocess.DEVNULL, stdout=out, stderr=err, text=True
            )
        started.append(process)
        return process

    yield run
    for process in started:
        process.kill()
        process.wait()
