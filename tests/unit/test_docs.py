"""The pages for people who run it are complete."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from chainenv.core.reasons import Event, Reason
from chainenv.settings import Settings, variable_of

PAGE = (Path(__file__).parents[2] / "docs" / "operations.md").read_text(encoding="utf-8")
ROWS = set(re.findall(r"`([A-Za-z_]+)`", "\n".join(line.split("|")[1] for line in PAGE.splitlines() if line.startswith("| `"))))


@pytest.mark.parametrize("reason", [*Reason, *Event], ids=str)
def test_every_reason_is_explained(reason: str) -> None:
    assert str(reason) in ROWS


@pytest.mark.parametrize("field", Settings.model_fields)
def test_every_setting_is_explained(field: str) -> None:
    assert variable_of(field) in ROWS


def test_nothing_is_explained_that_does_not_exist() -> None:
    exist = {*map(str, Reason), *map(str, Event), *map(variable_of, Settings.model_fields)}
    assert exist >= ROWS
