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

from .shop import CHART, ROOT, Helm, Json, run

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
    assert [path.name for path in WORKFLOWS] == ["audit.yaml", "ci.yaml", "release.yaml"]
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


def jobs(workflow: str) -> Json:
    found: Json = yaml.safe_load((ROOT / ".github" / "workflows" / workflow).read_text())["jobs"]
    return found


def test_what_builds_may_not_publish_and_what_publishes_builds_nothing() -> None:
    """A dependency that turns bad while it is built meets no token that could write."""
    for name, job in jobs("release.yaml").items():
        publishes = "write" in job.get("permissions", {}).values()
        used = [step.get("uses", "").partition("@")[0] for step in job["steps"]]
        made = [step for step in job["steps"] if re.match(r"make|pip|python|docker build", step.get("run", ""))]
        assert publishes == name.startswith(("publish-", "release")), name
        assert not publishes or not ({"actions/checkout", "docker/build-push-action"} & set(used) or made), name
        assert not publishes or used[0] == "actions/download-artifact", name


def test_a_job_has_the_rights_that_its_steps_need_and_no_other() -> None:
    needs = {"release": {"contents", "id-token", "attestations"}, "publish-python": {"id-token"}}
    needs |= {name: {"packages", "id-token", "attestations"} for name in ("publish-image", "publish-chart")}
    assert {name: set(job["permissions"]) for name, job in jobs("release.yaml").items() if "permissions" in job} == needs


def test_the_published_chart_names_the_image_by_digest(helm: Helm, tmp_path: Path) -> None:
    """The release's own line, tried on a copy of the chart."""
    chart, digest = tmp_path / "deploy" / "helm" / "chainenv-operator", "sha256:" + "a" * 64
    shutil.copytree(CHART, chart)
    [step] = [step for step in jobs("release.yaml")["chart"]["steps"] if "DIGEST" in step.get("env", {})]
    edit = step["run"].partition("helm template")[0]
    environment = {**os.environ, "IMAGE": "registry.example.com/team/chainenv-operator", "DIGEST": digest}
    subprocess.run(["bash", "-euo", "pipefail", "-c", edit], cwd=tmp_path, env=environment, check=True)
    rendered = helm("template", "chainenv-operator", str(chart)).stdout
    assert f"image: registry.example.com/team/chainenv-operator@{digest}" in rendered


@pytest.mark.parametrize(
    ("line", "accepted"),
    [("python:3.13-slim", False), ("python:3.13-slim@sha256:abc", False), ("python:3.13-slim@sha256:" + "a" * 64, True)],
)
def test_a_release_refuses_a_base_image_that_can_move(tmp_path: Path, line: str, accepted: bool) -> None:
    dockerfile = tmp_path / "Dockerfile"
    dockerfile.write_text(f"FROM {line} AS build\nRUN true\nFROM {line}\n")
    done = subprocess.run(["make", "-s", "base", f"DOCKERFILE={dockerfile}"], cwd=ROOT, capture_output=True, text=True, check=False)
    assert (done.returncode == 0) is accepted, done.stderr
    assert accepted or "by digest" in done.stderr
    assert {"run": "make base"}.items() <= next(
        step for step in jobs("release.yaml")["image"]["steps"] if "digest" in step.get("name", "")
    ).items()


def test_everything_that_is_pinned_is_looked_after() -> None:
    config = yaml.safe_load((ROOT / ".github" / "dependabot.yml").read_text())
    assert {each["package-ecosystem"] for each in config["updates"]} == {"github-actions", "pip", "docker"}
    for each in config["updates"]:
        assert (ROOT / each["directory"].lstrip("/")).is_dir()
    audit = yaml.safe_load((ROOT / ".github" / "workflows" / "audit.yaml").read_text())
    assert audit[True]["schedule"], "`on` is a boolean in YAML 1.1"
    assert audit["jobs"]["dependencies"]["steps"][-1] == {"run": "make audit"}
