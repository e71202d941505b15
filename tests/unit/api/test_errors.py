"""From status and body to the class and text of the error."""

import math
from email.utils import formatdate
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from chainenv.api import (
    ApiKey,
    Baseten,
    BasetenError,
    Conflict,
    CredentialsRefused,
    Forbidden,
    Invalid,
    NotFound,
    NotSent,
    RateLimited,
    Unavailable,
)
from chainenv.api.answers import failure

KEY = ApiKey("s3cr3t.AbCdEf")


def fail(status: int, body: bytes = b"", headers: dict[str, str] | None = None, *, write: bool = False) -> BasetenError:
    return failure("get_chain", write=write, status=status, headers=headers or {}, body=KEY.redacted(body), key=KEY)


@pytest.mark.parametrize(
    ("status", "write", "kind"),
    [
        (301, False, Unavailable),
        (400, True, Invalid),
        (401, False, CredentialsRefused),
        (401, True, CredentialsRefused),
        (402, True, Invalid),
        (403, False, CredentialsRefused),
        (403, True, Forbidden),
        (404, True, NotFound),
        (405, False, Invalid),
        (408, True, Unavailable),
        (409, True, Conflict),
        (410, False, Invalid),
        (413, True, Invalid),
        (422, True, Invalid),
        (425, True, Unavailable),
        (429, True, RateLimited),
        (500, False, Unavailable),
        (503, True, Unavailable),
        (599, True, Unavailable),
    ],
)
@pytest.mark.asyncio
async def test_status_over_the_wire(server: Any, baseten: Baseten, status: int, write: bool, kind: type[BasetenError]) -> None:
    server.answers(status, json={"message": "because"})
    with pytest.raises(BasetenError) as caught:
        await (baseten.deactivate("c", "d") if write else baseten.get_chain("c"))
    assert type(caught.value) is kind
    assert caught.value.status == status
    assert caught.value.endpoint == ("deactivate" if write else "get_chain")
    assert not isinstance(caught.value, NotSent)
    assert "because" in caught.value.message or status < 400
    assert len(server.seen) == 1


@pytest.mark.parametrize(
    ("body", "text"),
    [
        (b'{"code": "VALIDATION_ERROR", "message": "no such chainlet"}', "no such chainlet"),
        (b'{"error": "Rate limit exceeded", "retry_after": 3}', "Rate limit exceeded"),
        (b'{"message": "", "error": "e"}', "e"),
        (b'{"message": 7, "error": "e"}', "e"),
        (b'{"error": {"message": "nested"}}', "nested"),
        (b'{"detail": "not here"}', "not here"),
        (b'{"detail": [{"loc": ["body", "updates", 0], "msg": "too low"}, "odd", {"x": 1}]}', "body.updates.0: too low; odd"),
        (b'{"detail": [{"loc": [' + b"9" * 20 + b', null], "msg": "m"}]}', "….?: m"),
        (b'{"other": 1}', '{"other": 1}'),
        (b"[]", "[]"),
        (b"plain\r\n\x00\x1b[31m text", "plain [31m text"),
        (b"\xff\xfe", "�"),
        (b"<html><head><title>502 Bad Gateway</title>" + b"<" * 9000, "an HTML page: 502 Bad Gateway"),
        (b"<!doctype html>", "an HTML page"),
        (b'{"message": "', '{"message": "'),
    ],
)
def test_the_text_of_an_error(body: bytes, text: str) -> None:
    message = fail(400, body).message
    assert message.startswith("Baseten answered 400: ")
    assert text in message


def test_an_error_without_a_body() -> None:
    assert fail(503).message == "Baseten answered 503"


@given(
    st.integers(300, 599), st.binary() | st.text().map(str.encode) | st.from_regex(rb'\{"(message|error|detail)": [^}]*\}'), st.booleans()
)
def test_any_body_becomes_one_short_line(status: int, body: bytes, write: bool) -> None:
    message = fail(status, body, write=write).message
    assert message.isprintable()
    assert len(message) < 350


@given(st.binary(max_size=400), st.binary(max_size=400))
def test_an_echoed_key_is_removed_wherever_the_text_is_cut(before: bytes, after: bytes) -> None:
    secret = KEY.reveal()
    for body in (before + secret.encode() + after, b'{"message": "' + before.hex().encode() + secret.encode() + b'"}'):
        message = fail(400, body).message
        assert secret not in message
        assert secret[:6] not in message


@pytest.mark.parametrize(
    ("body", "headers", "seconds"),
    [
        (b'{"retry_after": 37}', {}, 37),
        (b'{"retry_after": "37.5"}', {}, 37.5),
        (b'{"retry_after": 2}', {"Retry-After": "9"}, 9),
        (b'{"retry_after": 9}', {"Retry-After": "2"}, 9),
        (b"", {"Retry-After": "12"}, 12),
        (b"", {"Retry-After": formatdate(1_000_030, usegmt=True), "Date": formatdate(1_000_000, usegmt=True)}, 30),
        (b"", {"Retry-After": "1e9"}, 1e9),
        (b'{"retry_after": 1e999}', {}, math.inf),
        (b'{"retry_after": ' + b"9" * 400 + b"}", {"Retry-After": "3"}, math.inf),
        (b'{"retry_after": 0.001}', {}, 0.1),
    ],
)
def test_the_pause_that_is_asked_for(body: bytes, headers: dict[str, str], seconds: float) -> None:
    error = fail(429, body, headers)
    assert isinstance(error, RateLimited)
    assert error.retry_after == seconds
    assert not error.local


@pytest.mark.parametrize(
    ("body", "headers"),
    [
        (b"", {}),
        (b'{"retry_after": -4}', {}),
        (b'{"retry_after": 0}', {"Retry-After": "0"}),
        (b'{"retry_after": true}', {}),
        (b'{"retry_after": NaN}', {}),
        (b'{"retry_after": [1]}', {"Retry-After": "soon"}),
        (b"[37]", {"Retry-After": formatdate(0, usegmt=True)}),
    ],
)
def test_a_pause_nobody_can_read_is_a_few_seconds(body: bytes, headers: dict[str, str]) -> None:
    error = fail(429, body, headers)
    assert isinstance(error, RateLimited)
    assert 1 <= error.retry_after <= 5


@pytest.mark.parametrize(
    ("location", "text"),
    [
        ("https://new.example/v1/chains/c?token=x", "a redirect to new.example:"),
        ("/elsewhere", "a redirect:"),
        ("http://[bad", "a redirect:"),
        ("", "a redirect:"),
    ],
)
def test_a_redirect_names_the_host_alone(location: str, text: str) -> None:
    message = fail(308, headers={"Location": location}).message
    assert text in message
    assert "BASETEN_BASE_URL" in message
    assert "token" not in message
