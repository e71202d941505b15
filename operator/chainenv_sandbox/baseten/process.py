"""A simulator in a child process that cannot outlive its parent."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from chainenv_sandbox.baseten.cli import KEYS_VARIABLE
from chainenv_sandbox.baseten.client import Simulator

_IMPORT_ROOT = str(Path(__file__).parents[2])
_FIRST = "BASETEN_BASE_URL="


@contextmanager
def start_simulator(
    *,
    chains: Mapping[str, Sequence[str]] | None = None,
    keys: Mapping[str, str] | None = None,
    options: Mapping[str, Any] | None = None,
    port: int = 0,
) -> Iterator[Simulator]:
    """chains: {id: chainlet names}. keys: {name: value}, default {"default": "sandbox-key"}. options: see `options.Options`.

    Raises RuntimeError when the child does not come up; its last lines are on stderr.
    """
    command = [sys.executable, "-m", "chainenv_sandbox.baseten", "--port", str(port), "--exit-with-stdin"]
    for chain, chainlets in (chains or {}).items():
        command += ["--chain", f"{chain}:{','.join(chainlets)}"]
    for name, value in (options or {}).items():
        command += ["--option", f"{name}={json.dumps(value)}"]
    path = os.pathsep.join(one for one in (_IMPORT_ROOT, os.environ.get("PYTHONPATH")) if one)
    given = {KEYS_VARIABLE: ",".join(f"{name}={value}" for name, value in keys.items())} if keys else {}
    kept = {name: value for name, value in os.environ.items() if name != KEYS_VARIABLE}
    environment = {**kept, "PYTHONPATH": path, "PYTHONUNBUFFERED": "1", **given}
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, env=environment) as child:
        try:
            line = child.stdout.readline().strip() if child.stdout else ""
            if not line.startswith(_FIRST):
                raise RuntimeError("The simulator did not start.")
            with Simulator(line.removeprefix(_FIRST)) as simulator:
                yield simulator
        finally:
            child.kill()
