import asyncio
import contextlib
import logging
import shutil
import socket
import ssl
import subprocess
import traceback
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any

import pytest
from aiohttp import web
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from chainenv import __version__
from chainenv.api import ApiKey, Baseten, BasetenError, Invalid, NotSent, RateLimited, Transport, Unavailable, requests, wire

pytestmark = pytest.mark.asyncio
CHAIN = {"id": "c", "name": "n"}


async def drop(request: web.Request) -> web.StreamResponse:
    assert request.transport is not None
    request.transport.close()
    await asyncio.sleep(1)
    return web.Response()


async def truncate(request: web.Request) -> web.StreamResponse:
    response = web.StreamResponse(headers={"Content-Length": "100", "Content-Type": "application/json"})
    await response.prepare(request)
    await response.write(b'{"id": "c",')
    assert request.transport is not None
    request.transport.close()
    return response


async def trickle(request: web.Request) -> web.StreamResponse:
    response = web.StreamResponse()
    await response.prepare(request)
    while True:
        await response.write(b" ")
        await asyncio.sleep(0.02)


async def hang(_: web.Request) -> web.StreamResponse:
    await asyncio.sleep(3)
    return web.Response()


async def test_what_is_sent(server: Any, baseten: Baseten, key: ApiKey) -> None:
    server.answers(json={"ok": True})
    body = requests.UpdateChainEnvironmentRequestV1(promotion_settings=requests.UpdatePromotionSettingsV1(rolling_deploy=True))
    assert await baseten.update_environment("c", "staging", body) is True
    request = server.seen[0]
    assert (request.method, request.raw_path) == ("PATCH", "/v1/chains/c/environments/staging")
    assert request.headers["Authorization"] == f"Api-Key {key.reveal()}"
    assert request.headers["Content-Type"] == "application/json"
    assert request.headers["User-Agent"] == f"chainenv-operator/{__version__}"
    assert server.bodies == [b'{"promotion_settings":{"rolling_deploy":true}}']


async def test_each_call_carries_its_own_key_and_no_cookie(server: Any, transport: Transport) -> None:
    server.answers(json=CHAIN, headers={"Set-Cookie": "session=of-the-first-key"})
    for value in ("key-one-1", "key-two-2"):
        await Baseten(transport, ApiKey(value)).get_chain("c")
    assert [request.headers["Authorization"] for request in server.seen] == ["Api-Key key-one-1", "Api-Key key-two-2"]
    assert not any("Cookie" in request.headers for request in server.seen)


async def test_netrc_does_not_matter(server: Any, baseten: Baseten, key: ApiKey, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "netrc").write_text("machine 127.0.0.1 login me password other")
    monkeypatch.setenv("NETRC", str(tmp_path / "netrc"))
    monkeypatch.setenv("HTTP_PROXY", "http://127.0.0.1:1")
    server.answers(json=CHAIN)
    await baseten.get_chain("c")
    assert server.seen[0].headers["Authorization"] == f"Api-Key {key.reveal()}"


@settings(max_examples=60, suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None)
@given(
    st.text(max_size=20)
    | st.sampled_from(["../..", "a/b", "%2e%2e", "a?b=c", "a#b", "a\r\nX: 1", "ü", ".", "..", "", "%", "\ud800", ";", " "])
)
async def test_hostile_names_stay_one_segment(server: Any, baseten: Baseten, name: str) -> None:
    server.answers(json=CHAIN)
    server.seen.clear()
    if name in ("", ".", "..") or not name.isprintable():
        with pytest.raises(Invalid) as caught:
            await baseten.get_chain(name)
        assert caught.value.status is None
        assert not server.seen
        return
    await baseten.get_chain(name)
    assert server.seen[0].raw_path.count("/") == 3
    assert not set("?#") & set(server.seen[0].raw_path)
    assert server.seen[0].path == f"/v1/chains/{name}"


async def test_a_prefix_of_the_base_url_is_kept(server: Any, key: ApiKey) -> None:
    server.answers(json=CHAIN)
    async with Transport(f"{server.url}/gateway/") as transport:
        await Baseten(transport, key).get_chain("c")
    assert server.seen[0].raw_path == "/gateway/v1/chains/c"


async def test_a_redirect_is_not_followed(server: Any, other_server: Any, baseten: Baseten) -> None:
    server.answers(307, headers={"Location": other_server.url})
    other_server.answers(json=CHAIN)
    with pytest.raises(Unavailable, match=r"redirect to 127\.0\.0\.1"):
        await baseten.get_chain("c")
    assert len(server.seen) == 1
    assert not other_server.seen


async def test_a_read_is_sent_once_more_when_the_connection_drops(server: Any, baseten: Baseten) -> None:
    async def handler(request: web.Request) -> web.StreamResponse:
        return await drop(request) if len(server.seen) == 1 else web.json_response(CHAIN)

    server.handler = handler
    assert (await baseten.get_chain("c")).id == "c"
    assert len(server.seen) == 2


async def test_a_read_is_not_sent_a_third_time(server: Any, baseten: Baseten) -> None:
    server.handler = drop
    with pytest.raises(Unavailable, match="lost before the answer") as caught:
        await baseten.get_chain("c")
    assert not isinstance(caught.value, NotSent)
    assert len(server.seen) == 2


@pytest.mark.parametrize("reused", [False, True], ids=["new connection", "kept connection"])
async def test_a_write_is_never_sent_twice(server: Any, baseten: Baseten, reused: bool) -> None:
    if reused:
        server.answers(json=CHAIN)
        await baseten.get_chain("c")
        server.seen.clear()
    server.handler = drop
    with pytest.raises(Unavailable) as caught:
        await baseten.promote("c", "staging", requests.PromoteToChainEnvironmentRequestV1(deployment_id="d"))
    with pytest.raises(Unavailable):
        await baseten.update_environment("c", "staging", requests.UpdateChainEnvironmentRequestV1())
    assert not isinstance(caught.value, NotSent)
    assert [request.method for request in server.seen] == ["POST", "PATCH"]


async def test_not_even_a_write_that_http_calls_idempotent(server: Any, baseten: Baseten) -> None:
    server.answers(json=CHAIN)
    await baseten.get_chain("c")
    server.handler = drop
    with pytest.raises(Unavailable) as caught:
        await baseten.delete_deployment("c", "d")
    assert not isinstance(caught.value, NotSent)
    assert [request.method for request in server.seen] == ["GET", "DELETE"]
    assert server.seen[1].protocol is server.seen[0].protocol, "over a connection that was kept"


async def test_a_read_over_a_kept_connection_is_sent_twice_at_most(server: Any, baseten: Baseten) -> None:
    server.answers(json=CHAIN)
    await baseten.get_chain("c")
    server.handler = drop
    with pytest.raises(Unavailable, match="lost before the answer"):
        await baseten.get_chain("c")
    assert len(server.seen) == 3


@pytest.mark.parametrize(
    ("body", "text"),
    [
        (b"<html>sign in</html>", "HTML"),
        (b"", "JSON"),
        (b'{"id": "c", "name"', "JSON"),
        (b"[]", "object"),
        (b"null", "object"),
        (b'{"name": "n"}', "id: "),
        (b"[" * 100_000, "JSON"),
        (b'{"id": "c", "deployments_count": ' + b"9" * 5000 + b"}", "JSON"),
        (b"x" * 300_000, "larger than 200000 bytes"),
    ],
)
async def test_a_good_status_with_an_unreadable_body(server: Any, baseten: Baseten, body: bytes, text: str) -> None:
    server.answers(body=body)
    with pytest.raises(Unavailable, match=text) as caught:
        await baseten.get_chain("c")
    assert caught.value.status == 200
    assert not isinstance(caught.value, NotSent)
    assert len(caught.value.message) <= 300


async def test_a_compressed_answer_cannot_grow_past_the_bound(server: Any, baseten: Baseten) -> None:
    async def handler(_: web.Request) -> web.StreamResponse:
        response = web.Response(body=b" " * 5_000_000)
        response.enable_compression(web.ContentCoding.gzip)
        return response

    server.handler = handler
    with pytest.raises(Unavailable, match="larger"):
        await baseten.get_chain("c")


@pytest.mark.parametrize(
    ("handler", "text"), [(truncate, "broke off"), (trickle, "no complete answer .* within 0.2 s"), (hang, "within 0.2 s")]
)
async def test_an_answer_that_does_not_arrive(server: Any, key: ApiKey, handler: Any, text: str) -> None:
    server.handler = handler
    async with Transport(server.url, timeout_seconds=0.2) as transport:
        with pytest.raises(Unavailable, match=text) as caught:
            await Baseten(transport, key).deactivate("c", "d")
    assert not isinstance(caught.value, NotSent)


async def test_the_status_of_an_error_counts_though_its_body_breaks_off(server: Any, baseten: Baseten) -> None:
    async def handler(request: web.Request) -> web.StreamResponse:
        response = web.StreamResponse(status=422, headers={"Content-Length": "100"})
        await response.prepare(request)
        await response.write(b"max_replica is too high")
        assert request.transport is not None
        request.transport.close()
        return response

    server.handler = handler
    with pytest.raises(Invalid, match="max_replica is too high"):
        await baseten.deactivate("c", "d")


async def test_no_connection_is_not_sent(key: ApiKey) -> None:
    with socket.socket() as unused:
        unused.bind(("127.0.0.1", 0))
        async with Transport(f"http://127.0.0.1:{unused.getsockname()[1]}") as transport:
            with pytest.raises(NotSent, match=r"no connection to 127\.0\.0\.1"):
                await Baseten(transport, key).deactivate("c", "d")


async def test_a_connection_that_does_not_come_about_is_not_sent(key: ApiKey) -> None:
    with socket.socket() as full:  # a listener that accepts nothing, with its backlog filled
        full.bind(("127.0.0.1", 0))
        full.listen(0)
        fillers = []
        for _ in range(4):
            filler = socket.socket()
            filler.setblocking(False)
            filler.connect_ex(full.getsockname())
            fillers.append(filler)
        async with Transport(f"http://127.0.0.1:{full.getsockname()[1]}", timeout_seconds=0.3) as transport:
            with pytest.raises(NotSent, match="in time"):
                await Baseten(transport, key).deactivate("c", "d")
        for filler in fillers:
            filler.close()


@pytest.mark.usefixtures("no_proxy")
async def test_a_server_without_tls_is_not_sent_anything(server: Any, key: ApiKey) -> None:
    server.answers(json=CHAIN)
    async with Transport(server.url.replace("http:", "https:")) as transport:
        with pytest.raises(NotSent, match="no connection"):
            await Baseten(transport, key).deactivate("c", "d")
    assert not server.seen


@pytest.mark.skipif(shutil.which("openssl") is None, reason="makes a certificate with openssl")
@pytest.mark.usefixtures("no_proxy")
async def test_a_server_with_an_untrusted_certificate_is_not_sent_anything(key: ApiKey, tmp_path: Path) -> None:
    names = [
        "-keyout",
        str(tmp_path / "key"),
        "-out",
        str(tmp_path / "cert"),
        "-subj",
        "/CN=127.0.0.1",
        "-addext",
        "subjectAltName=IP:127.0.0.1",
    ]
    subprocess.run(["openssl", "req", "-x509", "-newkey", "rsa:2048", "-nodes", *names], check=True, capture_output=True)  # noqa: ASYNC221
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    context.load_cert_chain(tmp_path / "cert", tmp_path / "key")
    heard: list[bytes] = []

    async def listen(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        heard.append(await reader.read(1))
        writer.close()

    listener = await asyncio.start_server(listen, "127.0.0.1", 0, ssl=context)
    async with Transport(f"https://127.0.0.1:{listener.sockets[0].getsockname()[1]}") as transport:
        with pytest.raises(NotSent, match=r"certificate of .* is not trusted"):
            await Baseten(transport, key).deactivate("c", "d")
    listener.close()
    assert not heard


async def test_an_answer_that_is_not_http(key: ApiKey) -> None:
    async def babble(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"\r\n\r\n")
        writer.write(b"220 mail.example ESMTP\r\n\r\n")
        await writer.drain()
        writer.close()

    listener = await asyncio.start_server(babble, "127.0.0.1", 0)
    async with Transport(f"http://127.0.0.1:{listener.sockets[0].getsockname()[1]}") as transport:
        with pytest.raises(Unavailable, match="not HTTP") as caught:
            await Baseten(transport, key).deactivate("c", "d")
    listener.close()
    assert not isinstance(caught.value, NotSent)


async def test_a_read_that_is_not_answered_in_http_is_not_sent_again(key: ApiKey) -> None:
    heard = 0

    async def babble(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        nonlocal heard
        await reader.readuntil(b"\r\n\r\n")
        heard += 1
        writer.write(b"220 mail.example ESMTP\r\n\r\n")
        writer.close()

    listener = await asyncio.start_server(babble, "127.0.0.1", 0)
    async with Transport(f"http://127.0.0.1:{listener.sockets[0].getsockname()[1]}") as transport:
        with pytest.raises(Unavailable, match="not HTTP"):
            await Baseten(transport, key).get_chain("c")
    listener.close()
    assert heard == 1


async def test_connections_are_kept_and_never_more_than_allowed(
    server: Any, key: ApiKey, recorder: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(wire, "MAX_CONNECTIONS", 10)
    peers: set[object] = set()
    now = most = 0

    async def handler(request: web.Request) -> web.StreamResponse:
        nonlocal now, most
        now += 1
        most = max(most, now)
        peers.add(request.transport)
        await asyncio.sleep(0.01)
        now -= 1
        return web.json_response(CHAIN)

    server.handler = handler
    async with Transport(server.url, rate_limit=1e6, hooks=recorder.hooks) as transport:
        baseten = Baseten(transport, key)
        await asyncio.gather(*(baseten.get_chain("c") for _ in range(50)))
        assert (most, len(peers)) == (10, 10)
        peers.clear()
        for _ in range(20):
            await baseten.get_chain("c")
        assert len(peers) == 1
    with pytest.raises(RuntimeError, match="closed"):
        await baseten.get_chain("c")


async def test_a_connection_that_nothing_uses_is_closed(key: ApiKey, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(wire, "KEEPALIVE_SECONDS", 0.01)
    ended = asyncio.Semaphore(0)

    async def answer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        with contextlib.suppress(asyncio.IncompleteReadError):
            while await reader.readuntil(b"\r\n\r\n"):
                writer.write(b'HTTP/1.1 200 OK\r\nContent-Length: 22\r\n\r\n{"id":"c", "name":"n"}')
        writer.close()
        ended.release()

    listener = await asyncio.start_server(answer, "127.0.0.1", 0)
    async with Transport(f"http://127.0.0.1:{listener.sockets[0].getsockname()[1]}", rate_limit=1e6) as transport:
        await asyncio.gather(*(Baseten(transport, key).get_chain("c") for _ in range(5)))
        await asyncio.wait_for(ended.acquire(), 60)
    listener.close()


async def test_one_429_pauses_this_key_and_endpoint_for_everyone_and_nothing_else(server: Any, transport: Transport, key: ApiKey) -> None:
    mine, again, other = Baseten(transport, key), Baseten(transport, ApiKey(key.reveal())), Baseten(transport, ApiKey("other-key"))
    server.answers(429, json={"error": "Rate limit exceeded", "retry_after": 37})
    with pytest.raises(RateLimited) as first:
        await mine.get_chain("c")
    server.answers(json=CHAIN | {"success": True})
    with pytest.raises(RateLimited) as second:
        await again.get_chain("another")
    await other.get_chain("c")
    await mine.deactivate("c", "d")
    assert (first.value.local, first.value.status, round(first.value.retry_after)) == (False, 429, 37)
    assert (second.value.local, second.value.status) == (True, None)
    assert 36 < second.value.retry_after <= 37
    assert len(server.seen) == 3


async def test_calls_waiting_their_turn_are_let_go_when_a_pause_begins(server: Any, key: ApiKey) -> None:
    server.answers(429, json={"retry_after": 60})
    async with Transport(server.url, rate_limit=20) as transport:
        results = await asyncio.gather(*(Baseten(transport, key).get_chain("c") for _ in range(100)), return_exceptions=True)
    assert all(isinstance(result, RateLimited) for result in results)
    assert len(server.seen) < 5


async def test_the_hooks_tell_of_calls_and_waits(server: Any, recorder: Any, key: ApiKey) -> None:
    server.answers(json=CHAIN)
    async with Transport(server.url, rate_limit=50, hooks=recorder.hooks) as transport:
        await asyncio.gather(*(Baseten(transport, key).get_chain("c") for _ in range(8)))
        server.answers(404)
        with pytest.raises(BasetenError):
            await Baseten(transport, key).get_chain("c")
    assert [call.outcome for call in recorder.calls] == ["2xx"] * 8 + ["NotFound"]
    assert {(call.endpoint, call.key_id) for call in recorder.calls} == {("get_chain", key.fingerprint)}
    assert all(0 < call.seconds < 1 for call in recorder.calls)
    assert len(recorder.waits) >= 4
    assert max(wait.seconds for wait in recorder.waits) > 0.05


async def test_a_cancelled_call_is_reported_and_its_connection_is_not_used_again(server: Any, baseten: Baseten, recorder: Any) -> None:
    server.handler = hang
    call = asyncio.create_task(baseten.get_chain("c"))
    await asyncio.sleep(0.05)
    call.cancel()
    with pytest.raises(asyncio.CancelledError):
        await call
    server.answers(json=CHAIN)
    assert (await baseten.get_chain("d")).id == "c"
    assert [record.outcome for record in recorder.calls] == ["CancelledError", "2xx"]


async def echo_400(request: web.Request) -> web.StreamResponse:
    return web.json_response({"message": f"bad header {request.headers['Authorization']}"}, status=400)


async def echo_500(request: web.Request) -> web.StreamResponse:
    return web.Response(status=500, text=str(dict(request.headers)))


async def echo_200(request: web.Request) -> web.StreamResponse:
    return web.json_response([request.headers["Authorization"]])


async def echo_headers(request: web.Request) -> web.StreamResponse:
    return web.json_response({}, status=500, headers={"X-Echo": request.headers["Authorization"]})


@pytest.mark.parametrize("handler", [echo_400, echo_500, echo_200, echo_headers, drop, truncate, hang])
async def test_the_key_is_never_shown(
    server: Any, key: ApiKey, caplog: pytest.LogCaptureFixture, handler: Callable[[web.Request], Awaitable[web.StreamResponse]]
) -> None:
    caplog.set_level(logging.DEBUG)
    asyncio.get_running_loop().set_debug(True)
    server.handler = handler
    async with Transport(server.url, timeout_seconds=0.2) as transport:
        baseten = Baseten(transport, key)
        with pytest.raises(BasetenError) as caught:
            await baseten.get_chain("c")
        shown = f"{transport!r} {vars(transport)!r} {baseten!r} {vars(caught.value)!r}"
    error = caught.value
    shown += "".join(traceback.TracebackException.from_exception(error, capture_locals=True).format())
    assert error.__cause__ is None
    assert error.__context__ is None
    assert key.reveal() not in shown + repr(error) + str(error) + caplog.text
