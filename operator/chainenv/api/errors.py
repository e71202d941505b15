# ruff: noqa: N818 - the names say what happened, as `BasetenError` says that it is an error
"""Everything that can go wrong with a call, by what the caller does about it.

BasetenError
├── CredentialsRefused   read the key again, retry slowly
├── Forbidden            the key is good but may not do this
├── Invalid              the same request will be refused again
├── NotFound
├── Conflict             observe again
├── RateLimited          wait `retry_after` seconds
└── Unavailable          retry with backoff; what was asked for may have happened
    └── NotSent          the request surely never left
"""


class BasetenError(Exception):
    """`message` is written for people and never holds a key. `status` is None when no answer was read."""

    def __init__(self, message: str, *, endpoint: str, status: int | None = None) -> None:
        super().__init__(message)
        self.message = message
        self.endpoint = endpoint
        self.status = status


class CredentialsRefused(BasetenError):
    """401, and 403 on a read."""


class Forbidden(BasetenError):
    """403 on a write: a restricted environment still lets the same key read."""


class Invalid(BasetenError):
    """400, 422, and every other 4xx that no other class stands for; also a name that cannot be part of a path."""


class NotFound(BasetenError):
    """404. A new object can answer it for a few seconds."""


class Conflict(BasetenError):
    """409."""


class RateLimited(BasetenError):
    """429, or (`local`) a call that was held back because an earlier one of the same key and endpoint got a 429."""

    def __init__(self, message: str, *, endpoint: str, retry_after: float, status: int | None = 429, local: bool = False) -> None:
        super().__init__(message, endpoint=endpoint, status=status)
        self.retry_after = retry_after
        self.local = local


class Unavailable(BasetenError):
    """5xx, 3xx, time-outs, lost connections and answers that cannot be read.

    After a write this is ambiguous (unless it is `NotSent`): only an observation shows whether the write happened.
    """


class NotSent(Unavailable):
    """No connection was made, so nothing happened and even a write may be sent again."""
