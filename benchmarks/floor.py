"""What cannot be beaten: the same calls and writes for each resource, by a script that does nothing else.

It watches the resources, creates what is not there, reads it until it serves, and writes two statuses and one event for each: no
rules, no journal, no retries, no pace. python -m benchmarks.floor API_SERVER CA TOKEN BASETEN COUNT
"""

from __future__ import annotations

import asyncio
import json
import ssl
import sys
import time
from collections.abc import AsyncIterator
from contextlib import aclosing

import aiohttp

from .world import CHAINLETS, EVENTS, KEY, LOAD_SECONDS, MERGE_PATCH, RESOURCES, Json, watching

CONNECTIONS = 200


async def main(api_server: str, ca: str, token: str, baseten_url: str, count: str) -> None:
    authorities = ssl.create_default_context(cafile=ca)
    connector = aiohttp.TCPConnector(limit=CONNECTIONS, ssl=authorities)
    headers = {"Authorization": f"Bearer {token}"}
    key = {"Authorization": f"Api-Key {KEY}"}
    async with (
        aiohttp.ClientSession(baseten_url, headers=key, connector=aiohttp.TCPConnector(limit=CONNECTIONS)) as baseten,
        aiohttp.ClientSession(api_server, headers=headers, connector=connector, raise_for_status=True) as cluster,
    ):
        print("ready", flush=True)
        async with asyncio.TaskGroup() as tasks:
            async for resource in _added(cluster, int(count)):
                tasks.create_task(_one(baseten, cluster, resource))
        print("done", flush=True)
    sys.stdin.readline()  # until its CPU has been read


async def _added(cluster: aiohttp.ClientSession, count: int) -> AsyncIterator[Json]:
    observed: set[str] = set()
    async with aclosing(watching(cluster)) as lines:
        async for line in lines:
            event = json.loads(line)
            name = event["object"]["metadata"]["name"]
            if event["type"] == "ADDED" and name not in observed:
                observed.add(name)
                yield event["object"]
            if len(observed) == count:
                return


async def _one(baseten: aiohttp.ClientSession, cluster: aiohttp.ClientSession, resource: Json) -> None:
    name, spec = resource["metadata"]["name"], resource["spec"]
    environments = f"/v1/chains/{spec['chainID']}/environments"
    async with baseten.get(f"{environments}/{name}") as answer:
        assert answer.status == 404
    async with baseten.post(environments, json=_body(name)) as answer:
        created = time.monotonic()
        await _write(cluster, name, await answer.json())
    await _emit(cluster, resource)
    await asyncio.sleep(max(0.0, created + LOAD_SECONDS - time.monotonic()))
    while True:
        async with baseten.get(f"{environments}/{name}") as answer:
            observed = await answer.json()
        if observed["current_deployment"]["status"] == "ACTIVE":
            return await _write(cluster, name, observed)
        await asyncio.sleep(LOAD_SECONDS / 10)


async def _write(cluster: aiohttp.ClientSession, name: str, observed: Json) -> None:
    current = observed["current_deployment"]
    ready = {"type": "Ready", "status": str(current["status"] == "ACTIVE"), "reason": "Observed", "message": "", "observedGeneration": 1}
    conditions = [{**ready, "lastTransitionTime": observed["created_at"]}]
    status = {"observedGeneration": 1, "conditions": conditions, "currentDeployment": {"id": current["id"], "status": current["status"]}}
    async with cluster.patch(f"{RESOURCES}/{name}/status", json={"status": status}, headers=MERGE_PATCH) as answer:
        await answer.read()


async def _emit(cluster: aiohttp.ClientSession, resource: Json) -> None:
    about = {key: resource["metadata"][key] for key in ("name", "namespace", "uid")}
    event = {
        "metadata": {"generateName": f"{about['name']}.", "namespace": about["namespace"]},
        "involvedObject": {"apiVersion": resource["apiVersion"], "kind": resource["kind"], **about},
        "type": "Normal",
        "reason": "Created",
        "message": "environment created",
    }
    async with cluster.post(EVENTS, json=event) as answer:
        await answer.read()


def _body(name: str) -> Json:
    autoscaling = {"min_replica": 1, "max_replica": 3}
    chainlets = [{"chainlet_name": each, "autoscaling_settings": autoscaling} for each in CHAINLETS]
    return {"name": name, "promotion_settings": {"ramp_up_duration_seconds": 300}, "chainlet_settings": chainlets}


if __name__ == "__main__":
    asyncio.run(main(*sys.argv[1:]))
