"""kubectl: is there one on PATH that can talk to this server, and running it."""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
from collections.abc import Mapping
from pathlib import Path

OLDEST = (1, 30)
"""More minor versions apart than Kubernetes' own skew policy grants; what the sandbox needs of kubectl is older still."""


class KubectlError(RuntimeError):
    """kubectl failed; the message holds its own words."""


def run_kubectl(
    program: Path, *args: str, kubeconfig: Path, input: str | None = None, timeout: float = 60, env: Mapping[str, str] | None = None
) -> subprocess.CompletedProcess[str]:
    """Never raises for an exit code; see `require_success`. `env` is added to our own environment."""
    environment = {**os.environ, **(env or {}), "KUBECONFIG": str(kubeconfig)}
    # Not subprocess.run's check: its error leaves out kubectl's own message.
    return subprocess.run([program, *args], input=input, env=environment, capture_output=True, text=True, timeout=timeout, check=False)


def require_success(done: subprocess.CompletedProcess[str]) -> subprocess.CompletedProcess[str]:
    if done.returncode:
        arguments = " ".join(map(str, done.args[1:]))
        raise KubectlError(f"kubectl {arguments} failed (exit code {done.returncode}): {done.stderr.strip()}")
    return done


def kubectl_on_path(environ: Mapping[str, str]) -> Path | None:
    found = shutil.which("kubectl", path=environ.get("PATH", ""))
    if found is None:
        return None
    version = _client_version(found, environ)
    return Path(found) if version is not None and version >= OLDEST else None


def _client_version(kubectl: str, environ: Mapping[str, str]) -> tuple[int, int] | None:
    """None when it does not run. Vendors write minors such as "32+", so only the digits count."""
    try:
        answer = subprocess.run(
            [kubectl, "version", "--client", "--output=json"], env=environ, capture_output=True, text=True, timeout=20, check=True
        )
        version = json.loads(answer.stdout)["clientVersion"]
        major, minor = (re.match(r"\d+", version[key]) for key in ("major", "minor"))
    except (OSError, subprocess.SubprocessError, ValueError, KeyError, TypeError):
        return None
    return (int(major[0]), int(minor[0])) if major and minor else None
