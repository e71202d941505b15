"""Types that give up one value instead of the whole answer.

All of it runs inside pydantic's own code but for text that must be cut and for amounts of money: an environment is read often, and
this keeps that as fast as reading it strictly.
"""

import json
import re
from dataclasses import dataclass
from decimal import Context, Decimal
from typing import Any, Final, Generic, TypeVar
from unicodedata import category

from pydantic import GetCoreSchemaHandler, TypeAdapter
from pydantic_core import CoreSchema, core_schema

T = TypeVar("T")

MAX_TEXT: Final = 256
MAX_ITEMS: Final = 1000
DECIMAL_PLACES: Final = 18
_MAX_INT: Final = 2**63 - 1
_MAX_DIGITS: Final = 64
_LARGEST: Final = 10**9
_CONTEXT: Final = Context(prec=28)
_SMALLEST: Final = Decimal(1).scaleb(-DECIMAL_PLACES)
_AMOUNT: Final = re.compile(r"\+?(\d+\.?\d*|\.\d+)([eE][+-]?\d{1,3})?", re.ASCII)


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
    """Printable text of at most `length` characters; `other` for what is no text. `lines`: line breaks and tabs stay."""

    other: str | None
    length: int = MAX_TEXT
    lines: bool = False

    def __get_pydantic_core_schema__(self, _: Any, __: GetCoreSchemaHandler) -> CoreSchema:
        pattern = r"^(?:[\n\t]|[^\p{C}\p{Zl}\p{Zp}])*$" if self.lines else r"^[^\p{C}\p{Zl}\p{Zp}]*$"
        usual = core_schema.str_schema(strict=True, max_length=self.length, pattern=pattern)
        return core_schema.union_schema([usual, core_schema.no_info_plain_validator_function(self._made)], mode="left_to_right")

    def _made(self, value: Any) -> str | None:
        if not isinstance(value, str):
            return self.other
        kept = "\n\t" if self.lines else ""
        return "".join(
            one if one in kept or not (category(one)[0] == "C" or category(one) in ("Zl", "Zp")) else " " for one in value[: self.length]
        )


def cut(items: tuple[Any, ...]) -> tuple[Any, ...]:
    return items if len(items) <= MAX_ITEMS else items[:MAX_ITEMS]


def amount(value: Any) -> Decimal | None:
    """Of money: 0 or more and below a thousand million, to 18 places. None for what is none, and for a float, which is no longer exact."""
    if isinstance(value, str):
        value = _exactly(value.strip())
    elif isinstance(value, int) and not isinstance(value, bool):
        value = Decimal(value)
    if not isinstance(value, Decimal) or not value.is_finite() or not 0 <= value < _LARGEST:
        return None
    exponent = int(value.as_tuple().exponent)
    return value if -DECIMAL_PLACES <= exponent <= 0 else value.quantize(Decimal(1) if exponent > 0 else _SMALLEST, context=_CONTEXT)


class Exact(Generic[T]):
    """Reads JSON as a TypeAdapter does, but a number with a fraction as the Decimal that is written, never by way of a float."""

    def __init__(self, adapter: TypeAdapter[T]) -> None:
        self._adapter: Final = adapter

    def validate_json(self, data: str | bytes) -> T:
        """Raises ValidationError for what is not JSON, or not the type."""
        self._adapter.validate_json(data)
        text = data if isinstance(data, str) else data.decode()
        return self._adapter.validate_python(
            json.loads(text, parse_float=_exactly, parse_int=lambda text: int(text) if len(text) <= _MAX_DIGITS else None)
        )

    def validate_python(self, value: Any) -> T:
        return self._adapter.validate_python(value)


def _exactly(text: str) -> Decimal | None:
    return Decimal(text) if len(text) <= _MAX_DIGITS and _AMOUNT.fullmatch(text) else None
