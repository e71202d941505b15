"""Which tests share a process, and what they measured or covered, printed at the end of a run."""

from __future__ import annotations

import signal
from collections import Counter
from functools import cache
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, settings
from xdist.scheduler import LoadScopeScheduling

settings.register_profile("patient", derandomize=True, deadline=None, database=None, suppress_health_check=[HealthCheck.too_slow])
settings.load_profile("patient")
"""The same examples each time, however busy the machine is."""

CELL = "cell of the crash matrix"
"""A test records the property CELL with "work: boundary" when it stands for one."""
MEASURED = "measured"


class _Together(LoadScopeScheduling):
    """Tests of a file with something made once for the file run in one process; all others wherever there is room.

    xdist's own --dist=loadgroup (3.8.0) puts the group into an item's id, which pytest 9.2 does not allow any more: it groups nothing.
    """

    def _split_scope(self, nodeid: str) -> str:
        file = nodeid.partition("::")[0]
        return file if _shares(file) else nodeid


@cache
def _shares(file: str) -> bool:
    text = (Path(__file__).parents[1] / file).read_text(encoding="utf-8")
    return any(mark in text for mark in ('scope="module"', "shared_stage", "xdist_group"))


def pytest_configure() -> None:
    """Started in the background or by nohup, this process ignores some signals, and so would every process that a test starts."""
    for number, usual in ((signal.SIGINT, signal.default_int_handler), (signal.SIGHUP, signal.SIG_DFL)):
        if signal.getsignal(number) == signal.SIG_IGN:
            signal.signal(number, usual)


def pytest_xdist_make_scheduler(config: pytest.Config, log: Any) -> LoadScopeScheduling:
    return _Together(config, log)


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    """Also of tests that ran in other processes: their recorded properties come with their reports."""
    outcomes: Counter[tuple[str, bool]] = Counter()
    measured: list[str] = []
    for outcome in ("passed", "failed"):
        for report in terminalreporter.getreports(outcome):
            if report.when != "call":
                continue
            for name, value in report.user_properties:
                if name == CELL:
                    outcomes[str(value).partition(":")[0], outcome == "passed"] += 1
                if name == MEASURED:
                    measured.append(str(value))
    if outcomes:
        _print_matrix(terminalreporter, outcomes)
    if measured:
        terminalreporter.section("measured")
        for line in sorted(measured):
            terminalreporter.line(line)


def _print_matrix(terminalreporter: pytest.TerminalReporter, outcomes: Counter[tuple[str, bool]]) -> None:
    terminalreporter.section("crash matrix: SIGKILL at each boundary of each kind of work")
    works = sorted({work for work, _ in outcomes})
    for work in works:
        passed = outcomes[work, True]
        terminalreporter.line(f"{work:<36} {passed} of {passed + outcomes[work, False]} cells passed")
    passed = sum(count for (_, good), count in outcomes.items() if good)
    terminalreporter.line(f"{'all':<36} {passed} of {outcomes.total()} cells passed")
