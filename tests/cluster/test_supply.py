"""What is published: the same wheel from the same sources, and workflows that GitHub can read."""

from __future__ import annotations

import hashlib
import os
import re
import shutil
import subprocess
import sys
import time
from pathlib import Path

import pytest
import yaml

from chainenv_sandbox.gotools import ensure_tool

from .shop import ROOT, run

pytestmark = pytest.mark.xdist_group("tools")

WORKFLOWS = sorted((ROOT / ".github" / "workflows").glob("*.yaml"))
OF_THE_WHEEL = ("pyproject.toml", "README.md", "LICENSE", "operator/chainenv")


def wheel(directory: Path, touched: float) -> bytes:
    """Built from a copy of the sources whose files were written at that time."""
    source = directory / "source"
    for name in OF_THE_WHEEL:
        target = source / name
        target.parent.mkdir(parents=True, exist_ok=True)
        if (ROOT / name).is_dir():
            shutil.copytree(ROOT / name, target, ignore=shutil.ignore_patterns("__pycache__"))
        else:
            shutil.copy(ROOT / name, target)
    for path in source.rglob("*"):
        os.utime(path, (touched, touched))
    subprocess.run(
        [sys.executable, "-m", "hatchling", "build", "-t", "wheel", "-d", str(directory / "dist")],
        cwd=source,
        env={**os.environ, "SOURCE_DATE_EPOCH": "1767225600"},
        check=True,
        capture_output=True,
    )
    [built] = (directory / "dist").glob("*.whl")
    return built.read_bytes()


def test_the_same_sources_make_the_same_wheel(tmp_path: Path) -> None:
    first, second = wheel(tmp_path / "one", 1_600_000_000), wheel(tmp_path / "other", time.time())
    assert hashlib.sha256(first).hexdigest() == hashlib.sha256(second).hexdigest()


def test_the_workflows_are_sound() -> None:
    assert [path.name for path in WORKFLOWS] == ["ci.yaml", "release.yaml"]
    done = run(ensure_tool("actionlint"), "-no-color", *map(str, WORKFLOWS))
    assert done.stdout == ""


@pytest.mark.parametrize("path", WORKFLOWS, ids=lambda path: path.name)
def test_a_workflow_may_do_little_and_runs_nothing_that_moves(path: Path) -> None:
    """A tag of somebody else's action can be moved; a commit cannot."""
    text = path.read_text()
    workflow = yaml.safe_load(text)
    assert workflow["permissions"] == {"contents": "read"}
    for job in workflow["jobs"].values():
        assert job["timeout-minutes"] <= 60
    for used in re.findall(r"uses: (.*)", text):
        assert re.fullmatch(r"[\w-]+/[\w-]+@[0-9a-f]{40} # v\d+\.\d+\.\d+", used), used


def test_what_the_workflows_make_is_in_the_makefile() -> None:
    targets = set(re.findall(r"^([a-z]+):", (ROOT / "Makefile").read_text(), re.MULTILINE))
    for path in WORKFLOWS:
        assert set(re.findall(r"run: make (\w+)", path.read_text())) <= targets
