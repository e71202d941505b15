"""A proxy between the operator and the API server, for the tests that stop a call there, cut watches, or take the cluster away."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import AbstractContextManager
from pathlib import Path

import pytest

from chainenv_sandbox.proxy.client import Proxy
from chainenv_sandbox.proxy.process import start_proxy

from .cluster import OPERATOR, Cluster
from .fixtures import once

_PROXY = pytest.StashKey[Proxy]()


@pytest.fixture
def proxy(pytestconfig: pytest.Config, cluster: Cluster) -> Iterator[Proxy]:
    """As if it had just been started."""

    def start() -> AbstractContextManager[Proxy]:
        return start_proxy(cluster.plane.url, cluster.plane.ca_file)

    proxy = once(pytestconfig, _PROXY, start)
    proxy.reset()
    yield proxy
    proxy.reset()


@pytest.fixture
def proxied(proxy: Proxy, cluster: Cluster, tmp_path: Path) -> str:
    """KUBECONFIG of an operator that reaches the API server through the proxy only."""
    path = tmp_path / "kubeconfig-through-the-proxy"
    path.write_text(proxy.kubeconfig(cluster.plane.kubeconfig_for(OPERATOR)))
    return str(path)
