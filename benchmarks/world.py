"""A real API server, a simulated Baseten, and the operator as a process: what every benchmark is made in."""

from __future__ import annotations

import asyncio
import re
import ssl
import sys
import tempfile
import time
from bisect import bisect_left
from collections.abc import AsyncIterator, Callable, Iterable, Iterator, Mapping
from contextlib import asynccontextmanager, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import aiohttp
import httpx

from chainenv_sandbox.baseten.client import Simulator
from chainenv_sandbox.baseten.process import start_simulator
from chainenv_sandbox.controlplane import ControlPlane
from chainenv_sandbox.controlplane.components import LOOPBACK, free_ports
from chainenv_sandbox.processes import Child
from chainenv_sandbox.up import apply_crds, neutral_environment

ROOT = Path(__file__).parents[1]
NAMESPACE = "bench"
KEY = "benchmark-key"
RESOURCES = f"/apis/chains.baseten.co/v1alpha1/namespaces/{NAMESPACE}/chainenvironments"
PER_CHAIN = 100
CHAINLETS = ("Embed", "Rank")
AUTOSCALING = {"minReplica": 1, "maxReplica": 3}
AT_ONCE = {f"{step}_seconds": 0 for step in ("build", "deploy", "load", "promotion", "autoscaling", "deactivate")}
"""Deployments serve as soon as they are made: what is measured is the operator, not waiting."""
MERGE_PATCH = {"Content-Type": "application/merge-patch+json"}
IN_FLIGHT = 64
PATIENCE_SECONDS = 900.0

Json = dict[str, Any]


@dataclass(frozen=True)
class Sample:
    """Of the operator's process: resident memory in MiB, CPU in seconds since its start."""

    memory: float
    cpu: float


class Operator:
    """The command as a user types it."""

    def __init__(self, plane: ControlPlane, simulator: Simulator, directory: Path, settings: Mapping[str, str]) -> None:
        (self._port,) = free_ports(1)
        chosen = {
            "KUBECONFIG": str(plane.kubeconfig),
            "BASETEN_BASE_URL": simulator.base_url,
            "BASETEN_API_KEY": KEY,
            "CHAINENV_PROBE_PORT": "0",
            "CHAINENV_METRICS_PORT": str(self._port),
            "CHAINENV_LOG_LEVEL": "warning",
            "CHAINENV_LOG_FORMAT": "json",
            **settings,
        }
        self._http = httpx.Client(base_url=f"http://{LOOPBACK}:{self._port}", timeout=60, trust_env=False)
        command: list[str | Path] = [Path(sys.executable).parent / "chainenv", "run"]
        self.started = time.time()
        self._child = Child("the operator", command, log=directory / "operator.log", env={**neutral_environment(), **chosen})

    def most_memory(self) -> float:
        """Resident memory at its peak, MiB. The command is the only child of its supervisor."""
        supervisor = self._child._process.pid
        (command,) = Path(f"/proc/{supervisor}/task/{supervisor}/children").read_text(encoding="ascii").split()
        found = re.search(r"VmHWM:\s+(\d+) kB", Path(f"/proc/{command}/status").read_text(encoding="ascii"))
        assert found is not None
        return int(found[1]) / 1024

    def stop(self) -> None:
        self._child.stop(60)
        self._http.close()

    def metric(self, name: str, **labels: str) -> float:
        """The sum of its series that have these labels; 0 while there is no answer."""
        try:
            text = self._http.get("/metrics").text
        except httpx.TransportError:
            self._child.require_alive()
            return 0.0
        return sum(_values(text, name, labels))

    def sample(self) -> Sample:
        return Sample(self.metric("process_resident_memory_bytes") / 2**20, self.metric("process_cpu_seconds_total"))

    def active(self) -> float:
        return self.metric("chainenv_resources_condition", type="Ready", status="True")

    def wait_active(self, count: int) -> None:
        self.wait("so many are ACTIVE in status", lambda: self.active() >= count, interval=0.05)

    def wait(self, what: str, fits: Callable[[], bool], *, interval: float = 0.2) -> None:
        deadline = time.monotonic() + PATIENCE_SECONDS
        while not fits():
            self._child.require_alive()
            if time.monotonic() > deadline:
                sys.exit(f"not within {PATIENCE_SECONDS:.0f} s: {what}; the operator said:\n{self._child.log_tail()}")
            time.sleep(interval)


def _values(text: str, name: str, labels: Mapping[str, str]) -> Iterator[float]:
    for found in re.finditer(rf"^{name}(\{{.*\}})? (\S+)$", text, re.MULTILINE):
        if all(f'{key}="{value}"' in (found[1] or "") for key, value in labels.items()):
            yield float(found[2])


class World:
    def __init__(self, plane: ControlPlane, simulator: Simulator, directory: Path) -> None:
        self.plane = plane
        self.simulator = simulator
        self._directory = directory

    @contextmanager
    def operator(self, **settings: str) -> Iterator[Operator]:
        operator = Operator(self.plane, self.simulator, self._directory, settings)
        try:
            operator.wait("it has listed the resources", lambda: operator.metric("process_start_time_seconds") > 0)
            yield operator
        finally:
            operator.stop()

    def chains(self, count: int, *, prefix: str) -> None:
        """As many as so many environments need."""
        for number in range(-(-count // PER_CHAIN)):
            self.simulator.add_chain(f"{prefix}{number}", CHAINLETS)

    @asynccontextmanager
    async def api(self, connections: int = IN_FLIGHT) -> AsyncIterator[aiohttp.ClientSession]:
        """The API server, as its admin. Not with httpx: its pool costs milliseconds a call when many are under way."""
        verify = ssl.create_default_context(cafile=str(self.plane.ca_file))
        token = {"Authorization": f"Bearer {self.plane.token_for()}"}
        connector = aiohttp.TCPConnector(limit=connections, ssl=verify)
        async with aiohttp.ClientSession(self.plane.url, headers=token, connector=connector, raise_for_status=True) as api:
            yield api

    async def create(self, resources: Iterable[Json]) -> None:
        async with self.api() as api:
            await asyncio.gather(*(_ask(api, "POST", RESOURCES, json=each) for each in resources))

    async def change(self, names: Iterable[str], ramp_up_seconds: int, *, pause: float = 0.0) -> dict[str, float]:
        """One after the other; by name when the API server had answered, epoch seconds."""
        body = {"spec": {"promotionSettings": {"rampUpDurationSeconds": ramp_up_seconds}}}
        changed = {}
        async with self.api() as api:
            for name in names:
                await _ask(api, "PATCH", f"{RESOURCES}/{name}", json=body, headers=MERGE_PATCH)
                changed[name] = time.time()
                await asyncio.sleep(pause)
        return changed

    def requests(self, verb: str, resource: str = "chainenvironments") -> float:
        """How many the API server has had, by its own count."""
        text = self.plane.kubectl("get", "--raw", "/metrics", check=True).stdout
        return sum(_values(text, "apiserver_request_total", {"verb": verb, "resource": resource}))


@contextmanager
def world(**options: Any) -> Iterator[World]:
    with (
        tempfile.TemporaryDirectory(prefix="chainenv-bench-", ignore_cleanup_errors=True) as directory,
        start_simulator(keys={"default": KEY}, options={**AT_ONCE, **options}) as simulator,
        ControlPlane.start() as plane,
    ):
        apply_crds(plane.kubectl_program, (ROOT / "crds").glob("*.yaml"), plane.kubeconfig)
        plane.kubectl("create", "namespace", NAMESPACE, check=True)
        yield World(plane, simulator, Path(directory))


def manifest(number: int, *, prefix: str) -> Json:
    chainlets = [{"chainletName": name, "autoscalingSettings": AUTOSCALING} for name in CHAINLETS]
    return {
        "apiVersion": "chains.baseten.co/v1alpha1",
        "kind": "ChainEnvironment",
        "metadata": {"name": f"{prefix}-{number:05}", "namespace": NAMESPACE},
        "spec": {
            "chainID": f"{prefix}{number // PER_CHAIN}",
            "promotionSettings": {"rampUpDurationSeconds": 300},
            "chainletSettings": chainlets,
        },
    }


def manifests(count: int, *, prefix: str) -> list[Json]:
    return [manifest(number, prefix=prefix) for number in range(count)]


async def _ask(api: aiohttp.ClientSession, method: str, path: str, **more: Any) -> None:
    async with api.request(method, path, **more) as answer:
        await answer.read()


def delays(here: World, changed: dict[str, float], since: int = 0) -> list[float]:
    """From each change of promotion settings, as `World.change` told, until it was at Baseten, seconds."""
    arrived = here.simulator.wait_journal(len(changed), since=since, method="PATCH", timeout=60)
    at = {each.path.rpartition("/")[2]: each.time for each in arrived}
    return [at[name] - moment for name, moment in changed.items()]


def most_in_a_second(moments: list[float]) -> int:
    """Any second, not only whole ones."""
    ordered = sorted(moments)
    return max((bisect_left(ordered, start + 1) - number for number, start in enumerate(ordered)), default=0)


def quantile(values: list[float], share: float) -> float:
    return sorted(values)[min(len(values) - 1, int(len(values) * share))]
