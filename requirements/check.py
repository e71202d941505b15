"""Whether the lock files still fit what they were made from. Quick and offline: versions are compared, nothing is resolved."""

from __future__ import annotations

import re
import sys
import tomllib
from collections.abc import Iterable, Mapping
from pathlib import Path

from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

HERE = Path(__file__).parent
ROOT = HERE.parent
PIN = re.compile(r"^([A-Za-z0-9._-]+)==(\S+)", re.MULTILINE)
ELSEWHERE = re.compile(r"://|--(?:extra-)?index-url|--find-links|^-f\s|^\S+ @ ", re.MULTILINE)
"""A lock file names versions and hashes, not the places they come from."""

Pins = Mapping[str, str]


def pins(lock: str) -> Pins:
    return {canonicalize_name(name): version for name, version in PIN.findall((HERE / lock).read_text(encoding="utf-8"))}


def wanted(project: str) -> tuple[list[str], list[str]]:
    """The dependencies, and what builds it."""
    content = tomllib.loads((ROOT / project).read_text(encoding="utf-8"))
    return content["project"]["dependencies"], content["build-system"]["requires"]


def listed(file: str) -> list[str]:
    lines = (line.partition("#")[0].strip() for line in (HERE / file).read_text(encoding="utf-8").splitlines())
    return [line for line in lines if line]


def missing(lock: str, requirements: Iterable[str]) -> Iterable[str]:
    """What `requirements` ask for and `lock` does not pin, or pins at another version."""
    pinned = pins(lock)
    for requirement in map(Requirement, requirements):
        version = pinned.get(canonicalize_name(requirement.name))
        if version is None:
            yield f"{lock} has no {requirement}"
        elif not requirement.specifier.contains(version, prereleases=True):
            yield f"{lock} has {requirement.name} {version}, wanted is {requirement}"


def problems() -> Iterable[str]:
    operator, build = wanted("pyproject.toml")
    sandbox, _ = wanted("operator/pyproject.toml")
    yield from missing("run.txt", operator)
    yield from missing("build.txt", [*build, *listed("build.in")])
    yield from missing("dev.txt", [*operator, *sandbox, *build, *listed("dev.in")])
    for lock in ("run.txt", "build.txt"):
        yield from missing("dev.txt", [f"{name}=={version}" for name, version in pins(lock).items()])
    for apart in ("supply", "docs"):
        yield from missing(f"{apart}.txt", listed(f"{apart}.in"))
    for lock in ("run.txt", "build.txt", "dev.txt", "supply.txt", "docs.txt"):
        if ELSEWHERE.search((HERE / lock).read_text(encoding="utf-8")):
            yield f"{lock} names a place that packages come from"


if __name__ == "__main__":
    found = list(problems())
    sys.exit("\n".join([*found, "Run make lock."]) if found else 0)
