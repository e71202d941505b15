"""An exception that nobody expected: the resource says so, it is tried again, and the others do not notice."""

from __future__ import annotations

import asyncio
import json
import logging
import time
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import replace
from datetime import UTC, datetime
from typing import Any, NoReturn

import pytest

from chainenv.api import ApiKey, Baseten
from chainenv.core.findings import EventRecord
from chainenv.core.polling import Intervals
from chainenv.core.reasons import Reason
from chainenv.core.resource import Resource
from chainenv.core.status import to_json
from chainenv.core.world import Timing
from chainenv.crd.types import ChainEnvironmentSpec, ChainEnvironmentStatus
from chainenv.engine.ports import ClusterUnavailableError, Key, KeyUnavailableError, Ports
from chainenv.engine.reconcile import Reconciler
from chainenv.kube.queue import Queue

BROKEN, PAUSED = Key("team", "broken"), Key("team", "paused")
DETAIL = "a detail that is nobody's business"


def resource(key: Key, **spec: str) -> Resource:
    return Resource(
        namespace=key.namespace,
        name=key.name,
        uid=f"uid-of-{key.name}",
        generation=1,
        resource_version="1",
        created_at=datetime(2026, 3, 1, tzinfo=UTC),
        spec=ChainEnvironmentSpec.model_validate({"chainID": key.name, **spec}),
        status=ChainEnvironmentStatus(),
    )


class Memory:
    """Store, Keys and Events in memory; reading the key of a resource meets ``bug``, until there is none."""

    def __init__(self, *resources: Resource) -> None:
        self.resources = {Key(each.namespace, each.name): each for each in resources}
        self.bug: Callable[[], NoReturn] | None = bug
        self.tries = 0
        self.writes = 0
        self.away = False

    def get(self, key: Key) -> Resource | None:
        return self.resources.get(key)

    def owner_of(self, _: Resource) -> Resource | None:
        return None

    def contested(self, _: Resource) -> bool:
        return False

    def named_by_others(self, _: Resource) -> frozenset[str]:
        return frozenset()

    def claimed(self, _: Resource) -> NoReturn:
        raise NotImplementedError

    async def write_status(self, resource: Resource, status: ChainEnvironmentStatus) -> Resource:
        if self.away:
            raise ClusterUnavailableError("away")
        self.writes += 1
        written = replace(resource, status=status, resource_version=str(int(resource.resource_version) + 1))
        self.resources[Key(resource.namespace, resource.name)] = written
        return written

    async def set_finalizer(self, resource: Resource, present: bool) -> Resource:
        raise NotImplementedError

    async def key_for(self, _: Resource, **__: bool) -> ApiKey:
        self.tries += 1
        if self.bug is not None:
            self.bug()
        raise KeyUnavailableError(Reason.NO_API_KEY, "there is no key", 300)

    def refused(self, resource: Resource, key: ApiKey) -> None: ...

    def accepted(self, resource: Resource, key: ApiKey) -> None: ...

    def forget(self, uid: str) -> None: ...

    def emit(self, resource: Resource, reported: EventRecord) -> None: ...

    def said(self, key: Key, kind: str) -> tuple[str, str] | None:
        """Reason and message of a condition."""
        found = [c for c in self.resources[key].status.conditions if c.type == kind]
        return (found[0].reason, found[0].message) if found else None


def bug() -> NoReturn:
    raise LookupError(DETAIL)


def no_baseten(_: ApiKey) -> Baseten:
    raise NotImplementedError


def reconciler(memory: Memory, *, backoff: float = 300) -> Reconciler:
    ports = Ports(
        measure=lambda *_: None,
        store=memory,
        keys=memory,
        events=memory,
        baseten=no_baseten,
        now=lambda: datetime.now(UTC),
        monotonic=time.monotonic,
        jitter=lambda: 0.5,
        fence=lambda: None,
    )
    return Reconciler(ports, Intervals(backoff_max=backoff), Timing())


@pytest.fixture
def memory() -> Memory:
    return Memory(resource(BROKEN), resource(PAUSED, managementPolicy="Pause"))


async def until(condition: Callable[[], Any]) -> None:
    async with asyncio.timeout(30):
        while not condition():  # noqa: ASYNC110 - what is waited for knows nothing of the test
            await asyncio.sleep(0.005)


@asynccontextmanager
async def turning(queue: Queue) -> AsyncIterator[None]:
    task = asyncio.create_task(queue.run())
    try:
        yield
    finally:
        queue.stop()
        await task


@pytest.mark.asyncio
async def test_the_resource_says_internal_error_and_the_log_has_the_details(memory: Memory, caplog: pytest.LogCaptureFixture) -> None:
    delay = await reconciler(memory).reconcile(BROKEN)
    assert delay is not None
    said = memory.said(BROKEN, "Reconciling")
    assert said is not None
    assert said[0] == "InternalError"
    assert "see the operator's logs" in said[1]
    assert DETAIL not in json.dumps(to_json(memory.resources[BROKEN].status))
    (record,) = [each for each in caplog.records if each.levelno == logging.ERROR]
    assert record.exc_info is not None
    assert DETAIL in str(record.exc_info[1])


@pytest.mark.asyncio
async def test_it_is_tried_less_and_less_often_and_the_status_is_not_written_each_time(memory: Memory) -> None:
    subject = reconciler(memory)
    delays = [await subject.reconcile(BROKEN) or 0 for _ in range(6)]
    assert delays == sorted(delays)
    assert delays[-1] > 10 * delays[0]
    assert memory.writes == 1


@pytest.mark.asyncio
async def test_others_are_handled_and_the_broken_one_recovers_when_the_cause_is_gone(memory: Memory) -> None:
    subject = reconciler(memory, backoff=0.01)
    queue = Queue(subject.reconcile, workers=2)
    async with turning(queue):
        queue.add(BROKEN)
        await until(lambda: memory.tries > 3)
        queue.add(PAUSED)
        await until(lambda: memory.said(PAUSED, "Synced"))
        memory.bug = None
        await until(lambda: (memory.said(BROKEN, "Synced") or ("", ""))[0] == "NoAPIKey")
    assert (memory.said(PAUSED, "Synced") or ("", ""))[0] == "Paused"


@pytest.mark.asyncio
async def test_a_bug_while_the_api_server_is_away_is_reported_later(memory: Memory) -> None:
    subject = reconciler(memory)
    memory.away = True
    assert await subject.reconcile(BROKEN) is not None
    assert memory.said(BROKEN, "Synced") is None
    memory.away = False
    await subject.reconcile(BROKEN)
    assert memory.said(BROKEN, "Synced") is not None
