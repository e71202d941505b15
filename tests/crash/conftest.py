"""The same world as in the integration tests."""

from __future__ import annotations

from ..integration.harness.fixtures import cluster, pytest_runtest_makereport, simulator, stage

__all__ = ["cluster", "pytest_runtest_makereport", "simulator", "stage"]
