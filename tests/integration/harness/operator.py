"""The operator as a real process, with the rights of its service account and nothing else."""

from __future__ import annotations

import signal
import sys
from collections.abc import Mapping
from pathlib import Path

import chainenv
from chainenv_sandbox.processes import Child
from chainenv_sandbox.up import neutral_environment

from .forked import Forked

FAST: Mapping[str, str] = {
    "CHAINENV_POLL_SECONDS": "0.2",
    "CHAINENV_PROGRESS_SECONDS": "0.1",
    "CHAINENV_VANISH_SECONDS": "1",
    "CHAINENV_SETTLE_SECONDS": "1.5",
    "CHAINENV_BACKOFF_MAX_SECONDS": "2",
    "CHAINENV_METRICS_PORT": "0",
    "CHAINENV_PROBE_PORT": "0",
    "CHAINENV_LOG_FORMAT": "json",
}
"""Waits that a person would not sit through are cut short; nothing else differs from production."""

STOP_SECONDS = 90.0


def environment(settings: Mapping[str, str]) -> dict[str, str]:
    """Ours without anything that the operator reads, then ``settings``."""
    return {**neutral_environment(), "PYTHONPATH": str(Path(chainenv.__file__).parents[1]), **settings}


SHORT = {"chainenv.core.status.report:GRACE_SECONDS": 1.0}
"""Cut short in every test: a minute until a failure that passes by itself changes a condition."""


class OperatorProcess:
    """``chainenv run``, started, killed and started again as a kubelet would."""

    def __init__(
        self, settings: Mapping[str, str], log: Path, hurry: Mapping[str, float] | None = None, *, as_command: bool = False
    ) -> None:
        """``hurry``: constants that are to be shorter, see hurried.py. ``as_command``: as a user types it, a second slower."""
        self._hurry = {**SHORT, **(hurry or {})}
        self._command = [sys.executable, "-m", "chainenv", "run"] if as_command else []
        self._environment = environment(settings)
        self._log = log
        self._child: Child | Forked | None = None
        self.wanted = False

    def start(self) -> None:
        assert not self.alive, "the operator runs already"
        self.wanted = True
        if self._command:
            self._child = Child("operator", self._command, log=self._log, env=self._environment)
        else:
            self._child = Forked(log=self._log, env=self._environment, constants=self._hurry)

    @property
    def child(self) -> Child | Forked:
        assert self._child is not None, "the operator was not started"
        return self._child

    @property
    def alive(self) -> bool:
        return self._child is not None and self._child.alive

    @property
    def log(self) -> str:
        """Of all its lives."""
        return self._log.read_text(errors="replace") if self._log.exists() else ""

    def kill(self) -> None:
        """SIGKILL: nothing can be finished."""
        self.wanted = False
        self.child.kill()

    def terminate(self) -> int:
        """SIGTERM; the exit code. One that does not go is killed, and says 137."""
        self.wanted = False
        return self.child.stop(STOP_SECONDS)

    def ask_to_end(self) -> None:
        """SIGTERM, without waiting."""
        self.wanted = False
        self.child.signal(signal.SIGTERM)

    def pause(self) -> None:
        """SIGSTOP: time goes on without it."""
        self.child.signal(signal.SIGSTOP)

    def go_on(self) -> None:
        """SIGCONT."""
        self.child.signal(signal.SIGCONT)

    def wait(self) -> int:
        """The exit code, once it has ended by itself."""
        return self.child.wait(STOP_SECONDS)

    def restart(self) -> None:
        """SIGTERM, then a new life."""
        assert self.terminate() == 0
        self.start()
