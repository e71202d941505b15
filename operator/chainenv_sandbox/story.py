"""Some minutes in the life of an operator, told for its dashboard: of everything that a panel can show, something happens.

The environments of four teams on a real control plane and the Baseten simulator; the operator and Prometheus as processes. The
operator looks every few seconds where it would take minutes in earnest, and deployments come in seconds.
"""

from __future__ import annotations

import json
import math
import sys
import tempfile
import time
from collections.abc import Iterable, Iterator, Mapping
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any

from chainenv_sandbox.baseten.client import Simulator
from chainenv_sandbox.baseten.process import start_simulator
from chainenv_sandbox.controlplane import ControlPlane
from chainenv_sandbox.controlplane.components import LOOPBACK, free_ports
from chainenv_sandbox.controlplane.progress import say
from chainenv_sandbox.processes import Child, NotReadyError
from chainenv_sandbox.prometheus import Prometheus, Target, start_prometheus
from chainenv_sandbox.up import SIMULATOR_KEY, apply_crds, checkout, neutral_environment

SCRAPE_SECONDS = 2.0
BEAT_SECONDS = 0.5
PATIENCE_SECONDS = 60.0
WAVE_SECONDS = 80.0
"""From one rush of calls to the next."""

CHAINS = {
    "search": ("Embed", "Rank"),
    "chat": ("Gateway", "Model", "Guard"),
    "docs": ("Read", "Extract"),
    "voice": ("Listen", "Speak"),
}
"""Chainlets of each team's chain."""
OPTIONS = {
    "build_seconds": 7,
    "deploy_seconds": 5,
    "load_seconds": 6,
    "promotion_seconds": 4,
    "autoscaling_seconds": 4,
    "replica_seconds": 2,
    "wake_seconds": 6,
    "latency_seconds": 0.03,
}
SETTINGS = {
    "CHAINENV_POLL_SECONDS": "3",
    "CHAINENV_PROGRESS_SECONDS": "1",
    "CHAINENV_BACKOFF_MAX_SECONDS": "4",
    "CHAINENV_RATE_LIMIT": "4",
    "CHAINENV_PROBE_PORT": "0",
    "CHAINENV_LOG_FORMAT": "text",
    "BASETEN_API_KEY": SIMULATOR_KEY,
}
PROMOTION = {"rampUpWhilePromoting": True, "rampUpDurationSeconds": 300}

Json = dict[str, Any]


class Story:
    def __init__(self, plane: ControlPlane, simulator: Simulator, prometheus: Prometheus, operator: Child) -> None:
        self.prometheus = prometheus
        self._plane = plane
        self._simulator = simulator
        self._operator = operator
        self._started = time.monotonic()

    def play(self) -> None:
        """Takes about five minutes. Raises NotReadyError when something does not come about, ProcessDiedError."""
        acts = (
            self._adopt,
            self._create,
            self._drift,
            self._roll_out,
            self._ail,
            self._limit,
            self._slow_down,
            self._go_away,
            self._sleep_and_wake,
            self._fail,
        )
        for act in acts:
            say(f"{time.monotonic() - self._started:4.0f} s: {(act.__doc__ or '').splitlines()[0]}")
            act()

    # -- the acts --------------------------------------------------------------------------------------------------

    def _adopt(self) -> None:
        """Four environments that serve become resources."""
        self._apply(manifest(chain, "production", autoscaling={"minReplica": 2, "maxReplica": 8}) for chain in CHAINS)
        self._wait(in_state("Synced", "InSync", 4))
        self._linger(8)

    def _create(self) -> None:
        """Four more are created, two at a time."""
        for pair in (("search", "chat"), ("docs", "voice")):
            self._apply(manifest(chain, "staging", autoscaling={"maxReplica": 2}) for chain in pair)
            self._wait(in_state("Ready", "Deploying", 2))
            self._linger(7)
        self._wait(in_state("Ready", "Active", 8))
        self._linger(6)

    def _drift(self) -> None:
        """Settings are changed by hand, and put back."""
        for chains in (("chat",), ("search", "docs"), ("voice", "chat", "search")):
            self._by_hand(*chains)
            self._linger(9)
        for chain in ("docs", "voice"):
            self._simulator.edit_environment(chain, "staging", promotion={"ramp_up_duration_seconds": 5, "ramp_up_while_promoting": False})
        self._linger(8)

    def _roll_out(self) -> None:
        """Other instance types, which come with new deployments."""
        for chain in ("search", "voice"):
            self._apply([manifest(chain, "production", autoscaling={"minReplica": 2, "maxReplica": 8}, instance_type="A10Gx8x32")])
            self._wait(in_state("Synced", "RollingOut", 1))
            self._linger(6)
        self._wait(in_state("Synced", "InSync", 8))
        self._linger(6)

    def _ail(self) -> None:
        """A deployment is unhealthy for a while."""
        current = self._current("chat", "production")
        self._simulator.set_deployment(current, status="UNHEALTHY", for_seconds=14)
        self._wait(in_state("Ready", "Unhealthy", 1))
        self._wait(in_state("Ready", "Active", 8))
        self._linger(4)

    def _limit(self) -> None:
        """Baseten says to wait."""
        for _ in range(2):
            body = {"error": "Rate limit exceeded. Please try again later.", "retry_after": 3}
            self._simulator.add_fault("answer", method="GET", status=429, body=body, times=2)
            self._wait('sum(rate(chainenv_baseten_calls_total{status_class="4xx"}[8s])) > 0')
            self._linger(9)

    def _slow_down(self) -> None:
        """Baseten becomes slow."""
        self._simulator.set_options(latency_seconds=0.7)
        self._linger(16)
        self._simulator.set_options(latency_seconds=OPTIONS["latency_seconds"])

    def _go_away(self) -> None:
        """Baseten cannot be reached, then answers with errors, then is back."""
        for fault in ({"kind": "reset"}, {"kind": "answer", "status": 503, "body": {"error": "Service unavailable"}}):
            self._simulator.clear_faults()
            self._simulator.add_fault(times=None, **fault)
            self._wait(in_state("Synced", "Unavailable", 8))
            self._linger(9)
        self._simulator.clear_faults()
        self._wait(in_state("Synced", "InSync", 8))
        self._linger(5)

    def _sleep_and_wake(self) -> None:
        """Nobody calls the staging environments; then somebody does."""
        asleep = [self._current(chain, "staging") for chain in CHAINS]
        for deployment in asleep:
            self._simulator.set_deployment(deployment, status="SCALED_TO_ZERO")
        self._wait(in_state("Ready", "ScaledToZero", 4))
        self._by_hand("voice", "docs")
        self._linger(8)
        for deployment in asleep[:2]:
            self._simulator.wake(deployment)
        self._wait(in_state("Ready", "Active", 6))

    def _fail(self) -> None:
        """An environment whose deployment fails for good, with which the story ends."""
        self._simulator.fail_next("docs", "DEPLOY_FAILED", environment="preview")
        self._apply([manifest("docs", "preview", autoscaling={"maxReplica": 1})])
        self._wait(in_state("Ready", "DeploymentFailed", 1))
        self._linger(20)

    # -- how they are played ---------------------------------------------------------------------------------------

    def _apply(self, resources: Iterable[Json]) -> None:
        text = json.dumps({"apiVersion": "v1", "kind": "List", "items": list(resources)})
        self._plane.kubectl("apply", "--validate=strict", "-f", "-", input=text, check=True)

    def _by_hand(self, *chains: str) -> None:
        """Somebody allows the production environments more replicas than declared."""
        for chain in chains:
            self._simulator.edit_environment(chain, "production", autoscaling={CHAINS[chain][0]: {"max_replica": 20}})

    def _current(self, chain: str, environment: str) -> str:
        found: str = self._simulator.environment(chain, environment)["current_deployment"]["id"]
        return found

    def _wait(self, expression: str) -> None:
        """Until Prometheus has recorded that it holds."""
        deadline = time.monotonic() + PATIENCE_SECONDS
        while not self.prometheus.query(expression).series:
            if time.monotonic() > deadline:
                raise NotReadyError(
                    f"not seen within {PATIENCE_SECONDS:.0f} s: {expression}; the operator said:\n{self._operator.log_tail()}"
                )
            self._beat()

    def _linger(self, seconds: float) -> None:
        """What has been reached is to be seen in the picture."""
        end = time.monotonic() + seconds
        while time.monotonic() < end:
            self._beat()

    def _beat(self) -> None:
        """Calls come and go; the production environments follow with replicas of their first chainlet."""
        self._plane.require_alive()
        self._operator.require_alive()
        passed = time.monotonic() - self._started
        for number, (chain, chainlets) in enumerate(CHAINS.items()):
            rush = (1 - math.cos(2 * math.pi * (passed / WAVE_SECONDS + number / len(CHAINS)))) / 2
            replicas = {chainlets[0]: {"active_replica_count": 2 + round(rush * 6)}}
            self._simulator.set_deployment(self._current(chain, "production"), chainlets=replicas)
        time.sleep(BEAT_SECONDS)


def in_state(condition: str, reason: str, count: int) -> str:
    """Whether so many resources or more have it."""
    return f'max(chainenv_resources_condition{{type="{condition}", reason="{reason}"}}) >= {count}'


def manifest(chain: str, name: str, *, autoscaling: Json, instance_type: str | None = None) -> Json:
    """In the team's namespace; `autoscaling` and the type are of the chain's first chainlet."""
    chainlet: Json = {"chainletName": CHAINS[chain][0], "autoscalingSettings": autoscaling}
    if instance_type:
        chainlet["instanceTypeID"] = instance_type
    return {
        "apiVersion": "chains.baseten.co/v1alpha1",
        "kind": "ChainEnvironment",
        "metadata": {"name": name, "namespace": chain},
        "spec": {"chainID": chain, "promotionSettings": PROMOTION, "chainletSettings": [chainlet]},
    }


@contextmanager
def staged() -> Iterator[Story]:
    """Everything runs, nothing has happened yet; ends it all. Raises BinariesError, ProcessDiedError or NotReadyError."""
    root = checkout()
    assert root is not None, "the story applies the files of a checkout (crds/)"
    with ExitStack() as stack:
        directory = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="chainenv-story-", ignore_cleanup_errors=True)))
        simulator = stack.enter_context(start_simulator(chains=CHAINS, keys={"default": SIMULATOR_KEY}, options=OPTIONS))
        plane = stack.enter_context(ControlPlane.start())
        _furnish(plane, root)
        (port,) = free_ports(1)
        target = Target(f"{LOOPBACK}:{port}", {"namespace": "chainenv-system", "pod": "chainenv-operator-0"})
        prometheus = stack.enter_context(start_prometheus(directory, [target], every=SCRAPE_SECONDS))
        points_at = {"KUBECONFIG": str(plane.kubeconfig), "BASETEN_BASE_URL": simulator.base_url, "CHAINENV_METRICS_PORT": str(port)}
        operator = _operator(directory, {**SETTINGS, **points_at})
        stack.callback(operator.stop)
        yield Story(plane, simulator, prometheus, operator)


def _furnish(plane: ControlPlane, root: Path) -> None:
    """The CRD, and a namespace for each team."""
    apply_crds(plane.kubectl_program, (root / "crds").glob("*.yaml"), plane.kubeconfig)
    for chain in CHAINS:
        plane.kubectl("create", "namespace", chain, check=True)


def _operator(directory: Path, settings: Mapping[str, str]) -> Child:
    command: list[str | Path] = [Path(sys.executable).parent / "chainenv", "run"]
    return Child("the operator", command, log=directory / "operator.log", env={**neutral_environment(), **settings})
