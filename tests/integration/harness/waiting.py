"""Waiting for conditions instead of sleeping."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import TypeVar

import pytest

T = TypeVar("T")

PATIENCE_SECONDS = 120.0
"""Long enough for a busy machine: nothing is ever asserted about how long it took."""


def wait_until(what: str, condition: Callable[[], T], *, timeout: float = PATIENCE_SECONDS, interval: float = 0.05) -> T:
    """The condition's first true value. Fails the test with ``what`` when there is none in time."""
    deadline = time.monotonic() + timeout
    while not (value := condition()):
        if time.monotonic() > deadline:
            pytest.fail(f"waited {timeout:g} s in vain: {what}; last seen: {value!r}")
        time.sleep(interval)
    return value
