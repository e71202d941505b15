"""The process: how it starts, what it answers when asked, how it ends."""

from __future__ import annotations

import signal
import subprocess
import sys
from pathlib import Path

import httpx
import pytest

from chainenv_sandbox.controlplane.components import free_ports

from .harness.cluster import STRANGER
from .harness.manifests import resource
from .harness.operator import environment
from .harness.stage import Stage, condition
from .harness.waiting import wait_until

BAD_SETTINGS = [
    {
        "CHAINENV_POLL_SECONDS": ("soon", "valid number"),
        "CHAINENV_SETTLE_SECONDS": ("-1", "greater than 0"),
        "CHAINENV_RATE_LIMIT": ("nan", "finite number"),
        "CHAINENV_PROBE_PORT": ("70000", "65535"),
        "CHAINENV_LOG_FORMAT": ("xml", "'text' or 'json'"),
        "CHAINENV_LOG_LEVEL": ("loud", "'debug', 'info', 'warning' or 'error'"),
        "CHAINENV_LEADER_ELECTION": ("perhaps", "boolean"),
        "BASETEN_BASE_URL": ("http://api.baseten.co", "write https://"),
    },
    {
        "CHAINENV_POLL_SECONDS": ("0", "greater than 0"),
        "BASETEN_BASE_URL": ("api.baseten.co", "write it as https://api.baseten.co"),
    },
]
"""Variable: its value, and what the message says is allowed."""


def run(*arguments: str, **settings: str) -> subprocess.CompletedProcess[str]:
    """To its end, which has to come by itself."""
    command = [sys.executable, "-m", "chainenv", "run", *arguments]
    return subprocess.run(command, env=environment(settings), capture_output=True, text=True, timeout=120, check=False)


@pytest.mark.parametrize("mistakes", BAD_SETTINGS, ids=["every kind of mistake", "two more"])
def test_settings_that_cannot_be_used_stop_the_start_and_are_all_reported(mistakes: dict[str, tuple[str, str]]) -> None:
    done = run(**{variable: value for variable, (value, _) in mistakes.items()})
    assert done.returncode == 2
    lines = done.stderr.splitlines()
    assert len(lines) == len(mistakes)
    for variable, (value, allowed) in mistakes.items():
        (line,) = [each for each in lines if each.startswith(f"{variable}='{value}' cannot be used: ")]
        assert allowed in line


def test_a_flag_is_checked_as_its_variable_is() -> None:
    done = run("--poll-seconds", "soon")
    assert done.returncode == 2
    assert done.stderr.startswith("--poll-seconds=soon cannot be used: ")


def test_without_a_cluster_it_says_where_one_is_looked_for(tmp_path: Path) -> None:
    done = run(KUBECONFIG=str(tmp_path / "none"), HOME=str(tmp_path))
    assert done.returncode == 2
    assert "KUBECONFIG" in done.stderr
    assert "Traceback" not in done.stderr


def status_of(port: int, path: str) -> int | None:
    try:
        return httpx.get(f"http://127.0.0.1:{port}{path}", trust_env=False).status_code
    except httpx.TransportError:
        return None


def test_probes_and_metrics_answer(stage: Stage) -> None:
    probe, metrics = free_ports(2)
    stage.as_command = True
    stage.run_operator(CHAINENV_PROBE_PORT=str(probe), CHAINENV_METRICS_PORT=str(metrics))
    wait_until("/readyz says 200", lambda: status_of(probe, "/readyz") == 200)
    assert status_of(probe, "/livez") == 200
    assert httpx.get(f"http://127.0.0.1:{metrics}/metrics", trust_env=False).status_code == 200


def test_without_its_role_it_is_not_ready_and_says_what_to_apply(stage: Stage) -> None:
    (probe,) = free_ports(1)
    nobody = str(stage.cluster.plane.kubeconfig_for(STRANGER))
    stage.as_command = True
    operator = stage.run_operator(CHAINENV_PROBE_PORT=str(probe), KUBECONFIG=nobody)
    wait_until("the log says what to do", lambda: "kubectl apply -k deploy/kustomize/base" in operator.log)
    assert status_of(probe, "/readyz") == 503
    assert status_of(probe, "/livez") == 200


def test_sigterm_ends_it_with_exit_code_0_and_no_call_after(stage: Stage) -> None:
    stage.as_command = True
    operator = stage.run_operator()
    stage.apply(resource())
    stage.wait_settled()
    assert operator.terminate() == 0
    mark = stage.mark()
    stage.apply(resource(promotionSettings={"rampUpDurationSeconds": 5}))
    assert stage.simulator.journal(since=mark) == []


def test_sigterm_during_calls_lets_them_finish_and_begins_no_other(stage: Stage) -> None:
    stage.simulator.hold("create", method="POST", path="/environments$", times=None)
    stage.as_command = True
    operator = stage.run_operator()
    for name in ("staging", "second"):
        stage.apply(resource(name))
    stage.simulator.wait_held("create", count=2)
    operator.ask_to_end()
    wait_until("the signal is heard", lambda: "finishing what is under way" in operator.log)
    mark = stage.mark()
    stage.simulator.release()
    assert operator.wait() == 0
    for name in ("staging", "second"):
        assert condition(stage.see(name), "Synced")["reason"] == "Creating", "the outcome of the call is in status"
    assert stage.simulator.journal(since=mark) == []


def test_a_second_sigterm_ends_it_at_once(stage: Stage) -> None:
    stage.simulator.hold("create", method="POST", path="/environments$")
    stage.as_command = True
    operator = stage.run_operator()
    stage.apply(resource())
    stage.simulator.wait_held("create")
    operator.ask_to_end()
    wait_until("the signal is heard", lambda: "finishing what is under way" in operator.log)
    operator.ask_to_end()
    assert operator.wait() == 128 + signal.SIGTERM
