"""An API key that does not show itself."""

import hashlib
from typing import Final

_MAX_LENGTH: Final = 4096


class ApiKey:
    """Raises ValueError, without the value in the text, for what cannot stand in an HTTP header.

    Whitespace at the end is dropped: Secrets made with `echo` end with a newline. `fingerprint` names the key in
    dictionaries, metrics and logs; the key cannot be found from it.
    """

    __slots__ = ("_value", "fingerprint")

    def __init__(self, value: str) -> None:
        self.fingerprint = "refused"
        value = value.rstrip(" \t\r\n")
        problem = _problem(value)
        if problem:
            del value  # a traceback that shows local variables must not show it
            raise ValueError(problem)
        self._value = value
        self.fingerprint = hashlib.sha256(b"chainenv:" + value.encode()).hexdigest()[:16]

    def reveal(self) -> str:
        return self._value

    def redact(self, text: str) -> str:
        return text.replace(self._value, "***")

    def __eq__(self, other: object) -> bool:
        return isinstance(other, ApiKey) and other._value == self._value

    def __hash__(self) -> int:
        return hash(self.fingerprint)

    def __repr__(self) -> str:
        return f"ApiKey({self.fingerprint})"

    def __reduce__(self) -> str:
        raise TypeError("an ApiKey is not written anywhere")


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
