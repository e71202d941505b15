"""What cannot be beaten: apply, the same calls and one status write for each resource, by a script that does nothing else."""

from __future__ import annotations

import asyncio
import time

import aiohttp

from .world import CHAINLETS, KEY, MERGE_PATCH, RESOURCES, Json, World

CONNECTIONS = 100
"""As many runs as the operator has under way at once."""


async def floor(world: World, resources: list[Json]) -> float:
    """Seconds from the first resource applied to the last status written."""
    key = {"Authorization": f"Api-Key {KEY}"}
    baseten = aiohttp.ClientSession(headers=key, connector=aiohttp.TCPConnector(limit=CONNECTIONS))
    async with baseten, world.api(CONNECTIONS) as cluster:
        begun = time.perf_counter()
        await asyncio.gather(*(_one(world, baseten, cluster, each) for each in resources))
        return time.perf_counter() - begun


async def _one(world: World, baseten: aiohttp.ClientSession, cluster: aiohttp.ClientSession, resource: Json) -> None:
    name, spec = resource["metadata"]["name"], resource["spec"]
    environments = f"{world.simulator.base_url}/v1/chains/{spec['chainID']}/environments"
    async with cluster.post(RESOURCES, json=resource) as answer:
        await answer.read()
    async with baseten.get(f"{environments}/{name}") as answer:
        assert answer.status == 404
    async with baseten.post(environments, json=_body(name)) as answer:
        answer.raise_for_status()
    async with baseten.get(f"{environments}/{name}") as answer:
        seen = await answer.json()
        assert seen["current_deployment"]["status"] == "ACTIVE"
    status = {"observedGeneration": 1, "conditions": [], "environment": {"name": name, "chainID": spec["chainID"]}}
    async with cluster.patch(f"{RESOURCES}/{name}/status", json={"status": status}, headers=MERGE_PATCH) as answer:
        await answer.read()


def _body(name: str) -> Json:
    autoscaling = {"min_replica": 1, "max_replica": 3}
    chainlets = [{"chainlet_name": each, "autoscaling_settings": autoscaling} for each in CHAINLETS]
    return {"name": name, "promotion_settings": {"ramp_up_duration_seconds": 300}, "chainlet_settings": chainlets}
