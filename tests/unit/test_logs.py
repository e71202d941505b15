"""One record is one line, whatever is in it: nobody can write a line of the log in the operator's name."""

from __future__ import annotations

import io
import json
import logging
import re
from collections.abc import Iterator
from typing import Literal

import pytest
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

from chainenv import logs
from chainenv.engine.context import RESOURCE, About
from chainenv.settings import load

FORGED = "2026-01-01 00:00:00,000 ERROR   a line that nobody wrote"
BEGINNING = re.compile(r"\d{4}-\d\d-\d\d \d\d:\d\d:\d\d,\d{3} (INFO|WARNING|ERROR) ")
ABOUT = About("team", "staging", "abcd1234", "staging-eu", 3)
SEVERAL = ["a\nb", "a\r\nb", "a\rb", "a\x1b[2Kb", "a\x00b", "a\x85b", "a\u2028b", f"refused\n{FORGED}"]


@pytest.fixture(autouse=True)
def _root_logger() -> Iterator[None]:
    root = logging.getLogger()
    handlers, level = root.handlers[:], root.level
    yield
    root.handlers[:] = handlers
    root.setLevel(level)


def written(message: str, form: Literal["text", "json"]) -> str:
    """As the operator logs what somebody else has said."""
    logs.set_up(load(log_format=form))
    out = io.StringIO()
    (handler,) = logging.getLogger().handlers
    assert isinstance(handler, logging.StreamHandler)
    handler.setStream(out)
    token = RESOURCE.set(ABOUT)
    try:
        logging.getLogger("chainenv.test").warning("it was said: %s", message)
    finally:
        RESOURCE.reset(token)
    return out.getvalue()


@pytest.mark.parametrize("message", SEVERAL, ids=ascii)
@pytest.mark.parametrize("form", ["text", "json"])
def test_a_message_is_one_line_without_control_characters(message: str, form: Literal["text", "json"]) -> None:
    said = written(message, form)
    assert len(said.splitlines()) == 1
    assert said.removesuffix("\n").isprintable()


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(message=st.text(max_size=50))
@example(message='"}\n{"level": "ERROR"')
def test_in_json_every_record_is_one_object_that_tells_the_message_as_it_was(message: str) -> None:
    said = json.loads(written(message, "json"))
    assert said["message"] == f"it was said: {message}"
    assert (said["level"], said["logger"]) == ("WARNING", "chainenv.test")
    about = {name: said[name] for name in ("namespace", "name", "chain", "environment", "generation")}
    assert about == {"namespace": "team", "name": "staging", "chain": "abcd1234", "environment": "staging-eu", "generation": 3}


def test_a_usual_message_is_reported_with_its_resource() -> None:
    said = written("nothing special", "text")
    assert BEGINNING.match(said)
    assert said.endswith(" team/staging: it was said: nothing special  chain=abcd1234 environment=staging-eu generation=3\n")


def test_what_kopf_tries_again_by_itself_is_no_error(capsys: pytest.CaptureFixture[str]) -> None:
    logs.set_up(load(log_format="text"))
    logging.getLogger("kopf._cogs.clients.api").error("request attempt 1 of 4 failed; will retry")
    assert " WARNING " in capsys.readouterr().err
