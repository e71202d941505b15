"""Child processes that never outlive us, not even when we are killed with SIGKILL.

Each command runs under a small supervisor: this very file, started as a script. We hold the writing end of its stdin and
send down there the signals that the command's process group shall get, a byte each. When we go, however we go, the kernel
closes the pipe, and the supervisor ends the group: SIGTERM, then SIGKILL. It leaves only after the command, so a child that
was waited for holds no port and no file any more.

Linux' PR_SET_PDEATHSIG was rejected: macOS has none, and the signal is sent when the *thread* that forked ends, so a child
started from a worker thread would die at a moment nobody expects. A supervisor costs about 40 ms and 10 MB.

A session of its own keeps a Ctrl-C at the terminal from reaching the children, so that we decide the order of the end.
"""

from __future__ import annotations

import contextlib
import os
import select
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

ORPHAN_GRACE_SECONDS = 1.0
PARENT_CHECK_SECONDS = 1.0


class ProcessDiedError(RuntimeError):
    """A child ended although it was meant to go on; the message holds the end of its log."""


class NotReadyError(RuntimeError):
    """What was waited for did not come about in time; the message holds the end of the log."""


class Child:
    """A running command. Its output goes to `log` (appended).

    scratch: a directory that is removed when we go without having ended the child; otherwise it is ours to remove.
    """

    def __init__(
        self,
        name: str,
        command: Sequence[str | Path],
        *,
        log: Path,
        env: Mapping[str, str] | None = None,
        cwd: Path | None = None,
        scratch: Path | None = None,
    ) -> None:
        self.name = name
        self.log = log
        # -I -S: the supervisor needs the standard library only, and whatever is in the environment must not disturb it.
        supervisor = [sys.executable, "-IS", os.path.abspath(__file__), "--watch-stdin", str(scratch or ""), "--", *map(str, command)]
        with log.open("ab") as output:
            self._process = subprocess.Popen(
                supervisor, stdin=subprocess.PIPE, stdout=output, stderr=output, env=env, cwd=cwd, start_new_session=True
            )

    @property
    def alive(self) -> bool:
        return self.poll() is None

    def poll(self) -> int | None:
        """The exit code, once ended; 128 + n when signal n ended the command."""
        code = self._process.poll()
        if code is not None and self._process.stdin is not None:
            self._process.stdin.close()
        return code if code is None or code >= 0 else 128 - code

    def wait(self, timeout: float | None = None) -> int:
        self._process.wait(timeout)
        code = self.poll()
        assert code is not None
        return code

    def signal(self, number: int) -> None:
        """To the command and whatever it has started. Harmless when it has ended already."""
        if self.alive and self._process.stdin is not None:
            with contextlib.suppress(BrokenPipeError):
                os.write(self._process.stdin.fileno(), bytes([number]))

    def stop(self, grace: float = 10.0) -> int:
        """SIGTERM, then SIGKILL after `grace` seconds. Harmless when it has ended already."""
        self.signal(signal.SIGTERM)
        try:
            return self.wait(grace)
        except subprocess.TimeoutExpired:
            return self.kill()

    def kill(self) -> int:
        """SIGKILL, at once."""
        self.signal(signal.SIGKILL)
        return self.wait()

    def log_tail(self, lines: int = 20) -> str:
        text = self.log.read_text(errors="replace") if self.log.exists() else ""
        return "\n".join(text.splitlines()[-lines:])

    def require_alive(self) -> None:
        code = self.poll()
        if code is not None:
            raise ProcessDiedError(f"{self.name} ended with exit code {code}; the end of {self.log}:\n{self.log_tail()}")

    def wait_until(self, ready: Callable[[], bool], *, timeout: float, interval: float = 0.05) -> None:
        """Raises ProcessDiedError as soon as the child is gone, NotReadyError after `timeout` seconds."""
        deadline = time.monotonic() + timeout
        while not ready():
            self.require_alive()
            if time.monotonic() > deadline:
                raise NotReadyError(f"{self.name} is not ready after {timeout:.0f} s; the end of {self.log}:\n{self.log_tail()}")
            time.sleep(interval)


def _supervise(command: Sequence[str], scratch: str) -> int:
    """Runs the command until it ends or our parent is gone. One thread: everything arrives through select."""
    parent, orders = os.getppid(), sys.stdin.fileno()
    wake = _wake_on_signals()
    try:
        process = subprocess.Popen(command, stdin=subprocess.DEVNULL, process_group=0)
    except OSError as error:
        print(f"cannot start {command[0]}: {error}", file=sys.stderr, flush=True)
        return 127
    while process.poll() is None:
        readable, _, _ = select.select([orders, wake], [], [], PARENT_CHECK_SECONDS)
        numbers = os.read(orders, 64) if orders in readable else b""
        for number in numbers:
            _signal_group(process, number)
        # A forked copy of our parent may hold the pipe open; then its own disappearance tells.
        orphaned = os.getppid() != parent or (orders in readable and not numbers)
        if orphaned or (wake in readable and set(os.read(wake, 64)) - {signal.SIGCHLD}):
            _end_group(process)
        if orphaned and scratch:
            shutil.rmtree(scratch, ignore_errors=True)
    _signal_group(process, signal.SIGKILL)  # what the command left behind
    return process.returncode if process.returncode >= 0 else 128 - process.returncode


def _wake_on_signals() -> int:
    """A descriptor that gets the number of each signal sent to us. Unlike SIG_IGN, handlers are not handed down."""
    reader, writer = os.pipe()
    for descriptor in (reader, writer):
        os.set_blocking(descriptor, False)
    signal.set_wakeup_fd(writer, warn_on_full_buffer=False)
    for number in (signal.SIGCHLD, signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        signal.signal(number, lambda *_: None)
    return reader


def _signal_group(process: subprocess.Popen[bytes], number: int) -> None:
    with contextlib.suppress(ProcessLookupError, PermissionError):  # macOS says the latter of a group of zombies
        os.killpg(process.pid, number)


def _end_group(process: subprocess.Popen[bytes]) -> None:
    for number in (signal.SIGTERM, signal.SIGCONT):  # one that was stopped could not hear the first
        _signal_group(process, number)
    with contextlib.suppress(subprocess.TimeoutExpired):
        process.wait(ORPHAN_GRACE_SECONDS)
    _signal_group(process, signal.SIGKILL)
    process.wait()


if __name__ == "__main__":
    if sys.argv[1:4:2] != ["--watch-stdin", "--"] or len(sys.argv) < 5:
        sys.exit("usage: processes.py --watch-stdin SCRATCH-DIRECTORY -- COMMAND [ARGUMENT...]")
    sys.exit(_supervise(sys.argv[4:], scratch=sys.argv[2]))
