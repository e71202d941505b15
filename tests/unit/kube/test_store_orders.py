"""Two objects of one name, and answers that come late: whatever the order, the store holds what is there, and only what is read."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from itertools import permutations
from typing import Any

import pytest
from aiohttp import web
from kubernetes.aio import client

from chainenv.core.resource import resource_of
from chainenv.crd.types import ChainEnvironmentStatus
from chainenv.engine.ports import Key, WriteConflictError
from chainenv.kube.cluster import Cluster
from chainenv.kube.store import ObjectStore

KEY = Key("team", "staging")
Event = Callable[[ObjectStore], Any]


def raw(version: int, uid: str = "older") -> dict[str, Any]:
    meta = {"namespace": KEY.namespace, "name": KEY.name, "uid": uid, "resourceVersion": str(version), "generation": 1}
    return {"metadata": {**meta, "creationTimestamp": "2026-01-01T00:00:00Z"}, "spec": {"chainID": "abcd1234"}}


def new_store(url: str = "http://127.0.0.1:1", gone: list[tuple[Key, str]] | None = None) -> ObjectStore:
    reported: list[tuple[Key, str]] = [] if gone is None else gone
    cluster = Cluster(client.ApiClient(client.Configuration(host=url)))
    return ObjectStore(cluster, lambda _: None, lambda: None, lambda key, uid: reported.append((key, uid)))


def held(store: ObjectStore) -> str | None:
    found = store.get(KEY)
    return found.uid if found else None


def put(version: int, uid: str = "older") -> Event:
    return lambda store: store.put(raw(version, uid))


def deleted(version: int, uid: str = "older") -> Event:
    return lambda store: store.deleted(raw(version, uid))


def listed(version: int) -> Event:
    """A list in which it is not."""
    return lambda store: store.complete(set(), version, None)


# -- another object of the same name -------------------------------------------------------------------------------

EVENTS = {"older is put": put(5), "older is deleted": deleted(8), "younger is put": put(10, "younger")}


@pytest.mark.parametrize("order", list(permutations(EVENTS)), ids=", ".join)
def test_in_whatever_order_they_are_heard_the_younger_object_stays(order: tuple[str, ...]) -> None:
    gone: list[tuple[Key, str]] = []
    store = new_store(gone=gone)
    for name in order:
        EVENTS[name](store)
    assert held(store) == "younger"
    was_there = order.index("older is put") < min(order.index(name) for name in EVENTS if name != "older is put")
    assert gone == [(KEY, "older")] * was_there, "each is gone once, if it was there"
    EVENTS["older is put"](store)
    assert held(store) == "younger"


def test_a_deletion_of_the_younger_one_says_that_the_older_is_gone_as_well() -> None:
    store = new_store()
    store.put(raw(5))
    store.deleted(raw(12, "younger"))
    assert held(store) is None
    assert not store.put(raw(10, "younger"))


# -- while an answer is on its way ---------------------------------------------------------------------------------


class Answering:
    """An API server whose answer to a status write comes when the test says so (None: a conflict); which object is ``there`` then."""

    def __init__(self, document: dict[str, Any] | None, there: dict[str, Any] | None) -> None:
        self.asked = asyncio.Event()
        self.answer = asyncio.Event()
        self.document = document
        self.there = there

    async def handle(self, request: web.Request) -> web.Response:
        if request.method != "PUT":
            return web.json_response(self.there or {"message": "not found"}, status=200 if self.there else 404)
        self.asked.set()
        await self.answer.wait()
        return web.json_response({"message": "conflict"}, status=409) if self.document is None else web.json_response(self.document)


@asynccontextmanager
async def writing(
    document: dict[str, Any] | None, there: dict[str, Any] | None = None, status: ChainEnvironmentStatus | None = None
) -> AsyncIterator[tuple[ObjectStore, asyncio.Event, asyncio.Task[Any]]]:
    """A status write of what was version 5 is under way."""
    server = Answering(document, there)
    app = web.Application()
    app.router.add_route("*", "/{rest:.*}", server.handle)
    runner = web.AppRunner(app, access_log=None)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0).start()
    store = new_store(f"http://127.0.0.1:{runner.addresses[0][1]}")
    store.put(raw(5))
    resource = store.get(KEY)
    assert resource is not None
    task = asyncio.create_task(store.write_status(resource, status or ChainEnvironmentStatus()))
    try:
        await server.asked.wait()
        yield store, server.answer, task
    finally:
        server.answer.set()
        await asyncio.gather(task, return_exceptions=True)
        await store._cluster.close()
        await runner.cleanup()


BEFORE_THE_ANSWER: dict[str, tuple[tuple[Event, ...], str | None]] = {
    "deleted": ((deleted(9),), None),
    "reported, deleted": ((put(7), deleted(9)), None),
    "deleted, then an older word of it": ((deleted(9), put(8)), None),
    "not in a list": ((listed(9),), None),
    "deleted, and a list": ((deleted(9), listed(12)), None),
    "deleted and made again": ((deleted(9), put(10, "younger")), "younger"),
    "made again, the deletion told late": ((put(10, "younger"), deleted(9)), "younger"),
    "made again and deleted": ((deleted(9), put(10, "younger"), deleted(11, "younger")), None),
}


@pytest.mark.asyncio
@pytest.mark.parametrize("document", [raw(7), None], ids=["written", "conflict"])
@pytest.mark.parametrize("what", BEFORE_THE_ANSWER)
async def test_what_is_heard_before_the_answer_of_a_write_is_not_undone_by_it(what: str, document: dict[str, Any] | None) -> None:
    events, expected = BEFORE_THE_ANSWER[what]
    async with writing(document, raw(10, expected) if expected else None) as (store, answer, task):
        for event in events:
            event(store)
        answer.set()
        (written,) = await asyncio.gather(task, return_exceptions=True)
        assert held(store) == expected
        assert isinstance(written, WriteConflictError), "the run that wrote ends"


@pytest.mark.asyncio
@pytest.mark.parametrize("heard", [(), (put(7),), (put(6),), (put(8),)], ids=["nothing", "the write", "older", "newer"])
async def test_a_write_of_what_is_there_is_kept_unless_something_newer_was_heard(heard: tuple[Event, ...]) -> None:
    async with writing(raw(7)) as (store, answer, task):
        for event in heard:
            event(store)
        answer.set()
        await task
        found = store.get(KEY)
        assert found is not None
        assert found.resource_version == ("8" if heard and store._kept[KEY].version == 8 else "7")


# -- what is kept --------------------------------------------------------------------------------------------------


def test_of_annotations_only_those_that_are_ours_are_kept_and_text_is_not_made_longer() -> None:
    store = new_store()
    large = "x" * 200_000
    seen = raw(5)
    ours = {"chains.baseten.co/reconcile-requested-at": "now", "chains.baseten.co/abandon": "true"}
    seen["metadata"] |= {
        "annotations": {**ours, "kubectl.kubernetes.io/last-applied-configuration": large, "team.example/notes": large},
        "labels": {"a": "b"},
        "managedFields": [{"manager": large}],
        "ownerReferences": [{"name": large}],
    }
    seen["spec"]["chainletSettings"] = [{"chainletName": "漢" * 1000}]
    store.put(seen)
    found = store.get(KEY)
    assert found is not None
    assert dict(found.annotations) == ours
    assert len(store._kept[KEY].text) < len(json.dumps(seen["spec"], ensure_ascii=False).encode()) + 500


def test_text_that_is_no_text_can_be_kept() -> None:
    store = new_store()
    seen = raw(5)
    seen["status"] = {"conditions": [{"message": "\ud800"}]}
    assert store.put(seen)
    assert store.get(KEY) is not None


# -- what was written ----------------------------------------------------------------------------------------------

WRITTEN = {"state": "ACTIVE"}


@pytest.mark.asyncio
@pytest.mark.parametrize(
    ("kept", "state"), [(WRITTEN, "ACTIVE"), ({}, None), ({"state": "Other"}, "Other")], ids=["as it is", "cut", "other"]
)
async def test_what_came_of_a_status_write_is_what_the_api_server_kept(kept: dict[str, Any], state: str | None) -> None:
    document = {**raw(7), "status": kept}
    async with writing(document, status=ChainEnvironmentStatus(state="ACTIVE")) as (store, answer, task):
        answer.set()
        written = await task
        assert (written.resource_version, written.status.state) == ("7", state)
        assert store.get(KEY) == written == resource_of(document), "whether it was parsed or not"
