"""Five hundred resources of the largest size that the CRD admits: the most memory that the process ever has, and again after a restart."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator

from .world import Json, Operator, World, manifest, world

COUNT = 500
CHAINLETS = 200
ANNOTATIONS = 262_144 - 64
"""Bytes of them that Kubernetes admits."""
LIMIT = 512
"""MiB that the chart gives the pod."""
AUTOSCALING = {
    "minReplica": 999_998,
    "maxReplica": 999_999,
    "autoscalingWindow": 3600,
    "scaleDownDelay": 3600,
    "concurrencyTarget": 999_999,
    "targetUtilizationPercentage": 100,
    "targetInFlightTokens": 999_999_999,
    "maxScaleDownRate": 50,
}


def measure() -> Iterator[str]:
    with world() as here:
        here.chains(COUNT, prefix="large")
        with here.operator() as operator:
            asyncio.run(_create(here))
            _wait_tried(operator)
            created = operator.most_memory()
        with here.operator() as operator:
            _wait_tried(operator)
            restarted = operator.most_memory()
        yield f"most memory: {created:.0f} MiB while they are made, {restarted:.0f} MiB after a restart (limit {LIMIT} MiB)"


async def _create(here: World) -> None:
    """A few at a time: all of them are a quarter of a gigabyte of text."""
    for first in range(0, COUNT, 20):
        await here.create(large(number) for number in range(first, min(COUNT, first + 20)))


def large(number: int) -> Json:
    one = manifest(number, prefix="large")
    one["metadata"]["annotations"] = {"example.com/note": "x" * (ANNOTATIONS - 16)}
    one["spec"]["chainletSettings"] = [
        {
            "chainletName": f"Chainlet{position:03}".ljust(128, "x"),
            "instanceTypeID": f"H100x{position:03}".ljust(64, "x"),
            "autoscalingSettings": AUTOSCALING,
        }
        for position in range(CHAINLETS)
    ]
    return one


def _wait_tried(operator: Operator) -> None:
    operator.wait("each has been tried", lambda: operator.metric("chainenv_resources_condition", type="Synced") >= COUNT, interval=1)
