"""A real Prometheus in a child process that cannot outlive its parent, and its HTTP API."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx
import yaml

from chainenv_sandbox.controlplane.components import LOOPBACK, free_ports
from chainenv_sandbox.gotools import ensure_tool
from chainenv_sandbox.processes import Child

START_SECONDS = 60.0  # takes less than one; a busy machine may need a lot more

Json = dict[str, Any]


class QueryError(RuntimeError):
    """Prometheus refused a question; the message holds its words."""


@dataclass(frozen=True)
class Target:
    """`address` is host:port of a /metrics; `labels` are added to each of its series, as service discovery would."""

    address: str
    labels: Mapping[str, str]


@dataclass(frozen=True)
class Answer:
    """`series` as Prometheus writes them: `metric`, and `value` or `values`. `remarks`: its warnings and infos about the query."""

    series: list[Json]
    remarks: list[str]


class Prometheus:
    """Asks one that runs. Times are seconds, moments epoch seconds."""

    def __init__(self, url: str, log: Path) -> None:
        self.url = url
        self.log = log
        self._http = httpx.Client(base_url=url, timeout=30, trust_env=False)

    def close(self) -> None:
        self._http.close()

    def is_ready(self) -> bool:
        try:
            return self._http.get("/-/ready").is_success
        except httpx.TransportError:
            return False

    def query(self, expression: str) -> Answer:
        """As of now. Raises QueryError."""
        return self._answer("query", {"query": expression})

    def query_range(self, expression: str, start: float, end: float, step: float) -> Answer:
        """Raises QueryError."""
        return self._answer("query_range", {"query": expression, "start": start, "end": end, "step": step})

    def targets(self) -> list[Json]:
        """Those that are scraped: scrapeUrl, health, lastError, labels, ..."""
        found: list[Json] = self._asked("targets", {"state": "active"})["data"]["activeTargets"]
        return found

    def rules(self) -> list[Json]:
        """Of all groups: name, health, lastError, lastEvaluation, state, ..."""
        groups: list[Json] = self._asked("rules", {})["data"]["groups"]
        return [rule for group in groups for rule in group["rules"]]

    def _answer(self, path: str, parameters: Mapping[str, Any]) -> Answer:
        answered = self._asked(path, parameters)
        return Answer(answered["data"]["result"], [*answered.get("warnings", ()), *answered.get("infos", ())])

    def _asked(self, path: str, parameters: Mapping[str, Any]) -> Json:
        answer = self._http.get(f"/api/v1/{path}", params=dict(parameters))
        answered: Json = answer.json()
        if answered["status"] != "success":
            raise QueryError(f"{path} {parameters}: {answered['error']}")
        return answered


@contextmanager
def start_prometheus(directory: Path, targets: Sequence[Target], *, every: float, rules: Path | None = None) -> Iterator[Prometheus]:
    """Scrapes and evaluates every so many seconds, keeps everything in `directory`, logs warnings and errors only.

    Raises BinariesError, ProcessDiedError or NotReadyError.
    """
    (port,) = free_ports(1)
    config = directory / "prometheus.yaml"
    config.write_text(yaml.safe_dump(_config(targets, every, rules)))
    command: list[str | Path] = [
        ensure_tool("prometheus"),
        f"--config.file={config}",
        f"--storage.tsdb.path={directory / 'tsdb'}",
        f"--web.listen-address={LOOPBACK}:{port}",
        "--scrape.discovery-reload-interval=1s",  # before it knows its targets; usually 5
        "--log.level=warn",
    ]
    log = directory / "prometheus.log"
    prometheus = Prometheus(f"http://{LOOPBACK}:{port}", log)
    child = Child("Prometheus", command, log=log)
    try:
        child.wait_until(prometheus.is_ready, timeout=START_SECONDS)
        yield prometheus
    finally:
        child.stop()
        prometheus.close()


def _config(targets: Sequence[Target], every: float, rules: Path | None) -> Json:
    interval = f"{round(every * 1000)}ms"
    static = [{"targets": [each.address], "labels": dict(each.labels)} for each in targets]
    return {
        "global": {"scrape_interval": interval, "scrape_timeout": interval, "evaluation_interval": interval},
        "scrape_configs": [{"job_name": "chainenv-operator", "static_configs": static}],
        "rule_files": [str(rules.absolute())] if rules else [],
    }
