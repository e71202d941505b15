"""Money is read as it is written: no float lies between."""

import json
from decimal import Decimal
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError

from chainenv.api import models

WRITTEN = [
    ("0.00058", "0.00058"),
    ("0.1", "0.1"),
    ("0.30000000000000004441", "0.300000000000000044"),
    ("0.123456789012345678", "0.123456789012345678"),
    ("123456789.000000000000000001", "123456789.000000000000000001"),
    ("0", "0"),
    ("3", "3"),
    ("1.50", "1.50"),
    ("1e2", "100"),
    ("5E-3", "0.005"),
    ('"0.30"', "0.30"),
    ('"+.5"', "0.5"),
    ('" 2 "', "2"),
]
NONE = [
    "-0.1",
    '"-1"',
    "1e400",
    "1000000000",
    "9" * 70,
    "true",
    "null",
    '"much"',
    '""',
    '"1e9999"',
    '"Infinity"',
    "NaN",
    "[]",
    "{}",
    '"\u0661"',
]


def price(written: str) -> Decimal | None:
    (one,) = models.PRICES.validate_json(f'{{"instance_types": [{{"instance_type": {{"id": "1x2"}}, "price": {written}}}]}}').instance_types
    return one.price


@pytest.mark.parametrize(("written", "read"), WRITTEN)
def test_as_written(written: str, read: str) -> None:
    found = price(written)
    assert found is not None
    assert (found, str(found)) == (Decimal(read), read)


@pytest.mark.parametrize("written", NONE)
def test_what_is_no_amount_is_given_up_alone(written: str) -> None:
    assert price(written) is None


@given(st.decimals(0, 10**9 - 1, places=18))
def test_eighteen_places_are_kept(amount: Decimal) -> None:
    assert price(f"{amount:f}") == price(json.dumps(f"{amount:f}")) == amount


def test_a_float_is_refused_where_it_would_come_in() -> None:
    read = models.PRICES.validate_python({"instance_types": [{"instance_type": {"id": "1x2"}, "price": 0.1}]})
    assert read.instance_types[0].price is None


@pytest.mark.parametrize("body", [b"", b"{", b"[]", b'{"instance_types": 5}', b'\xff{"instance_types": []}', b"[" * 5000])
def test_what_is_no_answer(body: bytes) -> None:
    with pytest.raises(ValidationError):
        models.PRICES.validate_json(body)


@pytest.mark.parametrize(("memory", "read"), [("8192", 8192), ("8192.0", 8192), ("8192.5", None), ("1e300", None), ("-5", -5)])
def test_other_numbers_beside_it_are_read_as_ever(memory: str, read: Any) -> None:
    body = f'{{"instance_types": [{{"instance_type": {{"id": "1x2", "memory_limit_mib": {memory}}}, "price": 1}}]}}'
    assert models.PRICES.validate_json(body).instance_types[0].instance_type.memory_limit_mib == read
