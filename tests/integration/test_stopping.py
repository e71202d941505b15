"""Ending with work in hand, and starting where something is missing. What test_process.py shows is not repeated."""

from __future__ import annotations

from collections.abc import Callable, Iterator

import httpx
import pytest

from chainenv_sandbox.controlplane.components import free_ports
from chainenv_sandbox.proxy.client import Proxy

from .harness.case import Case
from .harness.cluster import STRANGER
from .harness.manifests import chainlet
from .harness.operator import OperatorProcess
from .harness.stage import Stage, is_settled
from .harness.waiting import wait_until

RETYPED = [chainlet("HelloWorld", "1x4"), chainlet("RandInt", "A10Gx4x16")]
TYPES = "/instance_types/update$"
SOON = {"chainenv.kube.lister:RETRY_SECONDS": 0.5}
CRD = "chainenvironments.chains.baseten.co"


@pytest.fixture
def stage(apart: Stage) -> Stage:
    return apart


def heard(operator: OperatorProcess) -> None:
    operator.ask_to_end()
    wait_until("the signal is heard", lambda: "finishing what is under way" in operator.log)


def settled(stage: Stage) -> Case:
    case = Case(stage, f"ended-{stage.namespace}").existing().apply()
    case.wait_settled()
    return case


def wait_done(case: Case) -> None:
    def done(seen: dict[str, dict[str, list[dict[str, str]]]]) -> bool:
        return is_settled(seen) and all("finishedAt" in each for each in seen["status"].get("operations", ()))

    case.wait_for("settled, with no intent open", done)


# -- ending --------------------------------------------------------------------------------------------------------


def test_a_rollout_under_way_at_sigterm_is_finished_and_its_outcome_written(stage: Stage) -> None:
    operator = stage.run_operator()
    case = settled(stage)
    stage.simulator.hold("call", method="POST", path=f"/chains/{case.chain}/.*{TYPES}", point="after_effect")
    case.apply(chainletSettings=RETYPED)
    stage.simulator.wait_held("call")
    heard(operator)
    mark = case.mark()
    stage.simulator.release()
    assert operator.wait() == 0
    (entry,) = case.see()["status"]["operations"]
    assert entry["outcome"] == "Accepted"
    assert entry["deploymentID"] == stage.simulator.started_deployments(case.chain)[0]["id"]
    assert case.calls(mark) == []
    operator.start()
    wait_done(case)
    assert case.started() == ["instance_types"]


def test_a_call_without_an_answer_reaches_its_timeout_and_stays_an_open_intent(stage: Stage) -> None:
    operator = stage.run_operator(CHAINENV_REQUEST_TIMEOUT_SECONDS="1")
    case = settled(stage)
    stage.simulator.hold("call", method="POST", path=f"/chains/{case.chain}/.*{TYPES}", if_gone="drop")
    case.apply(chainletSettings=RETYPED)
    stage.simulator.wait_held("call")
    heard(operator)
    assert operator.wait() == 0
    (entry,) = case.see()["status"]["operations"]
    assert "finishedAt" not in entry
    assert case.names_sent() == ["instance types"]
    stage.simulator.release()
    operator.start()
    wait_done(case)
    assert case.started() == ["instance_types"]


def test_a_call_that_takes_longer_than_the_grace_does_not_hold_the_end_up(stage: Stage) -> None:
    """The kubelet would kill it; its intent is written, and what became of it is found out in the next life."""
    operator = stage.run_operator({"chainenv.app.supervision:GRACE_SECONDS": 1.0}, CHAINENV_REQUEST_TIMEOUT_SECONDS="120")
    case = settled(stage)
    stage.simulator.hold("call", method="POST", path=f"/chains/{case.chain}/.*{TYPES}")
    case.apply(chainletSettings=RETYPED)
    stage.simulator.wait_held("call")
    heard(operator)
    wait_until("it has ended although the call has not", lambda: not operator.alive)
    assert operator.wait() == 0
    stage.simulator.wait_held("call", gone=1)
    stage.simulator.release()
    operator.start()
    wait_done(case)
    assert case.started() == ["instance_types"]


def test_sigterm_with_the_api_server_away_ends_it_all_the_same(stage: Stage, proxy: Proxy, proxied: str) -> None:
    """The outcome of the call cannot be written: it is found out in the next life."""
    operator = stage.run_operator(KUBECONFIG=proxied)
    case = settled(stage)
    stage.simulator.hold("call", method="POST", path=f"/chains/{case.chain}/.*{TYPES}", point="after_effect")
    case.apply(chainletSettings=RETYPED)
    stage.simulator.wait_held("call")
    proxy.refuse()
    heard(operator)
    stage.simulator.release()
    assert operator.wait() == 0
    proxy.accept()
    operator.start()
    wait_done(case)
    assert case.started() == ["instance_types"]


def test_sigterm_while_the_cluster_is_waited_for_ends_it(stage: Stage, proxy: Proxy, proxied: str) -> None:
    proxy.refuse()
    operator = stage.run_operator(KUBECONFIG=proxied)
    wait_until("it waits", lambda: "cannot be reached" in operator.log)
    assert operator.terminate() == 0


# -- starting where something is missing ---------------------------------------------------------------------------


def check_waits_then_works(stage: Stage, operator: OperatorProcess, probe: int, *, advice: str, mend: Callable[[], object]) -> None:
    """It says what to type, once, is not ready but alive, and goes on by itself when that is done."""
    wait_until(f"the log says {advice}", lambda: advice in operator.log)
    assert status_of(probe, "/readyz") == 503
    assert status_of(probe, "/livez") == 200
    mend()
    wait_until("/readyz says 200", lambda: status_of(probe, "/readyz") == 200)
    assert operator.log.count(advice) == 1, "what is reported once is not repeated"
    case = Case(stage, f"begun-{stage.namespace}").existing().apply()
    case.wait_settled()


def status_of(port: int, path: str) -> int | None:
    try:
        return httpx.get(f"http://127.0.0.1:{port}{path}", trust_env=False).status_code
    except httpx.TransportError:
        return None


def test_where_the_cluster_does_not_answer_it_waits_until_it_does(stage: Stage, proxy: Proxy, proxied: str) -> None:
    (probe,) = free_ports(1)
    proxy.refuse()
    operator = stage.run_operator(SOON, KUBECONFIG=proxied, CHAINENV_PROBE_PORT=str(probe))
    check_waits_then_works(stage, operator, probe, advice="kubectl cluster-info", mend=proxy.accept)


@pytest.fixture
def grant(stage: Stage) -> Iterator[Callable[[], None]]:
    """Gives the stranger the operator's role, for one test."""
    name = "stranger-for-a-while"

    def bind() -> None:
        stage.cluster.kubectl("create", "clusterrolebinding", name, "--clusterrole=chainenv-operator", f"--user={STRANGER.name}")

    yield bind
    stage.cluster.kubectl("delete", "clusterrolebinding", name, "--ignore-not-found")


def test_without_rights_it_waits_until_they_are_granted(stage: Stage, grant: Callable[[], None]) -> None:
    (probe,) = free_ports(1)
    nobody = str(stage.cluster.plane.kubeconfig_for(STRANGER))
    operator = stage.run_operator(SOON, KUBECONFIG=nobody, CHAINENV_PROBE_PORT=str(probe))
    check_waits_then_works(stage, operator, probe, advice="kubectl apply -k deploy/kustomize/base", mend=grant)


@pytest.fixture
def no_crd(stage: Stage) -> Iterator[None]:
    """It is back after the test, whatever happens."""
    stage.cluster.kubectl("delete", "crd", CRD, "--wait")
    yield
    stage.cluster.install()


@pytest.mark.usefixtures("no_crd")
def test_without_the_crd_it_waits_until_it_is_installed(stage: Stage) -> None:
    (probe,) = free_ports(1)
    operator = stage.run_operator(SOON, CHAINENV_PROBE_PORT=str(probe))
    advice = "kubectl apply --server-side -f crds/"
    check_waits_then_works(stage, operator, probe, advice=advice, mend=stage.cluster.install)


def test_a_crd_that_is_deleted_and_installed_again_is_noticed(stage: Stage) -> None:
    operator = stage.run_operator()
    settled(stage)
    stage.cluster.kubectl("delete", "crd", CRD, "--wait")
    stage.cluster.install()
    case = Case(stage, f"again-{stage.namespace}").existing().apply()
    case.wait_settled()
    assert operator.alive
