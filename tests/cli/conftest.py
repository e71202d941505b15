"""A real API server, a simulated Baseten over HTTP, and the command line as a process."""

from __future__ import annotations

import pytest

from ..integration.harness.fixtures import cluster, pytest_runtest_makereport, simulator, stage
from ..integration.harness.stage import Stage
from .typed import Typed

__all__ = ["cluster", "pytest_runtest_makereport", "simulator", "stage"]


@pytest.fixture
def typed(stage: Stage) -> Typed:
    return Typed(stage)
