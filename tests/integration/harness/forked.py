"""Operators from a server that has their modules loaded: importing them anew takes a second of CPU, hundreds of times.

Each is a process of its own, with its own signals, environment and end; it is the command's code that runs in it.
"""

from __future__ import annotations

import contextlib
import multiprocessing
import os
import runpy
import signal
import sys
from collections.abc import Iterator, Mapping
from pathlib import Path

_CONTEXT = multiprocessing.get_context("forkserver")
_CONTEXT.set_forkserver_preload(["chainenv.cli.run", "multiprocessing.connection", "runpy"])


class Forked:
    """As chainenv_sandbox.processes.Child, for an operator."""

    def __init__(self, *, log: Path, env: Mapping[str, str], constants: Mapping[str, float]) -> None:
        given = {"LOG": str(log), "ENVIRONMENT": dict(env), "CONSTANTS": dict(constants)}
        life = str(Path(__file__).with_name("life.py"))
        self._process = _CONTEXT.Process(target=runpy.run_path, args=(life, given, "a life"), daemon=True)
        with _nobody_is_main():
            self._process.start()

    @property
    def alive(self) -> bool:
        return self._process.is_alive()

    def signal(self, number: int) -> None:
        """Harmless when it has ended already."""
        if self.alive and self._process.pid is not None:
            os.kill(self._process.pid, number)

    def wait(self, timeout: float | None = None) -> int:
        """The exit code; 128 + n when signal n ended it."""
        self._process.join(timeout)
        code = self._process.exitcode
        assert code is not None, "the operator has not ended"
        return code if code >= 0 else 128 - code

    def stop(self, grace: float) -> int:
        """SIGTERM, then SIGKILL after ``grace`` seconds."""
        self.signal(signal.SIGTERM)
        self._process.join(grace)
        return self.kill() if self.alive else self.wait()

    def kill(self) -> int:
        """SIGKILL, at once."""
        self.signal(signal.SIGKILL)
        return self.wait()


@contextlib.contextmanager
def _nobody_is_main() -> Iterator[None]:
    """A new process would import the main module of this one, which is pytest."""
    main = sys.modules["__main__"]
    file, spec = main.__dict__.pop("__file__", None), main.__spec__
    main.__spec__ = None
    try:
        yield
    finally:
        main.__spec__ = spec
        if file is not None:
            main.__file__ = file
