"""A real API server, a simulated Baseten, and the operator as a process: what every benchmark is made in."""

from __future__ import annotations

import asyncio
import re
import ssl
import sys
import tempfile
import time
from bisect import bisect_left
from collections.abc import AsyncGenerator, AsyncIterator, Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import aclosing, asynccontextmanager, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NamedTuple

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
EVENTS = f"/api/v1/namespaces/{NAMESPACE}/events"
PER_CHAIN = 100
CHAINLETS = ("Embed", "Rank")
AUTOSCALING = {"minReplica": 1, "maxReplica": 3}
AT_ONCE = {f"{step}_seconds": 0 for step in ("build", "deploy", "load", "promotion", "autoscaling", "deactivate")}
"""Deployments serve as soon as they are made: what is measured is the operator, not waiting."""
MERGE_PATCH = {"Content-Type": "application/merge-patch+json"}
LOAD_SECONDS = 0.5
"""From a creation to ACTIVE where deployments pass through two visible states."""
QUIET_SECONDS = 2.0
SETTLED_SECONDS = 5
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

    def __init__(
        self, plane: ControlPlane, simulator: Simulator, directory: Path, settings: Mapping[str, str], program: Sequence[str | Path] = ()
    ) -> None:
        """``program``: what runs in place of the command, with the same settings."""
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
        command = program or [Path(sys.executable).parent / "chainenv", "run"]
        self.started = time.time()
        self._child = Child("the operator", command, log=directory / "operator.log", env={**neutral_environment(), **chosen})

    def signal(self, number: int) -> None:
        self._child.signal(number)

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
                sys.exit(f"not within {PATIENCE_SECONDS:.0f} s: {what}; the operator's log:\n{self._child.log_tail()}")
            time.sleep(interval)


def _values(text: str, name: str, labels: Mapping[str, str]) -> Iterator[float]:
    for found in re.finditer(rf"^{name}(\{{.*\}})? (\S+)$", text, re.MULTILINE):
        if all(f'{key}="{value}"' in (found[1] or "") for key, value in labels.items()):
            yield float(found[2])


class Counts(NamedTuple):
    """``writes``: all of chainenvironments but their creation. ``events``: those created, and those counted once more."""

    calls: float
    writes: float
    events: float

    def since(self, before: Counts) -> Counts:
        return Counts(*(now - then for now, then in zip(self, before, strict=True)))


_WRITES = ("PUT", "PATCH", "APPLY")
_READY = b'"status":"True","type":"Ready"'
_NAME = re.compile(rb'"name":"([a-z]+-[0-9]{5})"')


class World:
    def __init__(self, plane: ControlPlane, simulator: Simulator, directory: Path) -> None:
        self.plane = plane
        self.simulator = simulator
        self._directory = directory

    @contextmanager
    def operator(self, *, program: Sequence[str | Path] = (), **settings: str) -> Iterator[Operator]:
        operator = Operator(self.plane, self.simulator, self._directory, settings, program)
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

    async def seconds_until_ready(self, resources: list[Json]) -> float:
        """Applies them; from the first on, until the API server reports the last as Ready."""
        begun = time.perf_counter()
        await asyncio.gather(self.create(resources), self._ready({each["metadata"]["name"] for each in resources}))
        return time.perf_counter() - begun

    async def _ready(self, names: set[str]) -> None:
        """Without decoding anything: this shares two cores with what is measured."""
        async with asyncio.timeout(PATIENCE_SECONDS), self.api() as api, aclosing(watching(api)) as lines:
            async for line in lines:
                name = _NAME.search(line) if _READY in line else None
                names.discard(name[1].decode() if name else "")
                if not names:
                    return

    def whole(self) -> Counts:
        """Once nothing has been called or written for QUIET_SECONDS."""
        before, since = self.counts(), time.monotonic()
        while time.monotonic() - since < QUIET_SECONDS:
            time.sleep(QUIET_SECONDS / 4)
            now = self.counts()
            if now != before:
                before, since = now, time.monotonic()
        return before

    def counts(self) -> Counts:
        text = self.plane.kubectl("get", "--raw", "/metrics", check=True).stdout
        writes = {verb: sum(_values(text, "apiserver_request_total", {"verb": verb, "resource": "chainenvironments"})) for verb in _WRITES}
        events = sum(sum(_values(text, "apiserver_request_total", {"verb": verb, "resource": "events"})) for verb in ("POST", *_WRITES))
        return Counts(len(self.simulator.journal()), sum(writes.values()), events)

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


async def watching(api: aiohttp.ClientSession) -> AsyncGenerator[bytes]:
    """What there is, and then what happens: a line each. Again from the beginning when the API server ends it."""
    while True:
        forever = aiohttp.ClientTimeout(None)
        async with api.get(RESOURCES, params={"watch": "1"}, timeout=forever, read_bufsize=2**22, raise_for_status=False) as watch:
            if watch.status == 200:
                async for line in watch.content:
                    yield line
        await asyncio.sleep(0.1)


@contextmanager
def world(**options: Any) -> Iterator[World]:
    with (
        tempfile.TemporaryDirectory(prefix="chainenv-bench-", ignore_cleanup_errors=True) as directory,
        start_simulator(keys={"default": KEY}, options={**AT_ONCE, **options}) as simulator,
        ControlPlane.start() as plane,
    ):
        apply_crds(plane.kubectl_program, (ROOT / "crds").glob("*.yaml"), plane.kubeconfig)
        plane.kubectl("create", "namespace", NAMESPACE, check=True)
        _settle(plane)
        yield World(plane, simulator, Path(directory))


def _settle(plane: ControlPlane) -> None:
    """The API server makes the storage of a new kind again, seconds after it was declared, and ends all watches then."""
    lasted = 0.0
    while lasted < SETTLED_SECONDS:
        begun = time.monotonic()
        plane.kubectl("get", "--raw", f"{RESOURCES}?watch=1&timeoutSeconds={SETTLED_SECONDS}")
        lasted = time.monotonic() - begun


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
    """From each change of promotion settings, as `World.change` returned it, until it was at Baseten, seconds."""
    arrived = here.simulator.wait_journal(len(changed), since=since, method="PATCH", timeout=60)
    at = {each.path.rpartition("/")[2]: each.time for each in arrived}
    return [at[name] - moment for name, moment in changed.items()]


def most_in_a_second(moments: list[float]) -> int:
    """Any second, not only whole ones."""
    ordered = sorted(moments)
    return max((bisect_left(ordered, start + 1) - number for number, start in enumerate(ordered)), default=0)


def quantile(values: list[float], share: float) -> float:
    return sorted(values)[min(len(values) - 1, int(len(values) * share))]
