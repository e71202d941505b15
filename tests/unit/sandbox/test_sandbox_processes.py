from __future__ import annotations

import signal
import threading
from pathlib import Path

import pytest

from chainenv_sandbox.processes import Child, NotReadyError, ProcessDiedError

from .helpers import Run, process_arguments, wait_for

FOREVER = "while :; do sleep 0.1; done"


def shell(tmp_path: Path, script: str) -> Child:
    return Child("the script", ["/bin/sh", "-c", script], log=tmp_path / "log")


def number_in(file: Path) -> int:
    wait_for(lambda: file.exists() and file.read_text().endswith("\n"), f"a process id in {file}")
    return int(file.read_text())


def wait_gone(pid: int) -> None:
    wait_for(lambda: pid not in process_arguments(), f"process {pid} to be gone")


def test_output_and_exit_code(tmp_path: Path) -> None:
    child = shell(tmp_path, "echo out; echo err >&2; exit 3")
    assert child.wait(10) == 3
    assert child.log.read_text().split() == ["out", "err"]


def test_a_command_that_does_not_exist(tmp_path: Path) -> None:
    child = Child("nothing", ["/does/not/exist"], log=tmp_path / "log")
    assert child.wait(10) == 127
    assert "cannot start /does/not/exist" in child.log_tail()


def test_an_early_end_is_reported_with_the_end_of_the_log(tmp_path: Path) -> None:
    child = shell(tmp_path, "echo the port is taken; exit 1")
    with pytest.raises(ProcessDiedError, match=r"the script ended with exit code 1[\s\S]*the port is taken"):
        child.wait_until(lambda: False, timeout=30)


def test_not_ready_in_time_is_reported_with_the_end_of_the_log(tmp_path: Path) -> None:
    child = shell(tmp_path, f"echo thinking; {FOREVER}")
    wait_for(child.log_tail, "the first output")
    with pytest.raises(NotReadyError, match=r"not ready after 0 s[\s\S]*thinking"):
        child.wait_until(lambda: False, timeout=0.01)
    child.kill()


def test_stop_asks_first(tmp_path: Path) -> None:
    child = shell(tmp_path, f"trap 'echo bye; exit 0' TERM; echo up; {FOREVER}")
    wait_for(child.log_tail, "the trap to be set")
    assert child.stop() == 0
    assert child.log_tail().endswith("bye")


def test_stop_kills_what_does_not_listen(tmp_path: Path) -> None:
    child = shell(tmp_path, f"trap '' TERM; echo up; {FOREVER}")
    wait_for(child.log_tail, "the trap to be set")
    assert child.stop(grace=0.2) == 128 + signal.SIGKILL


def test_stop_twice_is_harmless(tmp_path: Path) -> None:
    child = shell(tmp_path, FOREVER)
    assert child.stop() == child.stop() == child.kill()


def test_kill_returns_after_the_command_has_gone(tmp_path: Path) -> None:
    child = shell(tmp_path, f"echo $$ > {tmp_path}/pid; {FOREVER}")
    pid = number_in(tmp_path / "pid")
    child.kill()
    assert pid not in process_arguments()


def test_what_the_command_leaves_behind_is_ended(tmp_path: Path) -> None:
    child = shell(tmp_path, f"sh -c 'echo $$ > {tmp_path}/pid; {FOREVER}' & while [ ! -s {tmp_path}/pid ]; do sleep 0.02; done")
    assert child.wait(10) == 0
    wait_gone(number_in(tmp_path / "pid"))


def test_a_child_survives_the_thread_that_started_it(tmp_path: Path) -> None:
    children: list[Child] = []
    thread = threading.Thread(target=lambda: children.append(shell(tmp_path, f"echo up; {FOREVER}")))
    thread.start()
    thread.join()
    wait_for(children[0].log_tail, "the child's first output")
    assert children[0].alive
    children[0].kill()


@pytest.mark.parametrize("trap", ["", "trap '' TERM HUP INT;"], ids=["obedient", "deaf"])
def test_children_and_their_children_die_when_we_are_killed(python: Run, tmp_path: Path, trap: str) -> None:
    script = f"{trap} sh -c 'echo $$ > {tmp_path}/inner; {FOREVER}' & echo $$ > {tmp_path}/outer; {FOREVER}"
    code = f"""
import time
from pathlib import Path
from chainenv_sandbox.processes import Child
child = Child("x", ["/bin/sh", "-c", {script!r}], log=Path("log"))
time.sleep(600)
"""
    parent = python("-c", code)
    pids = [number_in(tmp_path / name) for name in ("outer", "inner")]
    assert set(pids) <= set(process_arguments())
    parent.kill()
    for pid in pids:
        wait_gone(pid)
