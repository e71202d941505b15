"""Secrets over real HTTP, on a clock that the test turns: what is kept, for how long, and how often it is read."""

from __future__ import annotations

import asyncio
import base64
import gc
import json
from collections import Counter
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import UTC, datetime
from typing import Any

import pytest
from aiohttp import web
from kubernetes.aio import client

from chainenv.api import ApiKey
from chainenv.core.reasons import Reason
from chainenv.core.resource import Resource
from chainenv.crd.types import FINALIZER, ChainEnvironmentSpec, ChainEnvironmentStatus, SecretKeyRef
from chainenv.engine.ports import KeyUnavailableError
from chainenv.kube import secrets
from chainenv.kube.cluster import Cluster, ClusterError
from chainenv.kube.secrets import SecretKeys
from chainenv.settings import KeyGrants


def resource(uid: str, secret: str | None = "shared", key: str = "api-key", *, finalizer: bool = False, deleting: bool = False) -> Resource:
    ref = SecretKeyRef(name=secret, key=key) if secret else None
    return Resource(
        namespace="team",
        name=uid,
        uid=uid,
        generation=1,
        resource_version="1",
        created_at=datetime(2026, 1, 1, tzinfo=UTC),
        spec=ChainEnvironmentSpec(chain_id="abcd1234", api_key_secret_ref=ref),
        status=ChainEnvironmentStatus(),
        finalizers=(FINALIZER,) if finalizer else (),
        deleting=deleting,
    )


class World:
    """An API server that has these Secrets, and a clock."""

    def __init__(self) -> None:
        self.now = 1000.0
        self.secrets: dict[str, Any] = {}
        self.reads: Counter[str] = Counter()
        self.answer = asyncio.Event()
        self.answer.set()
        self.status = 200
        self.keys: SecretKeys

    def put(self, name: str, *, kind: str = "Opaque", labels: dict[str, str] | None = None, **data: str) -> None:
        values = {key.replace("_", "-"): base64.b64encode(value.encode()).decode() for key, value in data.items()}
        self.secrets[name] = {"type": kind, "metadata": {"name": name, "labels": labels}, "data": values}

    async def _get(self, request: web.Request) -> web.Response:
        name = request.match_info["name"]
        self.reads[name] += 1
        await self.answer.wait()
        if self.status != 200:
            return web.json_response({"message": "no"}, status=self.status)
        found = self.secrets.get(name)
        return web.json_response({"message": "not found"}, status=404) if found is None else web.json_response(found)

    async def key(self, uid: str, *, fresh: bool = False, **more: Any) -> str:
        return (await self.keys.key_for(resource(uid, **more), fresh=fresh)).reveal()

    async def trouble(self, uid: str, *, fresh: bool = False, **more: Any) -> KeyUnavailableError:
        with pytest.raises(KeyUnavailableError) as caught:
            await self.keys.key_for(resource(uid, **more), fresh=fresh)
        return caught.value


@asynccontextmanager
async def world(own: str | None = None) -> AsyncIterator[World]:
    made = World()
    app = web.Application()
    app.router.add_get("/api/v1/namespaces/team/secrets/{name}", made._get)
    runner = web.AppRunner(app, access_log=None)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0).start()
    cluster = Cluster(client.ApiClient(client.Configuration(host=f"http://127.0.0.1:{runner.addresses[0][1]}")))
    made.keys = SecretKeys(cluster, ApiKey(own) if own else None, KeyGrants(everybody=True), lambda: made.now)
    try:
        yield made
    finally:
        await cluster.close()
        await runner.cleanup()


# -- reads ---------------------------------------------------------------------------------------------------------


@pytest.mark.asyncio
async def test_a_missing_secret_is_read_once_for_all_who_wait_and_ever_less_often() -> None:
    async with world() as seen:
        waits = []
        for _ in range(9):
            before = seen.reads["shared"]
            troubles = await asyncio.gather(*(seen.trouble(f"r-{n}") for n in range(150)))
            assert seen.reads["shared"] == before + 1
            assert {each.reason for each in troubles} == {Reason.SECRET_NOT_FOUND}
            wait = troubles[0].retry_seconds
            assert {round(each.retry_seconds, 6) for each in troubles} == {round(wait, 6)}
            waits.append(wait)
            seen.now += wait
    assert (waits[0], waits[-1]) == (pytest.approx(3), pytest.approx(60))
    assert waits == sorted(waits)


@pytest.mark.asyncio
async def test_a_named_value_that_is_missing_is_no_reason_to_read_for_each() -> None:
    """Each resource names another key of a Secret that has none of them."""
    async with world() as seen:
        seen.put("shared", other="x")
        for n in range(100):
            await seen.trouble(f"r-{n}", key=f"key-{n}")
        first = seen.reads["shared"]
        for _ in range(5):
            seen.now += 3
            await asyncio.gather(*(seen.trouble(f"r-{n}", key=f"key-{n}") for n in range(100)))
        assert seen.reads["shared"] <= first + 5


@pytest.mark.asyncio
async def test_somebody_elses_bad_name_does_not_keep_a_good_one_waiting() -> None:
    async with world() as seen:
        seen.put("shared", api_key="good")
        await seen.trouble("bad", key="misspelt")
        assert await seen.key("good") == "good"


@pytest.mark.asyncio
async def test_the_secret_is_noticed_when_it_is_made_and_at_once_when_asked_for() -> None:
    async with world() as seen:
        wait = (await seen.trouble("a")).retry_seconds
        seen.put("shared", api_key="good")
        await seen.trouble("b")
        assert await seen.key("c", fresh=True) == "good"
        seen.now += wait
        assert await seen.key("a") == "good"


@pytest.mark.asyncio
async def test_a_read_that_began_before_it_was_asked_for_does_not_count() -> None:
    async with world() as seen:
        seen.put("shared", api_key="old")
        seen.answer.clear()
        first = asyncio.create_task(seen.key("a"))
        while not seen.reads["shared"]:  # noqa: ASYNC110 - the server does not know of the test
            await asyncio.sleep(0.001)
        seen.now += 1
        second = asyncio.create_task(seen.key("b", fresh=True))
        await asyncio.sleep(0)
        seen.answer.set()
        await asyncio.gather(first, second)
        assert seen.reads["shared"] == 2


@pytest.mark.asyncio
@pytest.mark.parametrize("status", [500, 429])
async def test_a_failed_read_fails_for_all_who_wait_for_it(status: int) -> None:
    async with world() as seen:
        seen.status = status
        failed = await asyncio.gather(*(seen.key(f"r-{n}") for n in range(50)), return_exceptions=True)
        assert {type(each) for each in failed} == {ClusterError}
        assert seen.reads["shared"] == 1


# -- what is kept --------------------------------------------------------------------------------------------------


def in_memory(text: str) -> bool:
    gc.collect()
    return any(isinstance(each, dict) and text in [v for v in each.values() if isinstance(v, str)] for each in gc.get_objects())


@pytest.mark.asyncio
async def test_nothing_but_the_named_value_is_kept() -> None:
    async with world() as seen:
        seen.put("shared", api_key="good")
        big = base64.b64encode(b"somebody's other secret").decode()
        seen.secrets["shared"] = json.loads(json.dumps(seen.secrets["shared"]))
        seen.secrets["shared"]["data"]["other"] = big
        assert await seen.key("a") == "good"
        seen.secrets.clear()
        assert not in_memory(big)


@pytest.mark.asyncio
async def test_a_value_leaves_the_memory_when_its_time_is_over(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(secrets, "KEPT_SECONDS", 0.05)
    async with world() as seen:
        seen.put("shared", api_key="for-a-moment")
        await seen.key("a")
        kept = seen.keys._secrets
        async with asyncio.timeout(10):
            while len(kept):  # noqa: ASYNC110 - what is waited for knows nothing of the test
                await asyncio.sleep(0.01)
        gc.collect()
        assert not [each for each in gc.get_objects() if isinstance(each, ApiKey) and each.reveal() == "for-a-moment"]


# -- what may be sent ----------------------------------------------------------------------------------------------


@pytest.mark.asyncio
@pytest.mark.parametrize("kind", ["kubernetes.io/service-account-token", "kubernetes.io/tls", "example.com/own"])
async def test_a_secret_of_another_type_is_a_key_only_when_it_says_so(kind: str) -> None:
    async with world() as seen:
        seen.put("shared", kind=kind, api_key="token")
        trouble = await seen.trouble("a")
        assert trouble.reason == Reason.INVALID_API_KEY
        assert "chains.baseten.co/api-key=true" in trouble.message
        seen.put("shared", kind=kind, labels={"chains.baseten.co/api-key": "true"}, api_key="token")
        assert await seen.key("a", fresh=True) == "token"
        seen.put("shared", kind=kind, labels={"chains.baseten.co/api-key": "false"}, api_key="token")
        assert (await seen.trouble("a", fresh=True)).reason == Reason.INVALID_API_KEY


@pytest.mark.asyncio
@pytest.mark.parametrize("value", ["", "two words", "clé", "bell\x07", "k" * 5000])
async def test_no_message_describes_a_value_or_names_another_key(value: str) -> None:
    async with world() as seen:
        seen.put("shared", api_key=value, private_thing="x")
        bad = await seen.trouble("a")
        missing = await seen.trouble("b", key="named")
        assert (bad.reason, missing.reason) == (Reason.INVALID_API_KEY, Reason.SECRET_KEY_NOT_FOUND)
        assert "private-thing" not in bad.message + missing.message
        seen.put("shared", api_key="bell\x00")
        assert (await seen.trouble("a", fresh=True)).message == bad.message, "the same for every value that is no key"


# -- refused keys --------------------------------------------------------------------------------------------------


@pytest.mark.asyncio
@pytest.mark.parametrize("own", [None, "own"])
async def test_one_refused_resource_does_not_hold_its_neighbours(own: str | None) -> None:
    secret = None if own else "shared"
    async with world(own) as seen:
        seen.put("shared", api_key="own")
        for n in range(10):
            await seen.key(f"r-{n}", secret=secret)
        seen.keys.refused(resource("r-0", secret), ApiKey("own"))
        trouble = await seen.trouble("r-0", secret=secret)
        assert trouble.reason == Reason.CREDENTIALS_REFUSED
        assert trouble.retry_seconds == pytest.approx(60 if own else 3)
        assert {await seen.key(f"r-{n}", secret=secret) for n in range(1, 10)} == {"own"}
        assert await seen.key("r-0", secret=secret, fresh=True) == "own"


@pytest.mark.asyncio
async def test_a_rotated_value_is_found_by_the_run_that_follows_the_refusal() -> None:
    async with world() as seen:
        seen.put("shared", api_key="old")
        old = await seen.key("a")
        seen.put("shared", api_key="new")
        assert await seen.key("a") == old
        seen.now += 1
        seen.keys.refused(resource("a"), ApiKey(old))
        assert await seen.key("a") == "new"


@pytest.mark.asyncio
async def test_while_a_value_is_refused_its_secret_is_polled_for_another_one() -> None:
    async with world() as seen:
        seen.put("shared", api_key="old")
        await seen.key("a")
        seen.keys.refused(resource("a"), ApiKey("old"))
        wait = (await seen.trouble("a")).retry_seconds
        assert wait == pytest.approx(3)
        seen.put("shared", api_key="new")
        seen.now += wait
        assert await seen.key("a") == "new"


# -- the last key of what is being deleted -------------------------------------------------------------------------


@pytest.mark.asyncio
async def test_a_deletion_may_use_the_key_that_was_accepted_last() -> None:
    async with world() as seen:
        seen.put("shared", api_key="good")
        await seen.key("a", finalizer=True)
        seen.keys.accepted(resource("a", finalizer=True), ApiKey("good"))
        del seen.secrets["shared"]
        seen.now += 3600
        assert (await seen.trouble("a", finalizer=True)).reason == Reason.SECRET_NOT_FOUND, "not for anything else"
        assert await seen.key("a", finalizer=True, deleting=True) == "good"
        assert (await seen.trouble("b", finalizer=True, deleting=True)).reason == Reason.SECRET_NOT_FOUND
        seen.put("shared", api_key="another")
        assert await seen.key("a", finalizer=True, deleting=True, fresh=True) == "another"
        seen.keys.refused(resource("a"), ApiKey("another"))
        assert await seen.key("a", finalizer=True, deleting=True) == "good"
        seen.keys.refused(resource("a"), ApiKey("good"))
        assert (await seen.trouble("a", finalizer=True, deleting=True)).reason == Reason.CREDENTIALS_REFUSED


@pytest.mark.asyncio
@pytest.mark.parametrize("how", ["forgotten", "without a finalizer"])
async def test_the_last_key_is_released(how: str) -> None:
    async with world() as seen:
        seen.keys.accepted(resource("a", finalizer=True), ApiKey("good"))
        if how == "forgotten":
            seen.keys.forget("a")
        else:
            seen.keys.accepted(resource("a"), ApiKey("good"))
        assert (await seen.trouble("a", finalizer=True, deleting=True)).reason == Reason.SECRET_NOT_FOUND
