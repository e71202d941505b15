"""Types that give up one value instead of the whole answer.

All of it runs inside pydantic's own code but for text that must be cut: an environment is read often, and this keeps that as fast
as reading it strictly.
"""

from dataclasses import dataclass
from typing import Any, Final
from unicodedata import category

from pydantic import GetCoreSchemaHandler
from pydantic_core import CoreSchema, core_schema

MAX_TEXT: Final = 256
MAX_ITEMS: Final = 1000
_MAX_INT: Final = 2**63 - 1


@dataclass(frozen=True)
class Else:
    """What a value becomes that the type refuses; it must be immutable."""

    value: Any

    def __get_pydantic_core_schema__(self, source: Any, handler: GetCoreSchemaHandler) -> CoreSchema:
        return core_schema.with_default_schema(handler(source), default=self.value, on_error="default")


class Omitted:
    """An item that the type refuses is left out of its list."""

    def __get_pydantic_core_schema__(self, source: Any, handler: GetCoreSchemaHandler) -> CoreSchema:
        return core_schema.with_default_schema(handler(source), on_error="omit")


class Number:
    """A whole number of 64 bits, the most that Kubernetes stores, or None."""

    def __get_pydantic_core_schema__(self, _: Any, __: GetCoreSchemaHandler) -> CoreSchema:
        number = core_schema.nullable_schema(core_schema.int_schema(ge=-_MAX_INT - 1, le=_MAX_INT))
        return core_schema.with_default_schema(number, default=None, on_error="default")


@dataclass(frozen=True)
class text:  # noqa: N801 - reads as what it makes
    """Printable text of at most `length` characters; `other` for what is no text."""

    other: str | None
    length: int = MAX_TEXT

    def __get_pydantic_core_schema__(self, _: Any, __: GetCoreSchemaHandler) -> CoreSchema:
        usual = core_schema.str_schema(strict=True, max_length=self.length, pattern=r"^[^\p{C}\p{Zl}\p{Zp}]*$")
        return core_schema.union_schema([usual, core_schema.no_info_plain_validator_function(self._made)], mode="left_to_right")

    def _made(self, value: Any) -> str | None:
        if not isinstance(value, str):
            return self.other
        return "".join(" " if category(one)[0] == "C" or category(one) in ("Zl", "Zp") else one for one in value[: self.length])


def cut(items: tuple[Any, ...]) -> tuple[Any, ...]:
    return items if len(items) <= MAX_ITEMS else items[:MAX_ITEMS]
