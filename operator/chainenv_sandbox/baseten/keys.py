"""API keys. They have names, so that no journal and no message ever shows a key's value."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

DEFAULT_KEYS = "default=sandbox-key"


@dataclass(frozen=True, slots=True)
class Key:
    name: str
    value: str
    read_only: bool = False
    restricted_environments: tuple[str, ...] = ()  # reads work, writes are forbidden
    audit_logs: bool = True  # whether it may read them
    user_id: str = "sandbox"  # whose it is: an environment group may be restricted to some people

    def may_write(self, environment: str | None) -> bool:
        return not self.read_only and environment not in self.restricted_environments


class KeyRing:
    def __init__(self, keys: tuple[Key, ...]) -> None:
        self._by_value = {key.value: key for key in keys}

    def add(self, key: Key) -> None:
        """Replaces the key of that name, as a rotation does."""
        self.revoke(key.name)
        self._by_value[key.value] = key

    def named(self, name: str) -> Key | None:
        return next((key for key in self._by_value.values() if key.name == name), None)

    def revoke(self, name: str) -> bool:
        values = [value for value, key in self._by_value.items() if key.name == name]
        for value in values:
            del self._by_value[value]
        return bool(values)

    def find(self, authorization: str | None) -> Key | None:
        scheme, _, value = (authorization or "").partition(" ")
        return self._by_value.get(value.strip()) if scheme in ("Api-Key", "Bearer") else None


def parse_keys(text: str) -> tuple[Key, ...]:
    """Reads name=value pairs, separated by commas or lines. Raises ValueError, without showing what it read."""
    keys = []
    for part in text.replace("\n", ",").split(","):
        name, equals, value = part.strip().partition("=")
        if part.strip() and not (name and equals and value):
            raise ValueError("write keys as name=value,name=value")
        if value:
            keys.append(Key(name, value))
    return tuple(keys)


def read_keys(path: Path) -> tuple[Key, ...]:
    return parse_keys(path.read_text())
