"""Two replicas: one acts, the other is ready to. Whoever does not hold the Lease does nothing."""

from __future__ import annotations

import json
import time

import httpx
import pytest

from chainenv_sandbox.controlplane.components import free_ports
from chainenv_sandbox.proxy.client import Proxy

from ..conftest import MEASURED
from .harness.case import Case
from .harness.cluster import Json
from .harness.fixtures import ELECTING, LEASE_NAMESPACE
from .harness.manifests import chainlet
from .harness.operator import OperatorProcess
from .harness.stage import Stage
from .harness.waiting import wait_until

LEASE = f"/apis/coordination.k8s.io/v1/namespaces/{LEASE_NAMESPACE}/leases/chainenv-operator"
SHORT = {
    "chainenv.kube.leader:LEASE_SECONDS": 6,
    "chainenv.kube.leader:RENEW_SECONDS": 0.5,
    "chainenv.kube.leader:REQUEST_SECONDS": 1.5,
    "chainenv.kube.leader:TRUSTED_SECONDS": 4.5,
}
PATIENT = {**SHORT, "chainenv.kube.leader:LEASE_SECONDS": 15, "chainenv.kube.leader:TRUSTED_SECONDS": 12.0}
"""Longer than one request that hangs, as in production."""
ACTING = "this process holds the Lease"


@pytest.fixture
def stage(without_lease: Stage) -> Stage:
    return without_lease


def start(stage: Stage, key: str, hurry: dict[str, float] | None = None, /, **settings: str) -> OperatorProcess:
    """``key``: the name of its API key, by which Baseten's journal tells the replicas apart."""
    return stage.run_operator(hurry, **ELECTING, BASETEN_API_KEY=stage.keys[key], **settings)


def wait_acting(operator: OperatorProcess, *, times: int = 1) -> None:
    wait_until("it holds the Lease", lambda: operator.log.count(ACTING) >= times, interval=0.01)


def wait_standing_by(operator: OperatorProcess) -> None:
    wait_until("it stands by", lambda: "waiting for the Lease" in operator.log)


def calls_of(stage: Stage, key: str, since: int = 0) -> list[str]:
    return [f"{each.method} {each.path}" for each in stage.simulator.journal(since=since, key=key)]


def lease(stage: Stage) -> Json:
    found: Json = stage.cluster.get(LEASE)["spec"]
    return found


def writes(proxy: Proxy, since: int) -> list[str]:
    """To resources, as far as the API server was asked for them."""
    return [f"{e.method} {e.path}" for e in proxy.calls(since=since, path="/chainenvironments/") if e.method != "GET"]


def settled(stage: Stage, name: str) -> Case:
    case = Case(stage, f"{name}-{stage.namespace}").existing()
    case.apply()
    case.wait_settled()
    return case


# -- standing by ---------------------------------------------------------------------------------------------------


def test_the_stand_by_is_ready_with_a_warm_cache_and_calls_nobody(stage: Stage) -> None:
    leader = start(stage, "default")
    wait_acting(leader)
    probe, metrics = free_ports(2)
    second = start(stage, "team", CHAINENV_PROBE_PORT=str(probe), CHAINENV_METRICS_PORT=str(metrics))
    wait_standing_by(second)
    settled(stage, "warm").wait_polls(5)

    def ask(port: int, path: str) -> httpx.Response:
        return httpx.get(f"http://127.0.0.1:{port}{path}", trust_env=False)

    assert ask(probe, "/readyz").status_code == 200
    assert ask(probe, "/livez").status_code == 200
    wait_until("its cache holds the resource", lambda: "\nchainenv_resources 1.0\n" in ask(metrics, "/metrics").text)
    assert "\nchainenv_leader 0.0\n" in ask(metrics, "/metrics").text
    assert "\nchainenv_queue_late_seconds 0.0\n" in ask(metrics, "/metrics").text, "whoever does not act is not late"
    assert calls_of(stage, "team") == []
    assert ACTING not in second.log


# -- the end of a leader -------------------------------------------------------------------------------------------


def test_after_sigterm_the_stand_by_acts_at_once(stage: Stage, record_property: object) -> None:
    leader = start(stage, "default")
    wait_acting(leader)
    second = start(stage, "team")
    wait_standing_by(second)
    case = settled(stage, "handed-over")
    begun = time.monotonic()
    leader.ask_to_end()
    wait_acting(second)
    record(record_property, f"failover after SIGTERM: {time.monotonic() - begun:.2f} s")
    assert leader.wait() == 0
    mark = stage.mark()
    case.apply(promotionSettings={"rampUpDurationSeconds": 60})
    case.wait_settled()
    assert case.names_sent(mark) == ["promotion settings"]
    assert calls_of(stage, "default", mark) == []


def test_after_sigkill_the_stand_by_acts_when_the_lease_has_run_out(stage: Stage, record_property: object) -> None:
    leader = start(stage, "default", SHORT)
    wait_acting(leader)
    second = start(stage, "team", SHORT)
    wait_standing_by(second)
    case = settled(stage, "taken-over")
    begun = time.monotonic()
    leader.kill()
    case.apply(promotionSettings={"rampUpDurationSeconds": 60})
    wait_acting(second)
    record(
        record_property,
        f"failover after SIGKILL with a Lease of {lease(stage)['leaseDurationSeconds']} s: {time.monotonic() - begun:.2f} s",
    )
    case.wait_settled()
    assert case.names_sent() == ["promotion settings"]
    assert lease(stage)["leaseTransitions"] == 1


def test_the_lease_is_given_back_at_the_end(stage: Stage) -> None:
    leader = start(stage, "default", SHORT)
    wait_acting(leader)
    assert leader.terminate() == 0
    assert lease(stage)["holderIdentity"] == ""


def test_a_lease_given_back_is_not_taken_again_by_who_ends(stage: Stage, proxy: Proxy, proxied: str) -> None:
    """Its last events take a while to be written."""
    leader = start(stage, "default", SHORT, KUBECONFIG=proxied)
    wait_acting(leader)
    proxy.hold("events", method="POST", path="/events$", times=None)
    settled(stage, "slow-events")
    proxy.wait_held("events")
    leader.ask_to_end()
    assert leader.wait() == 0
    assert lease(stage)["holderIdentity"] == ""


# -- renewing ------------------------------------------------------------------------------------------------------


def renewals(proxy: Proxy, since: int) -> int:
    """That were answered well."""
    return len(proxy.calls(since=since, method="PUT", path=LEASE, status=200, done=True))


@pytest.mark.parametrize("method", ["PUT", "GET"])
def test_a_request_that_hangs_does_not_cost_the_lease(stage: Stage, proxy: Proxy, proxied: str, method: str) -> None:
    leader = start(stage, "default", PATIENT, KUBECONFIG=proxied)
    wait_acting(leader)
    case = settled(stage, f"hung-{method.lower()}")
    for round_ in range(3):
        name, mark = f"hung-{round_}", proxy.mark()
        proxy.hold(name, method=method, path=LEASE, if_gone="wait")
        if method == "GET":  # it is read only when a renewal met somebody else's change
            stage.cluster.kubectl("annotate", "--overwrite", "lease", "chainenv-operator", f"round={round_}", namespace=LEASE_NAMESPACE)
        proxy.wait_held(name, gone=1)
        wait_until("it is renewed again", lambda mark=mark: renewals(proxy, mark) >= 2)
        proxy.release(name)
    assert "the Lease was lost" not in leader.log
    assert leader.log.count(ACTING) == 1
    assert lease(stage)["leaseTransitions"] == 0
    case.apply(promotionSettings={"rampUpDurationSeconds": 60})
    case.wait_settled()


def test_a_renewal_changes_nothing_but_its_time(stage: Stage, proxy: Proxy, proxied: str) -> None:
    leader = start(stage, "default", SHORT, KUBECONFIG=proxied)
    wait_acting(leader)
    before = lease(stage)
    marks = {"labels": {"team": "platform"}, "annotations": {"note": "kept"}}
    patch = {"metadata": marks, "spec": {"preferredHolder": "nobody", "strategy": "OldestEmulationVersion"}}
    stage.cluster.kubectl("patch", "lease", "chainenv-operator", "--type=merge", "-p", json.dumps(patch), namespace=LEASE_NAMESPACE)
    kept = stage.cluster.get(LEASE)
    mark = proxy.mark()
    wait_until("it is renewed", lambda: renewals(proxy, mark) >= 3)
    after = stage.cluster.get(LEASE)
    assert after["spec"]["acquireTime"] == before["acquireTime"]
    assert after["spec"]["renewTime"] > before["renewTime"]
    assert {**after["spec"], "renewTime": ""} == {**kept["spec"], "renewTime": ""}
    assert {name: after["metadata"][name] for name in marks} == marks
    assert leader.terminate() == 0
    given_back = stage.cluster.get(LEASE)
    assert (given_back["spec"]["holderIdentity"], given_back["spec"]["acquireTime"]) == ("", before["acquireTime"])
    assert given_back["metadata"]["labels"] == marks["labels"]


def test_a_lease_that_is_deleted_is_made_again_by_who_holds_it(stage: Stage, proxy: Proxy, proxied: str) -> None:
    leader = start(stage, "default", SHORT, KUBECONFIG=proxied)
    wait_acting(leader)
    stage.cluster.kubectl("delete", "lease", "chainenv-operator", namespace=LEASE_NAMESPACE)
    mark = proxy.mark()
    wait_until("it is renewed", lambda: renewals(proxy, mark) >= 2)
    assert leader.log.count(ACTING) == 1
    assert lease(stage)["holderIdentity"]


def test_what_holds_the_lease_instead_is_believed_at_once(stage: Stage) -> None:
    leader = start(stage, "default")
    wait_acting(leader)
    patch = json.dumps({"spec": {"holderIdentity": "somebody-else"}})
    stage.cluster.kubectl("patch", "lease", "chainenv-operator", "--type=merge", "-p", patch, namespace=LEASE_NAMESPACE)
    assert leader.wait() == 1
    leader.wanted = False
    assert "the Lease was lost" in leader.log
    assert lease(stage)["holderIdentity"] == "somebody-else"


# -- a leader that was not there for a while -----------------------------------------------------------------------


def sleeper_and_successor(stage: Stage, kubeconfig: str) -> tuple[OperatorProcess, OperatorProcess]:
    """The first acts, through the proxy; the second stands by."""
    sleeper = start(stage, "default", SHORT, KUBECONFIG=kubeconfig)
    wait_acting(sleeper)
    successor = start(stage, "team", SHORT)
    wait_standing_by(successor)
    return sleeper, successor


def test_a_leader_that_slept_past_its_lease_does_nothing_and_ends(stage: Stage, proxy: Proxy, proxied: str) -> None:
    """It wakes up with work at hand: the answer to its last poll has come, and the spec has changed."""
    sleeper, successor = sleeper_and_successor(stage, proxied)
    case = settled(stage, "slept")
    stage.simulator.hold("poll", method="GET", path=f"/chains/{case.chain}/", key="default", point="after_effect")
    stage.simulator.wait_held("poll")
    sleeper.pause()
    wait_acting(successor)
    case.apply(promotionSettings={"rampUpDurationSeconds": 60})
    case.wait_settled()
    mark, written = stage.mark(), proxy.mark()
    stage.simulator.release("poll")
    sleeper.go_on()
    ended = sleeper.wait()
    sleeper.wanted = False
    assert (ended, "the Lease was lost" in sleeper.log) == (1, True)
    assert calls_of(stage, "default", mark) == []
    assert writes(proxy, written) == []
    assert case.names_sent() == ["promotion settings"]


def test_a_leader_that_slept_between_intent_and_call_does_not_make_the_call(stage: Stage, proxy: Proxy, proxied: str) -> None:
    sleeper, successor = sleeper_and_successor(stage, proxied)
    case = settled(stage, "intent")
    proxy.hold("intent", method="PUT", path=f"/{case.name}/status$", point="after_effect")
    case.apply(chainletSettings=[chainlet("HelloWorld", "1x4"), chainlet("RandInt", "A10Gx4x16")])
    proxy.wait_held("intent")
    sleeper.pause()
    wait_acting(successor)
    case.wait_settled()
    mark, written = stage.mark(), proxy.mark()
    proxy.release("intent")
    sleeper.go_on()
    assert sleeper.wait() == 1
    sleeper.wanted = False
    assert calls_of(stage, "default", mark) == []
    assert writes(proxy, written) == []
    assert case.started() == ["instance_types"]


def test_what_a_leader_saw_before_it_slept_is_not_written_to_status(stage: Stage, proxy: Proxy, proxied: str) -> None:
    """Nothing has changed meanwhile in the cluster: resourceVersion would not stop it."""
    sleeper, successor = sleeper_and_successor(stage, proxied)
    case = settled(stage, "outdated")
    current = case.current()
    stage.simulator.hold("poll", method="GET", path=f"/chains/{case.chain}/", key="default", if_gone="wait")
    stage.simulator.wait_held("poll")
    sleeper.pause()
    stage.simulator.set_deployment(current, status="UNHEALTHY")
    stage.simulator.release("poll")
    wait_until("the answer is on its way", lambda: not [e for e in stage.simulator.journal(key="default") if e.seconds is None])
    stage.simulator.set_deployment(current, status="ACTIVE")
    wait_acting(successor)
    case.wait_polls(2)
    written = proxy.mark()
    sleeper.go_on()
    assert sleeper.wait() == 1
    sleeper.wanted = False
    assert writes(proxy, written) == []


def record(record_property: object, line: str) -> None:
    assert callable(record_property)
    record_property(MEASURED, line)
