"""docs/ci.md: its workflow is one that GitHub can read, its hook one that a cluster takes."""

from __future__ import annotations

import re
import subprocess
from pathlib import Path

from chainenv_sandbox.gotools import ensure_tool

from ..cluster.shop import ROOT
from ..integration.harness.stage import Stage

PAGE = (ROOT / "docs" / "ci.md").read_text(encoding="utf-8")
WORKFLOW, HOOK = re.findall(r"^```yaml\n(.*?)^```", PAGE, re.MULTILINE | re.DOTALL)


def test_the_workflow_is_sound(tmp_path: Path) -> None:
    file = tmp_path / "plan.yaml"
    file.write_text(WORKFLOW)
    done = subprocess.run([ensure_tool("actionlint"), "-no-color", "-shellcheck=", str(file)], capture_output=True, text=True, check=False)
    assert (done.returncode, done.stdout) == (0, "")
    for used in re.findall(r"uses: (.*)", WORKFLOW):
        assert re.fullmatch(r"[\w-]+/[\w-]+@[0-9a-f]{40} # v\d+\.\d+\.\d+", used), used


def test_the_hook_is_taken(stage: Stage) -> None:
    stage.cluster.kubectl("create", "--validate=strict", "--dry-run=server", "-f", "-", namespace=stage.namespace, input=HOOK)
