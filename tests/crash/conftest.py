"""The same world as in the integration tests."""

from __future__ import annotations

from ..integration.harness.fixtures import apart, cluster, pytest_runtest_makereport, shared_stage, simulator, stage
from ..integration.harness.proxied import proxied, proxy

__all__ = ["apart", "cluster", "proxied", "proxy", "pytest_runtest_makereport", "shared_stage", "simulator", "stage"]
