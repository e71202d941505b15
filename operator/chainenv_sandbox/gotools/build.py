"""Builds the tools with Go, once, into the user's cache: one Go found on PATH, else the packaged one (see controlplane.gobuild)."""

from __future__ import annotations

import json
import os
import subprocess
import tempfile
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path

from filelock import FileLock

from chainenv_sandbox.controlplane.assets import BinariesError, UnavailableError, cache_root, is_program, placed, store_in, this_platform
from chainenv_sandbox.controlplane.gobuild import Go, build_environment, go_on_path, packaged_go, run_child
from chainenv_sandbox.controlplane.progress import progress
from chainenv_sandbox.gotools.tools import CRDS, TOOLS, Tool, digest, required, sources
from chainenv_sandbox.processes import Child


def ensure_tool(name: str, *, environ: Mapping[str, str] | None = None) -> Path:
    """The program: milliseconds when it is there. Raises BinariesError; KeyError for a name that is not in TOOLS."""
    env = os.environ if environ is None else environ
    tool = TOOLS[name]
    return _ensured(_store(name, env) / name, is_program, lambda target: _build(tool, target, env))


def ensure_crds(*, environ: Mapping[str, str] | None = None) -> Path:
    """The directory of the files named in CRDS. Raises BinariesError."""
    env = os.environ if environ is None else environ
    return _ensured(_store("crds", env) / "crds", Path.is_dir, lambda target: _extract(target, env))


def _store(name: str, environ: Mapping[str, str]) -> Path:
    return cache_root(environ) / f"{name}-{digest(name)}-{this_platform()}"


def _ensured(target: Path, there: Callable[[Path], bool], make: Callable[[Path], None]) -> Path:
    if there(target):
        return target
    target.parent.mkdir(parents=True, exist_ok=True)
    with FileLock(target.parent.with_suffix(".lock")):  # another run may be at it
        if not there(target):
            try:
                make(target)
            except UnavailableError as reason:
                raise BinariesError(f"{target.name} cannot be had: {reason}") from None
    return target


@contextmanager
def _module(folder: str) -> Iterator[Path]:
    """A copy: go wants a directory that it may write to."""
    with tempfile.TemporaryDirectory(prefix=f"chainenv-{folder}-") as scratch:
        for name, content in sources(folder):
            (Path(scratch) / name).write_bytes(content)
        yield Path(scratch)


def _build(tool: Tool, target: Path, environ: Mapping[str, str]) -> None:
    go = _go(environ)
    command: list[str | Path] = [go.program, "build", "-trimpath", "-ldflags", tool.linker_flags]
    if tool.tags:
        command += ["-tags", tool.tags]
    about = f"{tool.about} the first time, seconds when Go has compiled it before"
    with (
        _module(tool.folder) as module,
        placed(target) as temporary,
        progress(f"building {tool.name} {tool.version}".rstrip(), about) as running,
    ):
        log = temporary.parent / "log"
        build = Child(
            f"go build of {tool.name}", [*command, "-o", temporary, tool.package], log=log, env=build_environment(environ), cwd=module
        )
        run_child(build, running.update)


def _extract(target: Path, environ: Mapping[str, str]) -> None:
    """`go mod download` refuses a module whose hash is not that of go.sum; of a module only the named files are kept."""
    go = _go(environ)
    modules = {module for module, _ in CRDS.values()}
    with _module("crds") as module, placed(target) as temporary, progress("taking CRDs out of Go modules", "some seconds"):
        directories = {name: _downloaded(go, name, module, environ) for name in modules}
        temporary.mkdir()
        for name, (source, path) in CRDS.items():
            (temporary / name).write_bytes((directories[source] / path).read_bytes())


def _downloaded(go: Go, name: str, module: Path, environ: Mapping[str, str]) -> Path:
    command: list[str | Path] = [go.program, "mod", "download", "-json", f"{name}@{required('crds')[name]}"]
    done = subprocess.run(command, cwd=module, env=build_environment(environ), capture_output=True, text=True, check=False)
    answer = json.loads(done.stdout or "{}")
    if done.returncode or "Dir" not in answer:
        raise UnavailableError(answer.get("Error") or done.stderr.strip())
    return Path(answer["Dir"])


def _go(environ: Mapping[str, str]) -> Go:
    return go_on_path(environ) or packaged_go(store_in(cache_root(environ)), environ)


def ensure_all(names: Sequence[str]) -> Iterator[tuple[str, Path]]:
    """`crds` is taken for a tool here."""
    for name in names or [*TOOLS, "crds"]:
        yield name, ensure_crds() if name == "crds" else ensure_tool(name)
