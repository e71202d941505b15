"""A real API server, a simulated Baseten over HTTP, and the command line as a process."""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
import yaml

from chainenv_sandbox.baseten.client import Simulator

from ..integration.harness.cluster import CRDS, Cluster
from ..integration.harness.fixtures import KEYS, once, pytest_runtest_makereport, simulator
from ..integration.harness.manifests import resource
from ..integration.harness.stage import Stage
from ..integration.harness.waiting import wait_until
from .typed import Typed

__all__ = ["pytest_runtest_makereport", "simulator"]

_CLUSTER = pytest.StashKey[Cluster]()


@contextmanager
def open_cluster() -> Iterator[Cluster]:
    """In it a status may hold what only another version of the operator writes."""
    with Cluster.start() as cluster:
        for file in CRDS.iterdir():
            crd: dict[str, Any] = yaml.safe_load(file.read_text())
            for version in crd["spec"]["versions"]:
                version["schema"]["openAPIV3Schema"]["properties"]["status"]["x-kubernetes-preserve-unknown-fields"] = True
            cluster.kubectl("apply", "--server-side", "-f", "-", input=yaml.safe_dump(crd))
        namespace = cluster.new_namespace()
        cluster.kubectl("apply", "-f", "-", namespace=namespace, input=json.dumps(resource("probe")))
        patch = ("patch", "chenv", "probe", "--subresource=status", "--type=merge", "-p", '{"status": {"unheardOf": 1}}')

        def kept() -> bool:
            cluster.kubectl(*patch, namespace=namespace)
            return "unheardOf" in cluster.resource(namespace, "probe").get("status", {})

        wait_until("the API server keeps what it does not know", kept)
        yield cluster


@pytest.fixture(scope="session")
def cluster(pytestconfig: pytest.Config) -> Cluster:
    return once(pytestconfig, _CLUSTER, open_cluster)


@pytest.fixture
def stage(cluster: Cluster, simulator: Simulator, tmp_path: Path) -> Iterator[Stage]:
    stage = Stage(cluster, simulator, tmp_path, KEYS)
    yield stage
    stage.close()


@pytest.fixture
def typed(stage: Stage) -> Typed:
    return Typed(stage)
