"""The three binaries, where they may lie, and how a file gets into the cache."""

from __future__ import annotations

import os
import platform
import tempfile
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from platformdirs import user_cache_path

from chainenv_sandbox.controlplane import versions

SERVERS = ("etcd", "kube-apiserver")
KUBECTL = "kubectl"


class BinariesError(RuntimeError):
    """The binaries cannot be had; the message names what was tried and what to do."""


class UnavailableError(Exception):
    """This way is not open here; the next one is tried. The message says why."""


@dataclass(frozen=True)
class Assets:
    etcd: Path
    kube_apiserver: Path
    kubectl: Path

    @property
    def directory(self) -> Path:
        """Holds etcd and kube-apiserver; fit for KUBEBUILDER_ASSETS. kubectl may lie elsewhere."""
        return self.kube_apiserver.parent


@dataclass(frozen=True)
class Platform:
    os: str
    arch: str

    def __str__(self) -> str:
        return f"{self.os}-{self.arch}"


def this_platform() -> Platform:
    """In Go's words, such as linux-amd64 or darwin-arm64."""
    machine = platform.machine().lower()
    return Platform(platform.system().lower(), {"x86_64": "amd64", "aarch64": "arm64"}.get(machine, machine))


def cache_root(environ: Mapping[str, str]) -> Path:
    chosen = environ.get("CHAINENV_SANDBOX_CACHE")
    return Path(chosen).expanduser().absolute() if chosen else user_cache_path("chainenv")


def store_in(root: Path) -> Path:
    """The directory of the binaries that this release wants for this platform."""
    return root / f"controlplane-{versions.KUBERNETES}-etcd-{versions.ETCD}-{this_platform()}"


def is_program(path: Path) -> bool:
    return path.is_file() and os.access(path, os.X_OK)


@contextmanager
def placed(target: Path) -> Iterator[Path]:
    """Yields a temporary path beside `target`; what was written there takes its name only when the block succeeds."""
    target.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(prefix=f".{target.name}-", dir=target.parent) as scratch:
        temporary = Path(scratch) / target.name
        yield temporary
        temporary.replace(target)
