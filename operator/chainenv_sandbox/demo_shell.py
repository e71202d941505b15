"""Types commands as a person would: prints each line, runs it with sh, and shows its output as it comes."""

from __future__ import annotations

import os
import re
import shlex
import time
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Protocol, Self

import click

from chainenv_sandbox.processes import Child
from chainenv_sandbox.up import neutral_environment

LOOK_SECONDS = 0.03
PATIENCE_SECONDS = 120.0


class StepError(click.ClickException):
    """A command failed or did not show what it should; the message says which."""


class Needed(Protocol):
    """What must go on running for the story to go on."""

    def require_alive(self) -> None:
        """Raises when it has ended."""


class Shell:
    """A context manager, which ends what was started in the background. variables: exported before the first command."""

    def __init__(self, *, directory: Path, logs: Path, variables: Mapping[str, str], needed: Iterable[Needed] = ()) -> None:
        self._directory = directory
        self._logs = logs
        self._variables = dict(variables)
        self._needed = list(needed)
        self._background: list[Child] = []
        self._count = 0

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        for child in self._background:
            child.stop()

    def require_alive(self) -> None:
        for each in self._needed:
            each.require_alive()

    def exports(self) -> list[str]:
        """As a person would type them in another terminal: $PATH stays to be expanded by the shell."""
        quoted = {name: f'"{value}"' if "$PATH" in value else shlex.quote(value) for name, value in self._variables.items()}
        return [f"export {name}={value}" for name, value in quoted.items()]

    def narrate(self, text: str) -> None:
        click.echo(f"\n{click.style(f'# {text}', fg='cyan')}")

    def run(self, line: str) -> str:
        """Returns the output. Raises StepError when the exit code is not 0."""
        child = self._start(line)
        shown = _Shown(child)
        while child.alive:
            shown.more()
            self._wait(child, shown.started)
        shown.more()
        if code := child.poll():
            raise StepError(f"exit code {code} of: {line}")
        return shown.text

    def follow(self, line: str, until: str) -> None:
        """For a command that goes on, such as a watch: ends it when its output has a match of the regular expression `until`."""
        child = self._start(line)
        shown = _Shown(child)
        try:
            while not re.search(until, shown.text):
                if not child.alive:
                    raise StepError(f"exit code {child.poll()} of: {line}")
                self._wait(child, shown.started)
                shown.more()
        finally:
            child.stop(grace=2)

    def background(self, line: str) -> Child:
        """Goes on until we end, however we end, and then its log goes too. Must not end by itself."""
        child = self._start(line, shown=f"{line} &", scratch=self._logs)
        self._background.append(child)
        self._needed.append(child)
        return child

    def _start(self, line: str, *, shown: str | None = None, scratch: Path | None = None) -> Child:
        click.echo(click.style(f"$ {shown or line}", bold=True))
        self._count += 1
        log = self._logs / f"step-{self._count}.log"
        return Child(line, ["/bin/sh", "-c", line], log=log, env=self._environment(), cwd=self._directory, scratch=scratch)

    def _environment(self) -> dict[str, str]:
        """Without what would point the operator elsewhere, such as at the cluster that this machine is a pod of."""
        path = os.environ.get("PATH", os.defpath)
        exported = {name: value.replace("$PATH", path) for name, value in self._variables.items()}
        return {**neutral_environment(), "KUBECACHEDIR": str(self._logs / "kubectl-cache"), **exported}

    def _wait(self, child: Child, started: float) -> None:
        self.require_alive()
        if time.monotonic() - started > PATIENCE_SECONDS:
            child.kill()
            raise StepError(f"not done after {PATIENCE_SECONDS:.0f} s: {child.name}")
        time.sleep(LOOK_SECONDS)


class _Shown:
    """What has been printed so far of a command's output: whole lines, and the rest at the end."""

    def __init__(self, child: Child) -> None:
        self.started = time.monotonic()
        self.text = ""
        self._child = child

    def more(self) -> None:
        text = self._child.log.read_text(errors="replace")
        if self._child.alive:
            text = text[: text.rfind("\n") + 1]
        elif text and not text.endswith("\n"):
            text += "\n"
        click.echo(text[len(self.text) :], nl=False)
        self.text = text
