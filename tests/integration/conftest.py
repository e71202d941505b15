"""A real kube-apiserver, a simulated Baseten over HTTP, and the operator as a process."""

from __future__ import annotations

from .harness.fixtures import apart, cluster, pytest_runtest_makereport, shared_stage, simulator, stage
from .harness.proxied import proxied, proxy

__all__ = ["apart", "cluster", "proxied", "proxy", "pytest_runtest_makereport", "shared_stage", "simulator", "stage"]
