"""Commands as somebody types them: processes, with and without a terminal."""

from __future__ import annotations

import contextlib
import fcntl
import json
import os
import pty
import struct
import subprocess
import sys
import termios
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import chainenv
from chainenv_sandbox.up import neutral_environment

from ..integration.harness.cluster import Json
from ..integration.harness.stage import Stage

SECONDS = 120.0
"""Longest time a command may take on a busy machine."""
_TERMINAL = ("NO_COLOR", "FORCE_COLOR", "COLUMNS", "LINES", "TERM", "TTY_COMPATIBLE", "TTY_INTERACTIVE")


class Typed:
    """In the namespace of the stage, as the cluster's admin unless ``KUBECONFIG`` is given."""

    def __init__(self, stage: Stage) -> None:
        self.stage = stage

    def environment(self, settings: Mapping[str, str]) -> dict[str, str]:
        ours = {name: value for name, value in neutral_environment().items() if name not in _TERMINAL}
        chosen = {
            **ours,
            "PYTHONPATH": str(Path(chainenv.__file__).parents[1]),
            "KUBECONFIG": str(self.stage.cluster.plane.kubeconfig),
            "BASETEN_BASE_URL": self.stage.simulator.base_url,
            **settings,
        }
        return {name: value for name, value in chosen.items() if value}

    def command(self, arguments: tuple[str, ...]) -> list[str]:
        return [sys.executable, "-m", "chainenv", "-n", self.stage.namespace, *arguments]

    def __call__(self, *arguments: str, code: int = 0, input: str | None = None, **settings: str) -> subprocess.CompletedProcess[str]:
        """To its end, which has to be the exit code ``code``, without a traceback."""
        done = subprocess.run(
            self.command(arguments),
            env=self.environment(settings),
            capture_output=True,
            text=True,
            timeout=SECONDS,
            check=False,
            input=input,
        )
        assert "Traceback" not in done.stderr, done.stderr
        assert done.returncode == code, f"exit code {done.returncode}\n{done.stdout}\n{done.stderr}"
        return done

    def read(self, *arguments: str, **settings: str) -> Any:
        """The result as -o json writes it."""
        return json.loads(self(*arguments, "-o", "json", **settings).stdout)

    def fails(self, *arguments: str, **settings: str) -> str:
        """The one line that says why it failed, with exit code 1."""
        done = self(*arguments, code=1, **settings)
        (line,) = done.stderr.splitlines()
        assert line.startswith("error: ")
        return line

    def on_terminal(self, *arguments: str, columns: int, **settings: str) -> str:
        """What a terminal of so many columns shows until the command ends, colours included."""
        ours, theirs = pty.openpty()
        fcntl.ioctl(theirs, termios.TIOCSWINSZ, struct.pack("HHHH", 40, columns, 0, 0))
        environment = self.environment({"TERM": "xterm-256color", **settings})
        with subprocess.Popen(self.command(arguments), env=environment, stdin=theirs, stdout=theirs, stderr=theirs) as process:
            os.close(theirs)
            shown = bytearray()
            with contextlib.suppress(OSError):  # Linux' way of saying that the other end is closed
                while data := os.read(ours, 65536):
                    shown += data
            os.close(ours)
            assert process.wait(SECONDS) == 0, shown.decode()
        return shown.decode()


def set_status(stage: Stage, name: str = "staging", **status: Any) -> Json:
    """As the operator would write it; the resource as it is then."""
    patch = json.dumps({"status": status})
    stage.cluster.kubectl("patch", "chenv", name, "--subresource=status", "--type=merge", "-p", patch, namespace=stage.namespace)
    return stage.see(name)
