"""The proxy in front of the API server, before a server of a few lines: calls, and a watch that says something when told to."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from queue import SimpleQueue

import httpx
import pytest

from chainenv_sandbox.proxy.client import Proxy
from chainenv_sandbox.proxy.process import start_proxy

from .helpers import wait_for


class Upstream(ThreadingHTTPServer):
    daemon_threads = True

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), Handler)
        self.seen: list[str] = []
        self.events: SimpleQueue[bytes] = SimpleQueue()

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.server_address[1]}"


class Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    server: Upstream

    def answer(self) -> None:
        body = self.rfile.read(int(self.headers.get("Content-Length", 0)))
        self.server.seen.append(f"{self.command} {self.path} {self.headers.get('Authorization')} {body.decode()}")
        if "watch=true" in self.path:
            return self.stream()
        self.send_response(201)
        self.send_header("Content-Length", "2")
        self.end_headers()
        self.wfile.write(b"ok")
        return None

    do_GET = do_PUT = do_PATCH = answer  # noqa: N815 - the library's names

    def stream(self) -> None:
        self.send_response(200)
        self.send_header("Transfer-Encoding", "chunked")
        self.end_headers()
        while event := self.server.events.get():
            self.wfile.write(b"%x\r\n%s\r\n" % (len(event), event))
        self.wfile.write(b"0\r\n\r\n")

    def log_message(self, *_: object) -> None:
        """Nothing on stderr."""


@pytest.fixture
def upstream() -> Iterator[Upstream]:
    with Upstream() as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        yield server
        server.shutdown()


@pytest.fixture
def proxy(upstream: Upstream) -> Iterator[Proxy]:
    with start_proxy(upstream.url) as proxy:
        yield proxy


@pytest.fixture
def client(proxy: Proxy) -> Iterator[httpx.Client]:
    with httpx.Client(base_url=proxy.url, timeout=30, trust_env=False) as client:
        yield client


class Calling:
    """A call in a thread of its own; ``answer`` is None when it broke."""

    def __init__(self, proxy: Proxy, path: str = "/a/status", *, timeout: float = 30) -> None:
        self.answer: httpx.Response | None = None
        self._client = httpx.Client(base_url=proxy.url, timeout=timeout, trust_env=False)
        self._thread = threading.Thread(target=self._run, args=(path,), daemon=True)
        self._thread.start()

    def _run(self, path: str) -> None:
        with self._client as client:
            try:
                self.answer = client.put(path, content=b"{}")
            except httpx.TransportError:
                self.answer = None

    def end(self) -> httpx.Response | None:
        self._thread.join(60)
        assert not self._thread.is_alive()
        return self.answer


def test_calls_pass_unchanged_and_are_counted(upstream: Upstream, proxy: Proxy, client: httpx.Client) -> None:
    answer = client.patch("/a%2Fb/c?x=%20y", content=b'{"z": 1}', headers={"Authorization": "Bearer t"})
    assert (answer.status_code, answer.text) == (201, "ok")
    assert upstream.seen == ['PATCH /a%2Fb/c?x=%20y Bearer t {"z": 1}']
    (entry,) = proxy.calls(method="PATCH", path="/c$", endpoint="call")
    assert (entry.status, entry.request) == (201, {"z": 1})
    assert proxy.calls(since=entry.seq) == []


def test_a_call_is_held_before_it_reaches_the_server(upstream: Upstream, proxy: Proxy) -> None:
    proxy.hold("write", method="PUT", path="/status$")
    call = Calling(proxy)
    proxy.wait_held("write")
    assert upstream.seen == []
    proxy.release("write")
    answer = call.end()
    assert answer is not None
    assert answer.status_code == 201
    assert len(upstream.seen) == 1


def test_an_answer_is_held_before_it_is_delivered(upstream: Upstream, proxy: Proxy) -> None:
    proxy.hold("write", method="PUT", point="after_effect")
    call = Calling(proxy)
    proxy.wait_held("write")
    assert len(upstream.seen) == 1
    assert call.answer is None
    proxy.release()
    assert call.end() is not None


@pytest.mark.parametrize(("if_gone", "arrives"), [("drop", 0), ("effect", 1)])
def test_what_becomes_of_a_held_call_whose_client_went_away_can_be_chosen(
    upstream: Upstream, proxy: Proxy, if_gone: str, arrives: int
) -> None:
    proxy.hold("write", method="PUT", if_gone=if_gone)  # type: ignore[arg-type]
    assert Calling(proxy, timeout=0.3).end() is None
    proxy.wait_held("write", gone=1)
    proxy.wait_calls(1, method="PUT", done=True)
    assert len(upstream.seen) == arrives


def test_a_watch_can_be_cut(upstream: Upstream, proxy: Proxy, client: httpx.Client) -> None:
    with client.stream("GET", "/w?watch=true") as answer:
        lines = answer.iter_raw()
        upstream.events.put(b"one\n")
        assert next(lines) == b"one\n"
        assert proxy.watches() == {"open": 1, "mute": 0}
        assert proxy.cut_watches() == 1
        with pytest.raises(httpx.TransportError):
            next(lines)
    wait_for(lambda: proxy.watches()["open"] == 0, "the watch is gone")
    upstream.events.put(b"")


def test_a_mute_watch_stays_open_and_says_nothing_and_others_speak(upstream: Upstream, proxy: Proxy, client: httpx.Client) -> None:
    with client.stream("GET", "/w?watch=true", timeout=0.5) as answer:
        wait_for(lambda: proxy.watches()["open"], "the watch is open")
        assert proxy.mute_watches() == 1
        upstream.events.put(b"unheard\n")
        assert proxy.watches() == {"open": 1, "mute": 1}
        with pytest.raises(httpx.ReadTimeout):
            next(answer.iter_raw())
        assert client.get("/other").text == "ok"
    wait_for(lambda: proxy.watches()["open"] == 0, "the watch is gone with its client")
    upstream.events.put(b"")


def test_watches_to_come_can_be_mute_too(proxy: Proxy, client: httpx.Client) -> None:
    proxy.mute_watches(new=True)
    with client.stream("GET", "/w?watch=true") as answer:
        assert answer.status_code == 200
        wait_for(lambda: proxy.watches() == {"open": 1, "mute": 1}, "the watch is mute from the first")


def test_connections_are_refused_and_then_taken_again_at_the_same_port(proxy: Proxy, client: httpx.Client) -> None:
    proxy.hold("write", method="PUT")
    call = Calling(proxy)
    proxy.wait_held("write")
    proxy.refuse()
    assert call.end() is None, "what was under way is broken"
    with pytest.raises(httpx.ConnectError):
        client.get("/a")
    proxy.accept()
    assert client.get("/a").text == "ok"


def test_calls_can_be_delayed(proxy: Proxy) -> None:
    proxy.delay(30, path="/slow$")
    assert Calling(proxy, "/slow", timeout=0.3).end() is None
    assert Calling(proxy, "/fast").end() is not None
    proxy.clear_delays()
    assert Calling(proxy, "/slow").end() is not None
