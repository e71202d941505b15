"""CPU and memory of processes, as the kernel counts them (Linux: proc(5))."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

_TICKS = os.sysconf("SC_CLK_TCK")
_NAMES = {
    "kube-apiserver": "API server",
    "etcd": "etcd",
    "chainenv_sandbox.baseten": "simulator",
    "chainenv run": "operator",
    "benchmarks.sampled": "operator",
    "benchmarks.floor": "floor",
}


def cpu_seconds() -> dict[str, float]:
    """User and system time so far of what this process has started, by name, and its own as `benchmark`."""
    found = {"benchmark": sum(os.times()[:2])}
    for pid in _descendants(os.getpid()):
        name = _name(pid)
        if name is not None:
            found[name] = found.get(name, 0.0) + _cpu(Path(f"/proc/{pid}"))
    return found


def _descendants(pid: int) -> Iterator[int]:
    for task in Path(f"/proc/{pid}/task").iterdir():
        for child in map(int, (task / "children").read_text().split()):
            yield child
            yield from _descendants(child)


def _name(pid: int) -> str | None:
    """A supervisor has the command that it runs among its own arguments."""
    words = Path(f"/proc/{pid}/cmdline").read_bytes().decode(errors="replace").replace("\0", " ")
    if "--watch-stdin" in words:
        return None
    return next((name for part, name in _NAMES.items() if part in words), None)


def _cpu(path: Path) -> float:
    fields = (path / "stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / _TICKS
