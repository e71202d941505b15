"""To stop working without anyone noticing is the second worst thing: each kind of silence is caused here, and noticed."""

from __future__ import annotations

import contextlib
import os
import re
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import httpx
import pytest

from chainenv_sandbox.controlplane.components import free_ports
from chainenv_sandbox.proxy.client import Proxy

from .harness.case import Case
from .harness.cluster import STRANGER
from .harness.manifests import chainlet
from .harness.operator import OperatorProcess, environment
from .harness.stage import Stage, is_handled, is_settled
from .harness.waiting import PATIENCE_SECONDS, wait_until

HASTY = {"chainenv.app.health:READY_SECONDS": 2.0, "chainenv.kube.cluster:CONTACT_SECONDS": 0.3}
RELISTING = {"chainenv.kube.lister:RELIST_SECONDS": 1.0}
SUSPICIOUS = {"chainenv.kube.handlers:INACTIVITY_SECONDS": 2.0}
"""A watch that says nothing for so long is taken for dead (70 s: the API server sends a bookmark each minute)."""


@pytest.fixture
def stage(apart: Stage) -> Stage:
    return apart


def settled(stage: Stage) -> Case:
    case = Case(stage, f"heard-{stage.namespace}").existing()
    case.apply()
    case.wait_for("settled, and its cost is known: nothing else is written", lambda seen: is_settled(seen) and "cost" in seen["status"])
    return case


def answer(port: int, path: str) -> httpx.Response | None:
    """None: nothing is answered within a second, as much as a kubelet waits by default."""
    try:
        return httpx.get(f"http://127.0.0.1:{port}{path}", timeout=1, trust_env=False)
    except httpx.TransportError:
        return None


def says(port: int, path: str, status: int, words: str = "") -> bool:
    found = answer(port, path)
    return found is not None and found.status_code == status and words in found.text


# -- the process ---------------------------------------------------------------------------------------------------


class UnreadLog:
    """What an operator writes its log to, and nobody reads: once it is full, the next line stops the whole process."""

    def __init__(self, path: Path) -> None:
        os.mkfifo(path)
        self._reader = os.open(path, os.O_RDONLY | os.O_NONBLOCK)
        self.writer = os.open(path, os.O_WRONLY)
        self._filler = os.open(path, os.O_WRONLY | os.O_NONBLOCK)

    def fill(self) -> None:
        for size in (4096, 1):
            with contextlib.suppress(BlockingIOError):
                while True:
                    os.write(self._filler, b"." * size)

    def read_on(self) -> None:
        """From now on somebody reads, to the end."""
        os.set_blocking(self._reader, True)
        os.close(self._filler)
        threading.Thread(target=self._drain, daemon=True).start()

    def _drain(self) -> None:
        with os.fdopen(self._reader, "rb") as reader:
            reader.read()


@contextmanager
def operator_with_log(stage: Stage, log: UnreadLog, **settings: str) -> Iterator[subprocess.Popen[bytes]]:
    command = [sys.executable, "-m", "chainenv", "run"]
    env = environment(stage.settings(settings))
    with subprocess.Popen(command, stderr=log.writer, env=env, stdin=subprocess.DEVNULL) as child:
        os.close(log.writer)
        try:
            yield child
        finally:
            child.kill()


def test_livez_gets_no_answer_while_the_event_loop_hangs_and_one_when_it_goes_on(stage: Stage, tmp_path: Path) -> None:
    (probe,) = free_ports(1)
    log = UnreadLog(tmp_path / "log")
    case = Case(stage, f"hung-{stage.namespace}").existing().apply()
    with operator_with_log(stage, log, CHAINENV_PROBE_PORT=str(probe)) as child:
        case.wait_settled()
        wait_until("/livez says 200", lambda: says(probe, "/livez", 200))
        log.fill()
        stage.simulator.set_deployment(case.current(), status="UNHEALTHY")
        wait_until("nothing is answered any more", lambda: answer(probe, "/livez") is None)
        assert child.poll() is None
        log.read_on()
        wait_until("/livez says 200 again", lambda: says(probe, "/livez", 200))
        case.wait_polls(2)
        child.terminate()
        assert child.wait(PATIENCE_SECONDS) == 0


# -- the API server ------------------------------------------------------------------------------------------------


def test_readyz_fails_while_the_api_server_cannot_be_reached_and_recovers(stage: Stage, proxy: Proxy, proxied: str) -> None:
    (probe,) = free_ports(1)
    stage.run_operator(HASTY, KUBECONFIG=proxied, CHAINENV_PROBE_PORT=str(probe))
    wait_until("/readyz says 200", lambda: says(probe, "/readyz", 200))
    proxy.refuse()
    wait_until("/readyz says why not", lambda: says(probe, "/readyz", 503, "no successful contact with the API server"))
    wait_until("/livez says 200: a restart would not help", lambda: says(probe, "/livez", 200))
    proxy.accept()
    wait_until("/readyz says 200 again", lambda: says(probe, "/readyz", 200))


def test_readyz_fails_while_the_api_server_takes_calls_and_answers_none(stage: Stage, proxy: Proxy, proxied: str) -> None:
    (probe,) = free_ports(1)
    stage.run_operator(HASTY, KUBECONFIG=proxied, CHAINENV_PROBE_PORT=str(probe))
    wait_until("/readyz says 200", lambda: says(probe, "/readyz", 200))
    proxy.hold("all", times=None)
    wait_until("/readyz says why not", lambda: says(probe, "/readyz", 503, "no successful contact with the API server"))
    proxy.release()
    wait_until("/readyz says 200 again", lambda: says(probe, "/readyz", 200))


def test_what_changed_while_the_api_server_was_away_is_acted_on_afterwards(stage: Stage, proxy: Proxy, proxied: str) -> None:
    operator = stage.run_operator(KUBECONFIG=proxied)
    case = settled(stage)
    proxy.refuse()
    case.apply(promotionSettings={"rampUpDurationSeconds": 60})
    stage.simulator.set_deployment(case.current(), status="UNHEALTHY")
    wait_until("the status cannot be written", lambda: "cannot be reached" in operator.log)
    stage.simulator.set_deployment(case.current(), status="ACTIVE")
    proxy.accept()
    case.wait_settled()
    assert case.names_sent() == ["promotion settings"]


# -- the watch -----------------------------------------------------------------------------------------------------


def watched(proxy: Proxy) -> None:
    wait_until("the watch is open", lambda: proxy.watches()["open"] > proxy.watches()["mute"])


def changed_is_handled(case: Case) -> None:
    case.apply(promotionSettings={"rampUpDurationSeconds": 60})
    case.wait_for("the change is handled", is_handled)
    case.wait_settled()
    assert case.names_sent() == ["promotion settings"]


def test_a_watch_that_was_cut_is_opened_again(stage: Stage, proxy: Proxy, proxied: str) -> None:
    stage.run_operator(KUBECONFIG=proxied)
    case = settled(stage)
    watched(proxy)
    assert proxy.cut_watches()
    changed_is_handled(case)


def test_a_relist_finds_what_a_silent_watch_did_not_tell(stage: Stage, proxy: Proxy, proxied: str) -> None:
    [port] = free_ports(1)
    operator = stage.run_operator(RELISTING, KUBECONFIG=proxied, CHAINENV_METRICS_PORT=str(port))
    case = settled(stage)
    watched(proxy)
    assert proxy.mute_watches(new=True)
    changed_is_handled(case)
    assert "changes that the watch had not reported" in operator.log
    metrics = httpx.get(f"http://127.0.0.1:{port}/metrics", trust_env=False).text
    assert re.search(r"^chainenv_relist_missed_total [1-9]", metrics, re.MULTILINE)


def test_a_relist_finds_that_a_resource_is_gone(stage: Stage, proxy: Proxy, proxied: str) -> None:
    operator = stage.run_operator(RELISTING, KUBECONFIG=proxied)
    case = settled(stage)
    watched(proxy)
    assert proxy.mute_watches(new=True)
    case.delete()
    case.wait_gone()
    wait_until("it is logged", lambda: "changes that the watch had not reported" in operator.log)
    assert case.sent() == []
    nobody_polls(operator, case)


def nobody_polls(operator: OperatorProcess, case: Case) -> None:
    """Another resource is polled meanwhile, this one is not."""
    other = Case(case.stage, f"other-{case.namespace}").existing().apply()
    wait_until("the other one is found", other.calls)
    mark = case.mark()
    other.wait_polls(3)
    assert case.calls(mark) == []
    assert operator.alive


def test_a_silent_watch_is_replaced(stage: Stage, proxy: Proxy, proxied: str) -> None:
    stage.run_operator(SUSPICIOUS, KUBECONFIG=proxied)
    case = settled(stage)
    watched(proxy)
    muted = proxy.mute_watches()
    assert muted
    changed_is_handled(case)
    assert proxy.watches()["mute"] < muted


# -- when the watch fails outright ---------------------------------------------------------------------------------


@pytest.fixture
def role(stage: Stage) -> Iterator[Callable[[bool], None]]:
    """Gives the stranger the operator's role, and takes it away."""
    name = "stranger-for-a-while"

    def give(wanted: bool) -> None:
        stage.cluster.kubectl("delete", "clusterrolebinding", name, "--ignore-not-found")
        if wanted:
            stage.cluster.kubectl("create", "clusterrolebinding", name, "--clusterrole=chainenv-operator", f"--user={STRANGER.name}")

    yield give
    give(False)


@pytest.fixture
def stranger(stage: Stage, proxy: Proxy, tmp_path: Path) -> str:
    """KUBECONFIG of the stranger, through the proxy."""
    path = tmp_path / "kubeconfig-of-the-stranger"
    path.write_text(proxy.kubeconfig(stage.cluster.plane.kubeconfig_for(STRANGER)))
    return str(path)


def fail_the_watch(operator: OperatorProcess, proxy: Proxy, role: Callable[[bool], None]) -> None:
    """The role is taken away and the watch cut; it is given back once the watch has been given up."""
    role(False)
    proxy.cut_watches()
    wait_until("the watch is given up", lambda: "the watch failed and is started again" in operator.log)
    role(True)


def test_a_watch_that_failed_is_started_again_and_nothing_was_missed(
    stage: Stage, proxy: Proxy, stranger: str, role: Callable[[bool], None]
) -> None:
    role(True)
    operator = stage.run_operator(KUBECONFIG=stranger)
    case = settled(stage)
    watched(proxy)
    fail_the_watch(operator, proxy, role)
    changed_is_handled(case)


def test_what_is_under_way_when_the_watch_fails_goes_on(stage: Stage, proxy: Proxy, stranger: str, role: Callable[[bool], None]) -> None:
    """A poll and a rollout wait for Baseten's answer meanwhile; afterwards both resources are still looked after."""
    role(True)
    operator = stage.run_operator(KUBECONFIG=stranger, CHAINENV_POLL_SECONDS="0.5")
    case = settled(stage)
    other = Case(stage, f"polled-{stage.namespace}").existing().apply()
    other.wait_settled()
    watched(proxy)
    stage.simulator.hold("call", method="POST", path=f"/chains/{case.chain}/.*/instance_types/update$", point="after_effect")
    stage.simulator.hold("poll", method="GET", path=f"/chains/{other.chain}/", if_gone="wait")
    case.apply(chainletSettings=[chainlet("HelloWorld", "1x4"), chainlet("RandInt", "A10Gx4x16")])
    stage.simulator.wait_held("call")
    stage.simulator.wait_held("poll")
    fail_the_watch(operator, proxy, role)
    stage.simulator.release()
    other.wait_polls(2)
    case.wait_settled()
    assert case.started() == ["instance_types"]
