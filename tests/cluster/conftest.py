"""At home in the cluster: the chart, the overlays and the health checks, tried with the tools that will use them."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from chainenv_sandbox.baseten.client import Simulator
from chainenv_sandbox.controlplane import ControlPlane

from ..integration.harness.cluster import OPERATOR, STRANGER, Cluster
from ..integration.harness.fixtures import KEYS, apart, cluster, pytest_runtest_makereport, shared_stage, simulator, stage
from ..integration.harness.stage import Stage
from .shop import Helm

__all__ = ["apart", "cluster", "pytest_runtest_makereport", "shared_stage", "simulator", "stage"]


@contextmanager
def empty_cluster() -> Iterator[Cluster]:
    """An API server with nothing of ours in it. It knows the service account that chart and overlays make."""
    with ControlPlane.start(users=[OPERATOR, STRANGER], audit=True) as plane:
        cluster = Cluster(plane)
        yield cluster
        cluster._http.close()


@pytest.fixture(scope="session")
def blank() -> Iterator[Cluster]:
    with empty_cluster() as cluster:
        yield cluster


@pytest.fixture(scope="module")
def fresh() -> Iterator[Cluster]:
    """One that a module has for itself."""
    with empty_cluster() as cluster:
        yield cluster


@pytest.fixture(scope="session")
def helm_at(tmp_path_factory: pytest.TempPathFactory) -> Callable[[Cluster | None], Helm]:
    home: Path = tmp_path_factory.mktemp("helm")
    return lambda cluster: Helm(home, cluster.plane.kubeconfig if cluster else None)


@pytest.fixture(scope="session")
def helm(helm_at: Callable[[Cluster | None], Helm]) -> Helm:
    """Without a cluster: it lints and renders."""
    return helm_at(None)


@pytest.fixture(scope="session")
def installed(blank: Cluster, helm_at: Callable[[Cluster | None], Helm]) -> Helm:
    """helm, with the chart installed in `blank` as a platform team would."""
    helm = helm_at(blank)
    helm("install", "--namespace=chainenv-system", "--create-namespace", "chainenv-operator", str(helm.chart))
    return helm


@pytest.fixture
def tenants(blank: Cluster, installed: Helm, simulator: Simulator, tmp_path: Path) -> Iterator[Stage]:
    """A stage whose operator has exactly the rights that the chart gives it."""
    stage = Stage(blank, simulator, tmp_path, KEYS)
    yield stage
    stage.close()
