"""A real kube-apiserver, a simulated Baseten over HTTP, and the operator as a process."""

from __future__ import annotations

from .harness.applying import kubectl
from .harness.fixtures import (
    apart,
    cluster,
    each_on_its_own,
    pytest_runtest_makereport,
    shared_stage,
    simulator,
    stage,
    without_lease,
)
from .harness.proxied import proxied, proxy

__all__ = [
    "apart",
    "cluster",
    "each_on_its_own",
    "kubectl",
    "proxied",
    "proxy",
    "pytest_runtest_makereport",
    "shared_stage",
    "simulator",
    "stage",
    "without_lease",
]
