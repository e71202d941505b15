"""The krew plugin: its manifest by krew's rules, its archive as krew unpacks it, and the launcher in it."""

from __future__ import annotations

import hashlib
import os
import re
import subprocess
import sys
import zipfile
from pathlib import Path
from typing import Any

import pytest
import yaml

from chainenv import __version__

KREW = Path(__file__).parents[2] / "deploy" / "krew"


@pytest.fixture
def plugin() -> dict[str, Any]:
    found: dict[str, Any] = yaml.safe_load((KREW / "chainenv.yaml").read_text(encoding="utf-8"))
    return found


@pytest.fixture
def archive(tmp_path: Path) -> Path:
    """As a release makes it."""
    file = tmp_path / "kubectl-chainenv.zip"
    subprocess.run([sys.executable, str(KREW / "manifest.py"), str(file)], check=True)
    return file


def unpacked(archive: Path, directory: Path) -> Path:
    """With the modes that stand in it, as krew does; the program."""
    with zipfile.ZipFile(archive) as file:
        for entry in file.infolist():
            target = Path(file.extract(entry, directory))
            target.chmod(entry.external_attr >> 16 & 0o777)
    return directory / "kubectl-chainenv"


def test_the_manifest_has_what_krew_asks_for(plugin: dict[str, Any]) -> None:
    assert (plugin["apiVersion"], plugin["kind"]) == ("krew.googlecontainertools.github.com/v1alpha2", "Plugin")
    assert re.fullmatch(r"[\w-]+", plugin["metadata"]["name"])
    spec = plugin["spec"]
    assert spec["version"] == f"v{__version__}"
    assert 0 < len(spec["shortDescription"]) <= 50
    assert not spec["shortDescription"].endswith(".")
    assert spec["homepage"].startswith("https://")
    (platform,) = spec["platforms"]
    assert platform["uri"].startswith("https://")
    assert re.fullmatch(r"[0-9a-f]{64}", platform["sha256"])
    assert platform["bin"] in [each["from"] for each in platform["files"]]
    assert [each["key"] for each in platform["selector"]["matchExpressions"]] == ["os"]


def test_the_archive_is_the_one_that_the_manifest_names(plugin: dict[str, Any], archive: Path) -> None:
    (platform,) = plugin["spec"]["platforms"]
    assert hashlib.sha256(archive.read_bytes()).hexdigest() == platform["sha256"]
    with zipfile.ZipFile(archive) as file:
        assert sorted(file.namelist()) == sorted(each["from"] for each in platform["files"])


@pytest.mark.parametrize(
    ("runner", "expected"),
    [
        ("uvx", ["--quiet", "--from", f"chainenv-operator=={__version__}", "kubectl-chainenv", "status", "two words"]),
        ("pipx", ["run", "--quiet", "--spec", f"chainenv-operator=={__version__}", "kubectl-chainenv", "status", "two words"]),
    ],
)
def test_the_launcher_runs_this_version(archive: Path, tmp_path: Path, runner: str, expected: list[str]) -> None:
    program = unpacked(archive, tmp_path / "plugin")
    programs = tmp_path / "bin"
    programs.mkdir()
    (programs / runner).write_text('#!/bin/sh\nprintf "%s\\n" "$@"\n')
    (programs / runner).chmod(0o755)
    done = subprocess.run([program, "status", "two words"], env={"PATH": str(programs)}, capture_output=True, text=True, check=True)
    assert done.stdout.splitlines() == expected


def test_without_a_runner_it_says_what_to_install(archive: Path, tmp_path: Path) -> None:
    program = unpacked(archive, tmp_path / "plugin")
    done = subprocess.run([program], env={"PATH": os.devnull}, capture_output=True, text=True, check=False)
    assert done.returncode == 1
    assert done.stderr.startswith("error: kubectl chainenv needs uv or pipx on PATH")
