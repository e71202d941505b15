"""The image without a container engine: what the Dockerfile's build stage does is done in directories of the test's own.

Needs the package index, as a build of the image does.
"""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
import sys
import zipfile
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import NamedTuple

import pytest

from chainenv import __version__

ROOT = Path(__file__).parents[2]
PLACES = ("/src", "/tools", "/venv", "/wheels")
"""The absolute paths of the build stage."""

pytestmark = pytest.mark.xdist_group("image")  # one build, not one in each process


class Instruction(NamedTuple):
    name: str
    value: str


def stages() -> list[list[Instruction]]:
    """The Dockerfile's instructions, a list for each FROM."""
    text = re.sub(r"^\s*#.*\n", "", (ROOT / "Dockerfile").read_text(encoding="utf-8"), flags=re.MULTILINE)
    lines = text.replace("\\\n", " ").splitlines()
    found: list[list[Instruction]] = []
    for name, _, value in (line.strip().partition(" ") for line in lines if line.strip()):
        if name == "FROM":
            found.append([])
        found[-1].append(Instruction(name, " ".join(value.split())))
    return found


def values(stage: list[Instruction], name: str) -> list[str]:
    return [each.value for each in stage if each.name == name]


class Build:
    """One run of the build stage. Its paths lie under `root`, and only what .dockerignore lets through can be copied."""

    def __init__(self, root: Path) -> None:
        self.root = root
        self._context = root / "context"
        self._directory = root
        _copy_context(self._context)

    def path(self, place: str) -> Path:
        return self.root / place.lstrip("/")

    def run(self, instruction: Instruction) -> None:
        getattr(self, f"_{instruction.name.lower()}")(instruction.value)

    def _from(self, value: str) -> None:
        assert re.fullmatch(r"python:3\.\d+-slim(@sha256:[0-9a-f]{64})? AS build", value)

    def _workdir(self, value: str) -> None:
        self._directory = self.path(value)
        self._directory.mkdir(parents=True)

    def _copy(self, value: str) -> None:
        *sources, target = value.split()
        for source in sources:
            origin, destination = self._context / source, self._directory / target
            if origin.is_dir():
                shutil.copytree(origin, destination)
            else:
                destination.mkdir(parents=True, exist_ok=True)
                shutil.copy(origin, destination)

    def _run(self, value: str) -> None:
        command = re.sub(rf"(?<![\w.])({'|'.join(PLACES)})\b", lambda match: str(self.path(match[1])), value)
        done = subprocess.run(
            ["/bin/sh", "-ec", command], cwd=self._directory, env=_environment(), capture_output=True, text=True, check=False
        )
        assert done.returncode == 0, f"RUN {value}\n{done.stdout}\n{done.stderr}"


def _copy_context(target: Path) -> None:
    """What a builder is sent: the entries of .dockerignore that start with !, without byte code."""
    lines = (ROOT / ".dockerignore").read_text(encoding="utf-8").splitlines()
    assert "*" in lines
    for entry in (line[1:] for line in lines if line.startswith("!")):
        origin, destination = ROOT / entry, target / entry
        destination.parent.mkdir(parents=True, exist_ok=True)
        if origin.is_dir():
            shutil.copytree(origin, destination, ignore=shutil.ignore_patterns("__pycache__"))
        else:
            shutil.copy(origin, destination)


def _environment() -> dict[str, str]:
    """`python` is the one that runs the test; packages come from nowhere but the index."""
    dropped = ("PIP_FIND_LINKS", "PIP_NO_INDEX", "PIP_NO_BINARY", "PYTHONPATH", "VIRTUAL_ENV")
    kept = {name: value for name, value in os.environ.items() if name not in dropped}
    return {**kept, "PATH": os.pathsep.join([str(Path(sys.executable).parent), os.environ.get("PATH", os.defpath)])}


@pytest.fixture(scope="module")
def built(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Build]:
    build = Build(tmp_path_factory.mktemp("image"))
    for instruction in stages()[0]:
        build.run(instruction)
    yield build
    shutil.rmtree(build.root)  # 100 MB that pytest would keep


def said(built: Build, program: str, *arguments: str, env: Mapping[str, str] | None = None) -> subprocess.CompletedProcess[str]:
    """By a program of the image's environment, with the environment variables of the image."""
    path = {"PATH": str(built.path("/venv/bin")), "PYTHONDONTWRITEBYTECODE": "1", **(env or {})}
    return subprocess.run([built.path("/venv/bin") / program, *arguments], env=path, cwd="/", capture_output=True, text=True, check=False)


def test_the_command_works(built: Build) -> None:
    assert said(built, "chainenv", "--version").stdout == f"chainenv, version {__version__}\n"
    crd = said(built, "chainenv", "crd")
    assert crd.stdout == (ROOT / "crds" / "chains.baseten.co_chainenvironments.yaml").read_text(encoding="utf-8")
    refused = said(built, "chainenv", "run", env={"CHAINENV_POLL_SECONDS": "often"})
    assert (refused.returncode, "CHAINENV_POLL_SECONDS='often'" in refused.stderr) == (2, True)


def test_everything_that_runs_in_the_cluster_is_there(built: Build) -> None:
    done = said(built, "python", "-c", "import chainenv.app; print(chainenv.__file__)")
    assert done.returncode == 0, done.stderr
    assert Path(done.stdout.strip()).is_relative_to(built.path("/venv").resolve())


@pytest.mark.parametrize("module", ["chainenv_sandbox", "pip", "hatchling", "pytest"])
def test_nothing_else_is_there(built: Build, module: str) -> None:
    done = said(built, "python", "-c", f"import {module}")
    assert f"No module named '{module}'" in done.stderr


def test_what_is_installed_is_what_is_locked(built: Build) -> None:
    program = "import json, importlib.metadata as m; print(json.dumps({d.name.lower(): d.version for d in m.distributions()}))"
    installed = json.loads(said(built, "python", "-c", program).stdout)
    locked = dict(re.findall(r"^(\S+)==(\S+)", (ROOT / "requirements" / "run.txt").read_text(encoding="utf-8"), re.MULTILINE))
    assert installed.pop("chainenv-operator") == __version__
    assert {name.replace("_", "-"): version for name, version in installed.items()}.items() <= locked.items()


def test_nothing_is_written_when_it_runs(built: Build) -> None:
    venv = built.path("/venv")
    before = {path: path.stat().st_mtime_ns for path in venv.rglob("*")}
    said(built, "python", "-c", "import chainenv.app")
    assert {path: path.stat().st_mtime_ns for path in venv.rglob("*")} == before
    assert any(path.suffix == ".pyc" for path in (venv / "lib").rglob("chainenv/**/*.pyc"))


def test_the_wheel_holds_the_operator_alone(built: Build) -> None:
    [wheel] = built.path("/wheels").glob("*.whl")
    names = zipfile.ZipFile(wheel).namelist()
    assert {name.partition("/")[0] for name in names} == {"chainenv", f"chainenv_operator-{__version__}.dist-info"}
    assert not [name for name in names if "test" in name or "__pycache__" in name]
    assert "chainenv/app/supervision.py" in names


def test_the_image_runs_as_nobody() -> None:
    *_, image = stages()
    assert values(image, "USER") == ["65532:65532"]
    assert values(image, "RUN") == []
    assert values(image, "COPY") == ["--from=build /venv /venv"]
    assert [json.loads(value) for name in ("ENTRYPOINT", "CMD") for value in values(image, name)] == [["chainenv"], ["run"]]
    assert values(image, "FROM") == [values(stages()[0], "FROM")[0].removesuffix(" AS build")]
    assert f'org.opencontainers.image.version="{__version__}"' in values(image, "LABEL")[0]
