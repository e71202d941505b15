"""A real kube-apiserver, a simulated Baseten over HTTP, and the operator as a process."""

from __future__ import annotations

from .harness.fixtures import cluster, pytest_runtest_makereport, simulator, stage

__all__ = ["cluster", "pytest_runtest_makereport", "simulator", "stage"]
