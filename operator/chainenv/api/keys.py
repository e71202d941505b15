"""An API key that does not show itself."""

import base64
import hashlib
import re
from typing import Final

_MAX_LENGTH: Final = 4096
_SECRET_LENGTH: Final = 8
"""A shorter text is no secret, and stands in every answer."""
_LEAST_PREFIX: Final = 4
_REDACTED: Final = b"***"
_ESCAPE: Final = re.compile(rb"\\u00[2-7]|%[2-7]", re.IGNORECASE)  # of a character that a key can have
_BACKSLASHED: Final = frozenset('"\\/')


class ApiKey:
    """Raises ValueError, without the value in the text, for what cannot stand in an HTTP header.

    Whitespace at the end is dropped: Secrets made with `echo` end with a newline. `fingerprint` names the key in
    dictionaries, metrics and logs; the key cannot be found from it.
    """

    __slots__ = ("_encoded", "_value", "fingerprint")

    def __init__(self, value: str) -> None:
        self.fingerprint = "refused"
        value = value.rstrip(" \t\r\n")
        problem = _problem(value)
        if problem:
            del value  # a traceback that shows local variables must not show it
            raise ValueError(problem)
        self._value = value
        self._encoded: tuple[bytes, ...] | None = None
        self.fingerprint = hashlib.sha256(b"chainenv:" + value.encode()).hexdigest()[:16]

    def reveal(self) -> str:
        return self._value

    def begins_with(self, prefix: str) -> bool:
        """Whether an audit log that names a key by its first characters speaks of this one."""
        return len(prefix) >= _LEAST_PREFIX and self._value.startswith(prefix)

    @property
    def secret(self) -> bool:
        """Whether it is long enough to be one."""
        return len(self._value) >= _SECRET_LENGTH

    def redact(self, text: str) -> str:
        return self.redacted(text.encode("utf-8", "surrogatepass")).decode("utf-8", "replace")

    def redacted(self, body: bytes) -> bytes:
        """Without the key, whichever case its letters are in, also escaped as in JSON or a URL, or in base64."""
        if self._value.lower().encode() in body.lower() or self._may_be_escaped(body):
            body = self._pattern().sub(_REDACTED, body)
        if self._encoded is None:
            self._encoded = tuple(_in_base64(self._value.encode())) if self.secret else ()
        for encoded in self._encoded:
            body = body.replace(encoded, _REDACTED)
        return body

    def _may_be_escaped(self, body: bytes) -> bool:
        if b"\\" not in body and b"%" not in body:
            return False
        return _ESCAPE.search(body) is not None or not _BACKSLASHED.isdisjoint(self._value)

    def _pattern(self) -> re.Pattern[bytes]:
        """Compiled when it is needed, which is rare, and not kept."""
        forms = []
        for character in self._value:
            plain, code = re.escape(character).encode(), f"{ord(character):02x}".encode()
            backslashed = rb"|\\+" + plain if character in _BACKSLASHED else b""
            forms.append(rb"(?:" + plain + rb"|\\+u00" + code + rb"|%" + code + backslashed + rb")")
        return re.compile(b"".join(forms), re.IGNORECASE)

    def __eq__(self, other: object) -> bool:
        return isinstance(other, ApiKey) and other._value == self._value

    def __hash__(self) -> int:
        return hash(self.fingerprint)

    def __repr__(self) -> str:
        return f"ApiKey({self.fingerprint})"

    def __reduce__(self) -> str:
        raise TypeError("an ApiKey is not written anywhere")


def _in_base64(value: bytes) -> set[bytes]:
    """What surely stands in the base64 of any text that has `value` in it, however many bytes are before and after it."""
    found = set()
    for before in range(3):
        text = base64.b64encode(b"\0" * before + value)
        middle = text[(0, 2, 3)[before] : len(text) - (4 if (before + len(value)) % 3 else 0)]
        found |= {middle, middle.translate(bytes.maketrans(b"+/", b"-_"))}
    return found


def _problem(value: str) -> str | None:
    if not value:
        return "the API key is empty"
    if len(value) > _MAX_LENGTH:
        return f"the API key is longer than {_MAX_LENGTH} characters"
    if any(character.isspace() for character in value):
        return "the API key has whitespace in it: give the key alone, without 'Api-Key' or 'Bearer' before it"
    if not all("!" <= character <= "~" for character in value):
        return "the API key has characters that no key has (control characters, or not ASCII)"
    return None
