"""Every rule of the CRD about several fields is known to a plan."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from chainenv.cli.refused import RULES
from chainenv.crd.schema import spec_schema


def messages(schema: Any) -> Iterator[str]:
    rules = schema.get("x-kubernetes-validations", ())
    yield from (each["message"] for each in rules if "self.matches(" not in each["rule"] and "oldSelf" not in each["rule"])
    for inner in (*schema.get("properties", {}).values(), *filter(None, [schema.get("items")])):
        yield from messages(inner)


def test_each_rule_is_known_once() -> None:
    found = {message: [start for start in RULES if message.startswith(start)] for message in messages(spec_schema())}
    assert [message for message, starts in found.items() if len(starts) != 1] == []
    assert {start for starts in found.values() for start in starts} == set(RULES)
