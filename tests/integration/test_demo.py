"""`make demo` as a person, a pipeline and a killer see it."""

from __future__ import annotations

import os
import pty
import re
import select
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from .harness.waiting import wait_until

DEMO = [sys.executable, "-m", "chainenv_sandbox", "demo"]
PATIENCE_SECONDS = 180.0
CTRL_C = b"\x03"


class Terminal:
    """A demo at a terminal of its own."""

    def __init__(self, directory: Path) -> None:
        self.screen = ""
        self._master, slave = pty.openpty()
        self.process = subprocess.Popen(DEMO, cwd=directory, preexec_fn=lambda: os.login_tty(slave))  # noqa: PLW1509 - nothing else runs
        os.close(slave)

    def type(self, keys: bytes) -> None:
        os.write(self._master, keys)

    def read_until(self, text: str) -> None:
        """Fails the test when it does not come."""
        deadline = time.monotonic() + PATIENCE_SECONDS
        while text not in self.screen:
            assert time.monotonic() < deadline, f"no {text!r} on the screen:\n{self.screen}"
            assert self.read(), f"the demo ended before {text!r}:\n{self.screen}"

    def read(self) -> bool:
        """Whether there may be more."""
        if not select.select([self._master], [], [], 1)[0]:
            return True
        try:
            text = os.read(self._master, 65536).decode(errors="replace")
        except OSError:  # how Linux says that nobody has the terminal open any more
            text = ""
        self.screen += text
        return bool(text)

    def wait(self) -> int:
        """Reads to the end; the exit code."""
        while self.read():
            pass
        return self.process.wait(PATIENCE_SECONDS)

    def close(self) -> None:
        self.process.kill()
        self.process.wait()
        os.close(self._master)


@pytest.fixture
def terminal(tmp_path: Path) -> Iterator[Terminal]:
    terminal = Terminal(tmp_path)
    yield terminal
    terminal.close()


def descendants(ancestor: int) -> dict[int, str]:
    """Live processes that it started, and those that they started."""
    listing = subprocess.run(["ps", "-axww", "-o", "pid=,ppid=,stat=,args="], capture_output=True, text=True, check=True).stdout
    rows = [line.split(maxsplit=3) for line in listing.splitlines()]
    found: dict[int, str] = {}
    parents = {ancestor}
    while parents:
        children = {int(row[0]): row[3] for row in rows if int(row[1]) in parents and not row[2].startswith("Z") and len(row) == 4}
        found |= children
        parents = set(children)
    return found


def remaining(of: dict[int, str]) -> list[str]:
    alive = subprocess.run(["ps", "-axww", "-o", "pid=,stat=,args="], capture_output=True, text=True, check=True).stdout
    rows = (line.split(maxsplit=2) for line in alive.splitlines())
    return [row[2] for row in rows if len(row) == 3 and not row[1].startswith("Z") and of.get(int(row[0])) == row[2]]


def test_without_a_terminal_it_tells_the_story_and_ends(tmp_path: Path) -> None:
    done = subprocess.run(
        DEMO, cwd=tmp_path, stdin=subprocess.DEVNULL, capture_output=True, text=True, timeout=PATIENCE_SECONDS, check=False
    )
    told = done.stdout
    assert done.returncode == 0, f"{told}\n{done.stderr}"
    steps = [
        r"^export KUBECONFIG=/",
        r"^\$ kubectl apply --server-side -f crds/",
        r"^\$ chainenv run ",
        r"^\$ kubectl apply -f deploy/samples/staging\.yaml\n.*staging created",
        r"^\$ kubectl get chenv staging --watch\nNAME .* READY ",
        r"^staging +abcd1234 +staging +\w+ +ACTIVE +5 +True",
        r"^\$ kubectl wait chenv/staging --for=condition=Ready .*\n.* condition met",
        r"deployment \w+ is ACTIVE",
        r"EnvironmentCreated .*created environment staging of chain abcd1234",
        r"^\$ chainenv plan -f deploy/samples/staging-new-instance-types\.yaml.*\n(?:.*\n)*.*UpdateInstanceTypes \(starts a deployment\)",
        r"1 environment, 1 call, 1 deployment started",
        r"^\$ kubectl apply -f deploy/samples/staging-new-instance-types\.yaml\n.*staging configured",
        r"^(\w+) +(?!<none>)(\w+) +\w+\n(?:.*\n)*\2 +<none>",
        r"^\$ chainenv status staging\ndefault/staging .*\n(?:.*\n)*  Current +ACTIVE",
        r"^HelloWorld\t1 vCPU, 4 GiB RAM\tACTIVE\nRandInt\t2 A10G, 24 vCPUs, 96 GiB RAM\tACTIVE$",
        r"max_replica\": 9",
        r"^AutoscalingCorrected .*maxReplica 9 -> 3",
        r"maxReplica}'\n3$",
    ]
    position = 0
    for step in steps:
        match = re.compile(step, re.MULTILINE).search(told, position)
        assert match, f"{step} does not come after:\n{told[:position]}\nbut this does:\n{told[position:]}"
        position = match.start()
    kubeconfig = re.search(r"^export KUBECONFIG=(\S+)$", told, re.MULTILINE)
    assert kubeconfig is not None
    assert not Path(kubeconfig[1]).parent.exists()


def test_at_a_terminal_it_stays_up_until_ctrl_c(terminal: Terminal) -> None:
    terminal.read_until("Ctrl-C stops everything.")
    started = descendants(terminal.process.pid)
    assert any(line.endswith("--probe-port=0") for line in started.values()), started
    assert terminal.process.poll() is None
    terminal.type(CTRL_C)
    assert terminal.wait() == 0, terminal.screen
    assert remaining(started) == []


def test_interrupted_on_the_way_it_ends_at_once(terminal: Terminal) -> None:
    terminal.read_until("--watch")
    started = descendants(terminal.process.pid)
    terminal.type(CTRL_C)
    assert terminal.wait() == 128 + signal.SIGINT, terminal.screen
    assert remaining(started) == []


def test_killed_it_leaves_nothing_behind(terminal: Terminal) -> None:
    terminal.read_until("--watch")
    started = descendants(terminal.process.pid)
    assert any("kube-apiserver" in line for line in started.values()), started
    terminal.process.kill()
    wait_until("all that was started is gone", lambda: not remaining(started))
    directories = {path for line in started.values() for path in re.findall(r"/\S*/chainenv-(?:sandbox|demo)-[^/\s]+", line)}
    assert directories
    wait_until("what they wrote is gone", lambda: not any(Path(path).exists() for path in directories))
