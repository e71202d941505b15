"""What a Baseten that lies can do: nothing but fail its own call. The key it was given comes back to nobody."""

import asyncio
import base64
import contextlib
import json
import tracemalloc
from typing import Any
from urllib.parse import quote

import pytest
from aiohttp import web
from hypothesis import example, given
from hypothesis import strategies as st

from chainenv.api import ApiKey, Baseten, BasetenError, Invalid, RateLimited, Transport, Unavailable
from chainenv.api.answers import for_people
from chainenv.api.limiter import MAX_PAUSE_SECONDS, Limiter
from chainenv.api.wire import MAX_RESPONSE_BYTES

SECRET = "AbCdEf12/x+Y~9.s3cr3t"
KEY = ApiKey(SECRET)
FORMS = {
    "as it is": SECRET,
    "in a header": f"Api-Key {SECRET}",
    "in capitals": SECRET.upper(),
    "in small letters": SECRET.lower(),
    "as in JSON": SECRET.replace("/", "\\/"),
    "as JSON may write it": "".join(f"\\u{ord(c):04x}" for c in SECRET),
    "partly escaped": f"\\u{ord(SECRET[0]):04X}{SECRET[1:]}",
    "in JSON within JSON": SECRET.replace("/", "\\\\/").replace("x", "\\\\u0078"),
    "as in a URL": quote(SECRET, safe=""),
    "as in a URL, small": quote(SECRET, safe="").lower(),
    **{f"in base64, {n} before": base64.b64encode(b"key=:"[:n] + SECRET.encode() + b" "[: n % 2]).decode() for n in range(5)},
    "in base64 for URLs": base64.urlsafe_b64encode(b"x" + SECRET.encode()).decode(),
    "as a Secret's data": base64.b64encode(f"{SECRET}\n".encode()).decode(),
}


def plain(body: bytes) -> str:
    """The body with every encoding that it could hold the key in undone, in small letters."""
    text = body.decode()
    for _ in range(2):
        text = json.loads(f'"{text}"')
    return text.lower()


@pytest.mark.parametrize("form", FORMS)
def test_the_key_is_taken_out_of_a_body_in_any_form(form: str) -> None:
    text = FORMS[form]
    body = b'{"message": "before ' + text.encode() + b' after"}'
    left = KEY.redacted(body)
    assert text.encode()[4:-4] not in left
    assert left.startswith(b'{"message": "before ')
    assert left.endswith(b' after"}')
    assert KEY.redact(f"before {text} after").startswith("before ")
    assert text[4:-4] not in KEY.redact(f"before {text} after")


@given(st.binary(max_size=200), st.sampled_from(sorted(FORMS)), st.binary(max_size=200))
def test_wherever_it_stands(before: bytes, form: str, after: bytes) -> None:
    left = KEY.redacted(before + FORMS[form].encode() + after)
    assert SECRET.lower().encode() not in left.lower()
    assert FORMS[form].encode() not in left


@given(
    st.text(st.characters(min_codepoint=0x21, max_codepoint=0x7E), min_size=8, max_size=60), st.binary(max_size=9), st.binary(max_size=9)
)
@example("********", b"", b"")
def test_any_key_in_base64_wherever_it_begins(value: str, before: bytes, after: bytes) -> None:
    key = ApiKey(value)
    for encode in (base64.b64encode, base64.urlsafe_b64encode):
        encoded = encode(before + value.encode() + after)
        assert encoded not in key.redacted(b"<" + encoded + b">")


@given(st.text(max_size=300))
def test_a_body_without_the_key_stays_as_it_is(text: str) -> None:
    for body in (text.encode("utf-8", "replace"), json.dumps({"message": text, "é": "%41\\u0041\\/"}).encode()):
        assert KEY.redacted(body) == body


# -- over the wire ---------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("form", FORMS)
@pytest.mark.parametrize("status", [200, 400, 429, 503])
@pytest.mark.asyncio
async def test_an_answer_does_not_bring_the_key_back(server: Any, transport: Transport, status: int, form: str) -> None:
    written = b'{"id": "c", "name": "' + FORMS[form].encode() + b'", "message": "' + FORMS[form].encode() + b'"}'
    server.answers(status, body=written)
    baseten = Baseten(transport, KEY)
    if status == 200:
        shown = (await baseten.get_chain("c")).name
    else:
        with pytest.raises(BasetenError) as caught:
            await baseten.get_chain("c")
        shown = caught.value.message
    assert "***" in shown
    assert SECRET.lower() not in plain(shown.encode("ascii", "backslashreplace").replace(b"\\", b"\\\\"))
    assert FORMS[form] not in shown


@pytest.mark.asyncio
async def test_a_name_of_a_field_does_not_bring_the_key_back(server: Any, transport: Transport) -> None:
    server.answers(json={"id": "c", "name": "n", "environments": {SECRET: {}}, SECRET: 1})
    baseten = Baseten(transport, KEY)
    await baseten.get_chain("c")
    server.answers(json={"detail": [{"loc": ["body", SECRET.upper()], "msg": "bad"}]}, status=422)
    with pytest.raises(Invalid, match=r"body\.\*\*\*: bad") as caught:
        await baseten.get_chain("c")
    assert SECRET.lower() not in caught.value.message.lower()


@pytest.mark.parametrize("secret", ["ABCD-efgh-1234", "abcd.efgh.1234"])
@pytest.mark.asyncio
async def test_a_redirect_to_a_host_named_like_the_key_shows_it_not(server: Any, transport: Transport, secret: str) -> None:
    server.answers(302, headers={"Location": f"https://{secret}.example/{secret}"})
    with pytest.raises(Unavailable, match=r"a redirect to \*\*\*\.example:") as caught:
        await Baseten(transport, ApiKey(secret)).get_chain("c")
    assert secret.lower() not in caught.value.message.lower()


@pytest.mark.asyncio
async def test_a_text_that_is_too_short_to_be_a_secret_leaves_good_answers_whole(server: Any, transport: Transport) -> None:
    server.answers(json={"id": "c", "name": "n"})
    assert (await Baseten(transport, ApiKey("name")).get_chain("c")).name == "n"


# -- texts -----------------------------------------------------------------------------------------------------------------

INVISIBLE = {
    "NUL": "\x00",
    "escape": "\x1b[2J",
    "delete": "\x7f",
    "C1 CSI": "\x9b2J",
    "next line": "\x85",
    "line separator": "\u2028",
    "paragraph separator": "\u2029",
    "bidi override": "\u202e",
    "bidi embedding": "\u202a",
    "bidi isolate": "\u2066",
    "right-to-left mark": "\u200f",
    "zero width space": "\u200b",
    "zero width joiner": "\u200d",
    "word joiner": "\u2060",
    "byte order mark": "\ufeff",
    "soft hyphen": "\u00ad",
    "a tag": "\U000e0041",
    "private use": "\ue000",
    "no-break space": "\u00a0",
}


@pytest.mark.parametrize("name", INVISIBLE)
@pytest.mark.asyncio
async def test_characters_that_deceive_the_eye_are_not_shown(server: Any, baseten: Baseten, name: str) -> None:
    text = f"one{INVISIBLE[name]}two"
    for body in (json.dumps({"message": text}).encode(), json.dumps({"error": text}, ensure_ascii=False).encode(), text.encode()):
        server.answers(400, body=body)
        with pytest.raises(Invalid) as caught:
            await baseten.get_chain("c")
        message = caught.value.message
        assert message.startswith("Baseten answered 400: one ")
        assert message.endswith("two")
        assert message.isprintable()


@given(st.text())
def test_any_text_becomes_one_line_that_is_what_it_looks_like(text: str) -> None:
    line = for_people(text)
    assert line.isprintable()
    assert len(line) <= 300
    assert for_people(line) == line


DOCUMENTS: dict[str, bytes] = {
    "a huge integer": b'{"message": "m", "code": ' + b"9" * 4000 + b"}",
    "an integer beyond int64 as the message": b'{"message": 99999999999999999999999}',
    "an integer beyond int64 in a place": b'{"detail": [{"loc": ["body", -99999999999999999999999], "msg": "m"}]}',
    "NaN": b'{"message": "m", "x": NaN, "y": -Infinity}',
    "a number that is not finite": b'{"message": 1e999}',
    "deep arrays": b'{"message": ' + b"[" * 30_000 + b"]" * 30_000 + b"}",
    "deep objects": b'{"message":' * 5_000 + b"1" + b"}" * 5_000,
    "deep, but readable": b'{"message":' * 150 + b'"m"' + b"}" * 150,
    "a lone surrogate": b'{"message": "a\\ud800b"}',
    "bytes that are no text": b'{"message": "\xff\xfe"}',
    "the same name often": b"{" + b'"message": "m",' * 3000 + b'"message": "last"}',
    "many problems": b'{"detail": [' + b'{"loc": ["a"], "msg": "m"},' * 2000 + b"1]}",
    "a long place": json.dumps({"detail": [{"loc": ["x" * 1000] * 50, "msg": "m"}]}).encode(),
    "a title that never ends": b"<title>" + b"x" * 60_000,
}


@pytest.mark.parametrize("name", DOCUMENTS)
@pytest.mark.parametrize("status", [400, 429, 500])
@pytest.mark.asyncio
async def test_an_error_document_of_any_kind_is_one_line(server: Any, transport: Transport, status: int, name: str) -> None:
    server.answers(status, body=DOCUMENTS[name])
    with pytest.raises(BasetenError) as caught:
        await Baseten(transport, KEY).get_chain("c")
    assert caught.value.status == status
    assert len(caught.value.message) <= 350
    assert caught.value.message.isprintable()


@pytest.mark.parametrize("stated", [b"3600", b"1e999", b'"Infinity"', b"9" * 400, b"86400000000000000000000"])
@pytest.mark.asyncio
async def test_a_pause_of_an_hour_or_for_ever_is_two_minutes(server: Any, baseten: Baseten, stated: bytes) -> None:
    server.answers(429, body=b'{"error": "Rate limit exceeded", "retry_after": ' + stated + b"}")
    for _ in range(2):
        with pytest.raises(RateLimited) as caught:
            await baseten.get_chain("c")
        assert MAX_PAUSE_SECONDS - 30 < caught.value.retry_after <= MAX_PAUSE_SECONDS
    assert len(server.seen) == 1


# -- size ------------------------------------------------------------------------------------------------------------------


async def endless(request: web.Request) -> web.StreamResponse:
    response = web.StreamResponse(status=int(request.path.rsplit("/", 1)[-1]))
    await response.prepare(request)
    while True:
        await response.write(b" " * 65_536)


async def compressed(request: web.Request) -> web.StreamResponse:
    response = web.StreamResponse(status=int(request.path.rsplit("/", 1)[-1]))
    response.enable_compression(web.ContentCoding.gzip)
    await response.prepare(request)
    while True:
        await response.write(b" " * 65_536)


@pytest.mark.parametrize("handler", [endless, compressed])
@pytest.mark.parametrize("status", [200, 500])
@pytest.mark.asyncio
async def test_an_endless_answer_is_cut_and_never_held_in_memory(server: Any, key: ApiKey, handler: Any, status: int) -> None:
    server.handler = handler
    async with Transport(server.url) as transport:
        tracemalloc.start()
        try:
            with pytest.raises(Unavailable, match="larger than 2097152 bytes" if status == 200 else "answered 500"):
                await Baseten(transport, key).get_chain(str(status))
            peak = tracemalloc.get_traced_memory()[1]
        finally:
            tracemalloc.stop()
    assert peak < 5 * MAX_RESPONSE_BYTES


@pytest.mark.asyncio
async def test_an_answer_as_large_as_is_allowed_is_read(server: Any, key: ApiKey) -> None:
    frame = len(json.dumps({"id": "c", "name": ""}))
    server.answers(json={"id": "c", "name": "n" * (MAX_RESPONSE_BYTES - frame)})
    async with Transport(server.url) as transport:
        assert (await Baseten(transport, key).get_chain("c")).name == "n" * 256, "read, and cut where it is parsed"
        server.answers(json={"id": "c", "name": "n" * (MAX_RESPONSE_BYTES - frame + 1)})
        with pytest.raises(Unavailable, match="larger"):
            await Baseten(transport, key).get_chain("c")


@pytest.mark.parametrize("status", [200, 400])
@pytest.mark.asyncio
async def test_an_answer_in_very_small_pieces_is_cut(server: Any, key: ApiKey, status: int) -> None:
    """As written by hand: a library would put small pieces together."""
    head = f"HTTP/1.1 {status} S\r\nTransfer-Encoding: chunked\r\n\r\n".encode()
    written = 0

    async def in_bytes(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        nonlocal written
        await reader.readuntil(b"\r\n\r\n")
        writer.write(head)
        with contextlib.suppress(ConnectionError):
            while written < 1_000_000:
                writer.write(b"1\r\nx\r\n" * 1000)
                written += 1000
                await writer.drain()
        writer.close()

    listener = await asyncio.start_server(in_bytes, "127.0.0.1", 0)
    async with Transport(f"http://127.0.0.1:{listener.sockets[0].getsockname()[1]}", timeout_seconds=300) as transport:
        with pytest.raises(BasetenError, match="too many pieces" if status == 200 else "answered 400: xxx"):
            await Baseten(transport, key).get_chain("c")
    listener.close()
    assert written < 1_000_000


# -- after two minutes -------------------------------------------------------------------------------------------------------


class Hours:
    """A clock that is set by hand, or by whoever sleeps."""

    def __init__(self) -> None:
        self.now = 0.0

    def clock(self) -> float:
        return self.now

    async def sleep(self, seconds: float) -> None:
        self.now += seconds


@pytest.mark.parametrize("probe", ["answered", "refused", "lost", "limited"])
@pytest.mark.asyncio
async def test_one_call_shows_whether_a_pause_without_end_is_over(server: Any, key: ApiKey, probe: str) -> None:
    time, gate, arrived = Hours(), asyncio.Event(), asyncio.Event()
    async with Transport(server.url, limiter=Limiter(90, clock=time.clock, sleep=time.sleep)) as transport:
        baseten = Baseten(transport, key)
        server.answers(429, body=b'{"retry_after": 1e999}')
        with pytest.raises(RateLimited):
            await baseten.get_chain("c")
        server.seen.clear()

        async def held(request: web.Request) -> web.StreamResponse:
            arrived.set()
            await gate.wait()
            if probe == "lost":
                assert request.transport is not None
                request.transport.close()
            status = {"answered": 200, "lost": 200, "refused": 404, "limited": 429}[probe]
            return web.json_response({"id": "c", "name": "n", "retry_after": 1e10}, status=status)

        server.handler = held
        time.now += MAX_PAUSE_SECONDS
        first = asyncio.create_task(baseten.get_chain("c"))
        await asyncio.wait_for(arrived.wait(), 10)
        others = await asyncio.gather(*(baseten.get_chain("c") for _ in range(20)), return_exceptions=True)
        assert all(isinstance(other, RateLimited) and other.local for other in others)
        assert len(server.seen) == 1
        gate.set()
        await asyncio.gather(first, return_exceptions=True)
        time.now += MAX_PAUSE_SECONDS
        gate.clear()
        arrived.clear()
        if probe in ("answered", "refused"):
            gate.set()
        after = [asyncio.create_task(baseten.get_chain("c")) for _ in range(2)]
        await asyncio.wait_for(arrived.wait(), 10)
        gate.set()
        results = await asyncio.gather(*after, return_exceptions=True)
        held_back = [result for result in results if isinstance(result, RateLimited) and result.local]
        assert len(held_back) == (0 if probe in ("answered", "refused") else 1)
