"""From an answer that is not a success to the error it means."""

import math
import random
import re
import time
from collections.abc import Mapping
from email.utils import parsedate_to_datetime
from typing import Any, Final
from urllib.parse import urlsplit

import pydantic_core

from .errors import BasetenError, Conflict, CredentialsRefused, Forbidden, Invalid, NotFound, RateLimited, Unavailable
from .keys import ApiKey

_MIN_PAUSE_SECONDS: Final = 0.1
_MAX_TEXT: Final = 300
_MAX_READ: Final = 2000
_BY_STATUS: Final[dict[int, type[BasetenError]]] = {
    401: CredentialsRefused,
    404: NotFound,
    408: Unavailable,
    409: Conflict,
    425: Unavailable,
}


def failure(endpoint: str, *, write: bool, status: int, headers: Mapping[str, str], body: bytes, key: ApiKey) -> BasetenError:
    """`body` is one that `key` was redacted from. A RateLimited's `retry_after` is as stated, which may be infinite."""
    if status < 400:
        return _redirected(endpoint, status, headers, key)
    try:
        document = pydantic_core.from_json(body)
        text = "" if document is None else for_people(_stated(document) or _raw(body))
    except ValueError:
        document, text = None, for_people(_raw(body))
    message = f"Baseten answered {status}: {text}" if text else f"Baseten answered {status}"
    if status == 429:
        return RateLimited(message, endpoint=endpoint, retry_after=_retry_after(headers, document))
    if status == 403:
        return (Forbidden if write else CredentialsRefused)(message, endpoint=endpoint, status=status)
    return _BY_STATUS.get(status, Unavailable if status >= 500 else Invalid)(message, endpoint=endpoint, status=status)


def for_people(text: str) -> str:
    """One line of at most 300 characters, without those that control a terminal, turn the direction of a text or are invisible."""
    printable = "".join(c if c.isprintable() else " " for c in text[:_MAX_READ])
    line = " ".join(printable.split())
    return line if len(line) <= _MAX_TEXT else line[: _MAX_TEXT - 1] + "…"


def _redirected(endpoint: str, status: int, headers: Mapping[str, str], key: ApiKey) -> Unavailable:
    try:
        host = urlsplit(headers.get("Location", "")).hostname
    except ValueError:
        host = None
    where = f" to {for_people(key.redact(host))}" if host else ""
    message = f"Baseten answered {status}, a redirect{where}: redirects are not followed, BASETEN_BASE_URL should name the API itself"
    return Unavailable(message, endpoint=endpoint, status=status)


def _stated(document: Any) -> str | None:
    """In `message` or `error` by Baseten itself; in `detail`, as FastAPI does, by what stands before it."""
    fields = document if isinstance(document, dict) else {}
    return next(filter(None, (_sentence(fields.get(name)) for name in ("message", "error", "detail"))), None)


def _sentence(value: Any) -> str | None:
    if isinstance(value, str):
        return value.strip() or None
    if isinstance(value, dict):
        return _sentence_of_dict(value)
    if isinstance(value, list):
        return "; ".join(filter(None, (_sentence_of_dict(v) if isinstance(v, dict) else _plain(v) for v in value[:10]))) or None
    return None


def _sentence_of_dict(value: dict[str, Any]) -> str | None:
    sentence = _plain(value.get("msg")) or _plain(value.get("message"))
    loc = value.get("loc")
    if sentence and isinstance(loc, list) and loc:
        return f"{'.'.join(_step(part) for part in loc[:10])}: {sentence}"
    return sentence


def _step(part: Any) -> str:
    if isinstance(part, int):
        return str(part) if abs(part) < 1_000_000 else "…"
    return part if isinstance(part, str) else "?"


def _plain(value: Any) -> str | None:
    return value.strip() or None if isinstance(value, str) else None


def _raw(body: bytes) -> str:
    text = body[:_MAX_READ].decode("utf-8", "replace")
    if not text.lstrip().startswith("<"):
        return text
    title = re.search(r"<title>([^<]*)", text, re.IGNORECASE)
    return f"an HTML page: {title[1]}" if title else "an HTML page"


def _retry_after(headers: Mapping[str, str], document: Any) -> float:
    """Seconds. Baseten puts them in the body; a proxy before it may send the header. The larger counts.

    A date is measured by the server's own clock, where the answer has it.
    """
    until = _timestamp(headers.get("Retry-After"))
    now = _timestamp(headers.get("Date")) or time.time()
    stated = [
        seconds
        for seconds in (
            _seconds(headers.get("Retry-After")) or (_seconds(until - now) if until is not None else None),
            _seconds(document.get("retry_after")) if isinstance(document, dict) else None,
        )
        if seconds is not None
    ]
    if not stated:
        return random.uniform(1, 5)
    return max(*stated, _MIN_PAUSE_SECONDS)


def _seconds(value: Any) -> float | None:
    if isinstance(value, bool) or not isinstance(value, int | float | str):
        return None
    try:
        seconds = float(value)
    except OverflowError:
        return math.inf
    except ValueError:
        return None
    return seconds if seconds > 0 else None


def _timestamp(value: str | None) -> float | None:
    try:
        return parsedate_to_datetime(value).timestamp() if value else None
    except (ValueError, OverflowError):
        return None
