"""A proxy in a child process that cannot outlive its parent."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from chainenv_sandbox.proxy.client import Proxy

_IMPORT_ROOT = str(Path(__file__).parents[2])


@contextmanager
def start_proxy(upstream: str, ca_file: Path | None = None) -> Iterator[Proxy]:
    """Raises RuntimeError when the child does not come up; its last lines are on stderr."""
    command = [sys.executable, "-m", "chainenv_sandbox.proxy", "--upstream", upstream, "--exit-with-stdin"]
    if ca_file is not None:
        command += ["--ca-file", str(ca_file)]
    path = os.pathsep.join(one for one in (_IMPORT_ROOT, os.environ.get("PYTHONPATH")) if one)
    environment = {**os.environ, "PYTHONPATH": path}
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, env=environment) as child:
        try:
            line = child.stdout.readline() if child.stdout else ""
            if not line.startswith("{"):
                raise RuntimeError("The proxy did not start.")
            with Proxy(**json.loads(line)) as proxy:
                yield proxy
        finally:
            child.kill()
