"""The child process and the command."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import httpx
import pytest
from click.testing import CliRunner

from chainenv_sandbox.baseten.cli import baseten
from chainenv_sandbox.baseten.keys import parse_keys
from chainenv_sandbox.baseten.process import start_simulator

_PARENT = """
import sys
from chainenv_sandbox.baseten.process import start_simulator
with start_simulator() as simulator:
    print(simulator.base_url, flush=True)
    sys.stdin.read()
"""


def test_start_with_everything() -> None:
    with start_simulator(
        chains={"c1": ["A"], "c2": ["B", "C"]}, keys={"one": "k1"}, options={"rate_limit": 7, "wire_shape": "old"}
    ) as simulator:
        assert sorted(simulator.state()["chains"]) == ["c1", "c2"]
        assert (simulator.options()["rate_limit"], simulator.options()["wire_shape"]) == (7, "old")
        headers = {"Authorization": "Bearer k1"}
        assert httpx.get(f"{simulator.base_url}/v1/chains", headers=headers).status_code == 200
        simulator.set_options(rate_limit=0)
        simulator.reset()
        assert simulator.options()["rate_limit"] == 7
    with pytest.raises(httpx.ConnectError):
        httpx.get(simulator.base_url)


def test_the_child_dies_with_its_killed_parent() -> None:
    root = str(Path(sys.modules["chainenv_sandbox"].__file__ or "").parents[1])
    command = [sys.executable, "-c", _PARENT]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, env={"PYTHONPATH": root}) as parent:
        assert parent.stdout is not None
        base_url = parent.stdout.readline().strip()
        with httpx.Client(base_url=base_url, timeout=10.0) as http:
            assert http.get("/_control/state").status_code == 200
            parent.kill()
            with pytest.raises(httpx.TransportError):
                http.get("/_control/journal/wait", params={"count": 1, "timeout": 9})


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--host", "0.0.0.0"], "loopback"),
        (["--chain", "abc"], "ID:Chainlet1"),
        (["--option", "speed=1"], "Unknown option"),
        (["--build-seconds", "-1"], "build_seconds"),
    ],
)
def test_the_command_refuses(arguments: list[str], message: str) -> None:
    result = CliRunner().invoke(baseten, arguments)
    assert result.exit_code != 0
    assert message in result.output


def test_keys_are_never_shown_when_wrong() -> None:
    with pytest.raises(ValueError, match="name=value") as caught:
        parse_keys("topsecret")
    assert "topsecret" not in str(caught.value)
    assert [(key.name, key.value) for key in parse_keys("a=1,b=x=y\nc=3\n")] == [("a", "1"), ("b", "x=y"), ("c", "3")]
