"""The fixtures, for the conftest of each folder that wants them.

What takes seconds to start is started once in a test process, whichever folder needs it first, and ends with pytest.
"""

from __future__ import annotations

import secrets
from collections.abc import Callable, Generator, Iterator
from contextlib import AbstractContextManager, ExitStack
from pathlib import Path
from typing import Any, TypeVar

import pytest

from chainenv_sandbox.baseten.client import Simulator
from chainenv_sandbox.baseten.process import start_simulator

from .cluster import Cluster
from .manifests import CHAIN
from .stage import Stage

T = TypeVar("T")

KEYS = {"default": f"key-of-the-operator-{secrets.token_hex(8)}", "team": f"key-of-a-team-{secrets.token_hex(8)}"}
OPTIONS: dict[str, Any] = {
    "build_seconds": 0.05,
    "deploy_seconds": 0.05,
    "load_seconds": 0.05,
    "promotion_seconds": 0.1,
    "autoscaling_seconds": 0.1,
    "wake_seconds": 0.3,
    "deactivate_seconds": 0.3,
}

LEASE_NAMESPACE = "chainenv-system"
"""The role that is shipped allows the Lease there."""
ELECTING = {"CHAINENV_LEADER_ELECTION": "true", "CHAINENV_LEASE_NAMESPACE": LEASE_NAMESPACE}

_CLUSTER = pytest.StashKey[Cluster]()
_SIMULATOR = pytest.StashKey[Simulator]()


def once(config: pytest.Config, key: pytest.StashKey[T], start: Callable[[], AbstractContextManager[T]]) -> T:
    """What takes seconds to start, started with its first use and kept until pytest ends."""
    if key not in config.stash:
        stack = ExitStack()
        config.stash[key] = stack.enter_context(start())
        config.add_cleanup(stack.close)
    return config.stash[key]


def _simulator() -> AbstractContextManager[Simulator]:
    return start_simulator(chains={CHAIN: ("HelloWorld", "RandInt")}, keys=KEYS, options=OPTIONS)


@pytest.fixture(scope="session")
def cluster(pytestconfig: pytest.Config) -> Cluster:
    return once(pytestconfig, _CLUSTER, Cluster.start)


@pytest.fixture
def simulator(pytestconfig: pytest.Config) -> Simulator:
    """As if it had just been started."""
    simulator = once(pytestconfig, _SIMULATOR, _simulator)
    simulator.reset()
    return simulator


@pytest.fixture
def stage(cluster: Cluster, simulator: Simulator, tmp_path: Path) -> Iterator[Stage]:
    stage = Stage(cluster, simulator, tmp_path, KEYS)
    yield stage
    stage.close()


@pytest.fixture(scope="module")
def shared_stage(cluster: Cluster, pytestconfig: pytest.Config, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Stage]:
    """One for all tests of a module, each with resources and chains of its own (see case.py)."""
    simulator = once(pytestconfig, _SIMULATOR, _simulator)
    simulator.reset()
    stage = Stage(cluster, simulator, tmp_path_factory.mktemp("shared"), KEYS)
    yield stage
    stage.close()


@pytest.fixture
def apart(shared_stage: Stage, tmp_path: Path) -> Iterator[Stage]:
    """In a namespace of its own, beside the module's: for a test that starts, stops or kills an operator itself."""
    stage = Stage(shared_stage.cluster, shared_stage.simulator, tmp_path, KEYS)
    yield stage
    stage.close()


@pytest.fixture
def without_lease(apart: Stage) -> Iterator[Stage]:
    """Apart, and no Lease of another test: the first operator that is ELECTING has to create it."""
    forget = ("delete", "lease", "chainenv-operator", "--ignore-not-found")
    apart.cluster.kubectl(*forget, namespace=LEASE_NAMESPACE)
    yield apart
    apart.cluster.kubectl(*forget, namespace=LEASE_NAMESPACE)


@pytest.fixture
def each_on_its_own(stage: Stage) -> Iterator[None]:
    """What a test leaves behind is not polled while the next one runs."""
    yield
    stage.cluster.clear(stage.namespace)


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(item: pytest.Item) -> Generator[None, pytest.TestReport, pytest.TestReport]:
    """A failed test shows what its operator, Baseten and cluster had to say."""
    report = yield
    if report.failed and report.when == "call":
        given = getattr(item, "funcargs", {}).items()  # one stage can have several names
        stages = {id(stage): stage for name, stage in given if isinstance(stage, Stage) and name != "shared_stage"}
        report.sections += [("stage", stage.report()) for stage in stages.values()]
    return report
