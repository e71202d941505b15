"""A small vocabulary for request bodies. Reading returns the value without nulls (null means: leave as it is)."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Protocol

from chainenv_sandbox.baseten.errors import invalid


class Shape(Protocol):
    def read(self, value: Any, at: str, lenient: bool) -> Any:
        """Raises ApiError 400. lenient: unknown fields are dropped, not refused."""
        ...


@dataclass(frozen=True)
class Whole:
    low: int | None = None
    high: int | None = None

    def read(self, value: Any, at: str, lenient: bool) -> int:  # noqa: ARG002 - one signature for all shapes
        if not isinstance(value, int) or isinstance(value, bool):
            raise invalid(f"{at}: expected an integer.")
        if (self.low is not None and value < self.low) or (self.high is not None and value > self.high):
            allowed = f"at least {self.low}" if self.high is None else f"{self.low} to {self.high}"
            raise invalid(f"{at}: {value} is out of range ({allowed}).")
        return value


@dataclass(frozen=True)
class Flag:
    def read(self, value: Any, at: str, lenient: bool) -> bool:  # noqa: ARG002 - one signature for all shapes
        if not isinstance(value, bool):
            raise invalid(f"{at}: expected a boolean.")
        return value


@dataclass(frozen=True)
class Text:
    def read(self, value: Any, at: str, lenient: bool) -> str:  # noqa: ARG002 - one signature for all shapes
        if not isinstance(value, str) or not value:
            raise invalid(f"{at}: expected a non-empty string.")
        return value


@dataclass(frozen=True)
class OneOf:
    values: tuple[str, ...]

    def read(self, value: Any, at: str, lenient: bool) -> str:  # noqa: ARG002 - one signature for all shapes
        if not isinstance(value, str) or value not in self.values:
            raise invalid(f"{at}: expected one of {', '.join(self.values)}.")
        return value


@dataclass(frozen=True)
class ListOf:
    item: Shape
    unique: str | None = None  # the field that no two items may share

    def read(self, value: Any, at: str, lenient: bool) -> list[Any]:
        if not isinstance(value, list):
            raise invalid(f"{at}: expected an array.")
        items = [self.item.read(one, f"{at}.{index}", lenient) for index, one in enumerate(value)]
        if self.unique is not None:
            names = [one[self.unique] for one in items]
            if twice := {name for name in names if names.count(name) > 1}:
                raise invalid(f"{at}: {', '.join(sorted(twice))} more than once.")
        return items


@dataclass(frozen=True)
class Object:
    fields: Mapping[str, Shape]
    required: frozenset[str] = frozenset()
    solid: frozenset[str] = frozenset()  # optional, but null is refused
    defaults: Mapping[str, Any] = field(default_factory=dict)  # for absent fields only, never for null
    closed: bool = False  # unknown fields are refused even when lenient
    loose: bool = False  # unknown fields are dropped, here and below

    def read(self, value: Any, at: str, lenient: bool) -> dict[str, Any]:
        if not isinstance(value, dict):
            raise invalid(f"{at}: expected an object.")
        lenient = lenient or self.loose
        unknown = value.keys() - self.fields.keys()
        if unknown and (self.closed or not lenient):
            raise invalid(f"{at}: unknown fields {', '.join(sorted(unknown))}.")
        if missing := self.required - value.keys():
            raise invalid(f"{at}: missing {', '.join(sorted(missing))}.")
        present = {**self.defaults, **{name: one for name, one in value.items() if name in self.fields}}
        for name in self.required | self.solid:
            if name in present and present[name] is None:
                raise invalid(f"{at}.{name}: null is not allowed.")
        return {name: self.fields[name].read(one, f"{at}.{name}", lenient) for name, one in present.items() if one is not None}
