"""The moment right before a call leaves: whoever may no longer act stops it there, and a read begins there."""

import asyncio
import inspect
import socket
import traceback
from collections.abc import AsyncIterator
from typing import Any

import pytest
import pytest_asyncio
from aiohttp import web

from chainenv.api import ENDPOINTS, ApiKey, Baseten, BasetenError, Endpoint, Invalid, NotSent, RateLimited, Transport, Unavailable, requests

pytestmark = pytest.mark.asyncio
CHAIN = {"id": "c", "name": "n"}
PROMOTION = requests.PromoteToChainEnvironmentRequestV1(deployment_id="d")


class NoLongerLeadingError(Exception):
    pass


class OfTheSystemError(ConnectionResetError):
    """One that would be taken for a lost connection, came it from there."""


class Gate:
    """Counts what departs, and holds it back when it is shut."""

    def __init__(self) -> None:
        self.departed: list[str] = []
        self.shut: Exception | None = None

    def __call__(self, endpoint: Endpoint) -> None:
        self.departed.append(endpoint.name)
        if self.shut is not None:
            raise self.shut


@pytest.fixture
def gate() -> Gate:
    return Gate()


@pytest.fixture
def gated(transport: Transport, key: ApiKey, gate: Gate) -> Baseten:
    return Baseten(transport, key, departing=gate)


@pytest_asyncio.fixture
async def slow(server: Any, recorder: Any) -> AsyncIterator[Transport]:
    """One call a tenth of a second."""
    async with Transport(server.url, rate_limit=10, hooks=recorder.hooks) as transport:
        yield transport


def _arguments(method: Any) -> list[Any]:
    bodies = {
        "create_environment": requests.CreateChainEnvironmentRequestV1(name="e"),
        "update_environment": requests.UpdateChainEnvironmentRequestV1(),
        "promote": PROMOTION,
    }
    given = {"body": bodies.get(method.__name__, requests.Body()), "query": requests.Query()}
    return [given.get(name, "x") for name in inspect.signature(method).parameters]


async def test_every_method_asks_and_names_its_endpoint(server: Any, gated: Baseten, gate: Gate) -> None:
    gate.shut = NoLongerLeadingError()
    methods = [method for name, method in inspect.getmembers(gated, inspect.iscoroutinefunction) if not name.startswith("_")]
    for method in methods:
        with pytest.raises(NoLongerLeadingError):
            await method(*_arguments(method))
    assert set(gate.departed) == {endpoint.name for endpoint in ENDPOINTS}
    assert len(gate.departed) == len(methods)
    assert not server.seen


@pytest.mark.parametrize("error", [NoLongerLeadingError(), OfTheSystemError(), TimeoutError(), Unavailable("no", endpoint="x")])
@pytest.mark.parametrize("reused", [False, True], ids=["new connection", "kept connection"])
async def test_what_is_held_back_is_not_sent_and_is_no_call(
    server: Any, gated: Baseten, gate: Gate, recorder: Any, error: Exception, reused: bool
) -> None:
    server.answers(json=CHAIN)
    if reused:
        await gated.get_chain("c")
    before = len(server.seen), len(recorder.calls)
    gate.shut = error
    with pytest.raises(type(error)) as caught:
        await gated.promote("c", "staging", PROMOTION)
    assert caught.value is error
    assert (len(server.seen), len(recorder.calls)) == before
    gate.shut = None
    assert (await gated.get_chain("c")).id == "c"


async def test_what_held_a_call_back_does_not_carry_the_key(gated: Baseten, gate: Gate, key: ApiKey) -> None:
    gate.shut = NoLongerLeadingError()
    with pytest.raises(NoLongerLeadingError) as caught:
        await gated.promote("c", "staging", PROMOTION)
    assert caught.value.__cause__ is None
    assert caught.value.__context__ is None
    shown = "".join(traceback.TracebackException.from_exception(caught.value, capture_locals=True).format())
    assert "Gate" in shown or "__call__" in shown
    assert key.reveal() not in shown


async def test_a_call_departs_after_its_turn_came(server: Any, slow: Transport, key: ApiKey, recorder: Any) -> None:
    server.answers(json=CHAIN)
    waits: list[int] = []
    baseten = Baseten(slow, key, departing=lambda _: waits.append(len(recorder.waits)))
    await asyncio.gather(*(baseten.get_chain("c") for _ in range(4)))
    assert all(over >= index for index, over in enumerate(waits))  # each wait was over before its call departed
    assert len(waits) == 4


async def test_what_is_held_back_leaves_the_line_moving(server: Any, slow: Transport, key: ApiKey) -> None:
    """Those that were in line when it became shut come to nothing, those after it are answered."""
    server.answers(json=CHAIN)
    turn = 0

    def every_other(_: Endpoint) -> None:
        nonlocal turn
        turn += 1
        if turn % 2:
            raise NoLongerLeadingError

    baseten = Baseten(slow, key, departing=every_other)
    results = await asyncio.gather(*(baseten.get_chain("c") for _ in range(6)), return_exceptions=True)
    assert [isinstance(result, NoLongerLeadingError) for result in results] == [True, False] * 3
    assert len(server.seen) == 3


async def test_a_call_departs_after_the_wait_for_a_connection(server: Any, key: ApiKey, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("chainenv.api.wire.MAX_CONNECTIONS", 1)
    answered: list[int] = []
    ends = 0

    async def handler(_: web.Request) -> web.StreamResponse:
        nonlocal ends
        await asyncio.sleep(0.02)
        ends += 1
        return web.json_response(CHAIN)

    server.handler = handler
    async with Transport(server.url, rate_limit=1e6) as transport:
        baseten = Baseten(transport, key, departing=lambda _: answered.append(ends))
        await asyncio.gather(*(baseten.get_chain("c") for _ in range(3)))
    assert answered == [0, 1, 2]


async def test_a_read_that_is_sent_once_more_departs_once_more(server: Any, gated: Baseten, gate: Gate) -> None:
    async def handler(request: web.Request) -> web.StreamResponse:
        if len(server.seen) == 1:
            assert request.transport is not None
            request.transport.close()
        return web.json_response(CHAIN)

    server.handler = handler
    assert (await gated.get_chain("c")).id == "c"
    assert gate.departed == ["get_chain"] * 2


async def test_a_read_that_is_held_back_the_second_time(server: Any, transport: Transport, key: ApiKey, recorder: Any) -> None:
    departed = 0

    def once(_: Endpoint) -> None:
        nonlocal departed
        departed += 1
        if departed == 2:
            raise NoLongerLeadingError

    async def drop(request: web.Request) -> web.StreamResponse:
        assert request.transport is not None
        request.transport.close()
        return web.Response()

    server.handler = drop
    with pytest.raises(NoLongerLeadingError):
        await Baseten(transport, key, departing=once).get_chain("c")
    assert (departed, len(server.seen)) == (2, 1)
    assert [call.outcome for call in recorder.calls] == ["Unavailable"]


async def test_what_never_leaves_does_not_depart(server: Any, gated: Baseten, gate: Gate, key: ApiKey) -> None:
    with pytest.raises(Invalid):
        await gated.get_chain("..")
    with socket.socket() as unused:
        unused.bind(("127.0.0.1", 0))
        async with Transport(f"http://127.0.0.1:{unused.getsockname()[1]}") as nowhere:
            with pytest.raises(NotSent):
                await Baseten(nowhere, key, departing=gate).promote("c", "e", PROMOTION)
    assert gate.departed == []
    server.answers(429, json={"retry_after": 30})
    for _ in range(2):
        with pytest.raises(RateLimited):
            await gated.get_chain("c")
    assert gate.departed == ["get_chain"]


async def test_without_it_nothing_is_asked(server: Any, baseten: Baseten) -> None:
    server.answers(404)
    with pytest.raises(BasetenError):
        await baseten.get_chain("c")
    assert baseten.departing is None
