import asyncio
import base64
from pathlib import Path

import pytest
from httpx import URL

from chainenv.api import ApiKey, Baseten, NotSent, Transport
from chainenv.api.address import api_url, proxy_for


@pytest.mark.parametrize(
    "text",
    [
        "https://api.baseten.co",
        "https://api.baseten.co/",
        "https://gateway.example:8443/baseten",
        "http://127.0.0.1:8080",
        "http://[::1]:1",
        "http://localhost",
    ],
)
def test_good_addresses(text: str) -> None:
    assert str(api_url(f" {text}\n")).rstrip("/") == text.rstrip("/")


@pytest.mark.parametrize(
    ("text", "advice"),
    [
        ("", "https://api.baseten.co"),
        ("api.baseten.co", "https://api.baseten.co"),
        ("ftp://api.baseten.co", "https://api.baseten.co"),
        ("https://api.baseten.co:99999", "https://api.baseten.co"),
        ("https://", "https://api.baseten.co"),
        ("https://[bad", "https://api.baseten.co"),
        ("https://a b", "https://api.baseten.co"),
        ("http://api.baseten.co", "write https://api.baseten.co"),
        ("http://10.0.0.1", "unencrypted"),
        ("http://localhost.example.com", "unencrypted"),
        ("https://user:pa55@api.baseten.co", "user or password"),
        ("https://api.baseten.co?x=1", "query or fragment"),
        ("https://api.baseten.co/?", "query or fragment"),
        ("https://api.baseten.co#x", "query or fragment"),
        ("https://api.baseten.co/v1/", "/v1"),
    ],
)
def test_bad_addresses_say_what_to_write(text: str, advice: str) -> None:
    with pytest.raises(ValueError, match=advice) as caught:
        Transport(text)
    assert "BASETEN_BASE_URL" in str(caught.value)
    assert "pa55" not in str(caught.value)


def test_bad_numbers_are_refused() -> None:
    with pytest.raises(ValueError, match="timeout"):
        Transport("https://api.baseten.co", timeout_seconds=0)
    with pytest.raises(ValueError, match="rate limit"):
        Transport("https://api.baseten.co", rate_limit=float("inf"))


def test_the_proxy_comes_from_the_environment(no_proxy: pytest.MonkeyPatch) -> None:
    url = URL("https://api.baseten.co")
    assert proxy_for(url) is None
    no_proxy.setenv("HTTPS_PROXY", "proxy.example:3128")
    found = proxy_for(url)
    assert found is not None
    assert found.url == URL("http://proxy.example:3128")
    assert proxy_for(URL("http://127.0.0.1:1")) is None
    no_proxy.setenv("NO_PROXY", ".baseten.co")
    assert proxy_for(url) is None


@pytest.mark.asyncio
async def test_a_proxy_that_refuses_gets_its_own_credentials_and_never_the_key(no_proxy: pytest.MonkeyPatch, key: ApiKey) -> None:
    heard = b""

    async def refuse(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        nonlocal heard
        heard = await reader.readuntil(b"\r\n\r\n")
        writer.write(b"HTTP/1.1 407 Proxy Authentication Required\r\nContent-Length: 0\r\n\r\n")
        writer.close()

    listener = await asyncio.start_server(refuse, "127.0.0.1", 0)
    port = listener.sockets[0].getsockname()[1]
    no_proxy.setenv("HTTPS_PROXY", f"http://me:pass@127.0.0.1:{port}")
    async with Transport("https://api.baseten.co") as transport:
        with pytest.raises(NotSent, match="proxy") as caught:
            await Baseten(transport, key).get_chain("c")
    listener.close()
    assert heard.startswith(b"CONNECT api.baseten.co:443")
    assert base64.b64encode(b"me:pass") in heard
    assert key.reveal().encode() not in heard
    assert "pass" not in str(caught.value)


@pytest.mark.parametrize("answer", [b"", b"HTTP/1.1 200 OK\r\n\r\n", None], ids=["drops", "connects and drops", "hangs"])
@pytest.mark.asyncio
async def test_a_proxy_that_fails_is_not_sent_anything_and_asked_again_by_the_next_call(
    no_proxy: pytest.MonkeyPatch, key: ApiKey, answer: bytes | None
) -> None:
    heard: list[bytes] = []

    async def fail(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        heard.append(await reader.readuntil(b"\r\n\r\n"))
        if answer is None:
            await reader.read()
        else:
            writer.write(answer)
        writer.close()
        await writer.wait_closed()
        ended.release()

    ended = asyncio.Semaphore(0)
    listener = await asyncio.start_server(fail, "127.0.0.1", 0)
    no_proxy.setenv("HTTPS_PROXY", f"http://127.0.0.1:{listener.sockets[0].getsockname()[1]}")
    async with Transport("https://api.baseten.co", timeout_seconds=0.2) as transport:
        for _ in range(2):
            with pytest.raises(NotSent, match="proxy"):
                await Baseten(transport, key).get_chain("c")
            await asyncio.wait_for(ended.acquire(), 30)  # the connection is closed, not kept
    listener.close()
    assert len(heard) == 2
    assert not any(key.reveal().encode() in text for text in heard)


@pytest.mark.parametrize("proxy", ["socks5://proxy.example", "http://", "http://proxy.example:x"])
def test_a_proxy_that_cannot_be_used_is_refused(no_proxy: pytest.MonkeyPatch, proxy: str) -> None:
    no_proxy.setenv("HTTPS_PROXY", proxy)
    with pytest.raises(ValueError, match="HTTPS_PROXY"):
        Transport("https://api.baseten.co")


@pytest.mark.parametrize("text", [None, "", "not a certificate"])
def test_authorities_that_cannot_be_read_are_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, text: str | None) -> None:
    if text is not None:
        (tmp_path / "ca.pem").write_text(text)
    monkeypatch.setenv("SSL_CERT_FILE", str(tmp_path / "ca.pem"))
    with pytest.raises(ValueError, match="SSL_CERT_FILE"):
        Transport("https://api.baseten.co")
