"""python deploy/grafana/record.py FILE: plays the story and writes what each panel shows of it (make dashboard-picture)."""

from __future__ import annotations

import json
import math
import re
import sys
import time
from collections.abc import Iterator
from pathlib import Path

from dashboard import Json, dashboard, mark

from chainenv_sandbox.controlplane import BinariesError
from chainenv_sandbox.processes import NotReadyError, ProcessDiedError
from chainenv_sandbox.prometheus import Prometheus
from chainenv_sandbox.story import SCRAPE_SECONDS, staged
from chainenv_sandbox.up import interrupted_by_signals

FILLED = {"$namespace": ".*", "$__rate_interval": f"{4 * SCRAPE_SECONDS:.0f}s"}
"""As Grafana fills them in: all namespaces, four scrapes."""


def record() -> Json:
    """The dashboard and its mark; each target has `lines`, each with a name and points (seconds since the beginning, value or null)."""
    with interrupted_by_signals(), staged() as story:
        start = time.time()
        story.play()
        seconds = time.time() - start
        found = dashboard()
        for panel in found["panels"]:
            for target in panel.get("targets", ()):
                target["lines"] = list(lines(story.prometheus, target, start, seconds))
    return {**found, "seconds": seconds, "mark": mark()}


def lines(prometheus: Prometheus, target: Json, start: float, seconds: float) -> Iterator[Json]:
    """Exits when there is nothing to draw, or Prometheus has a remark."""
    expression = target["expr"]
    for name, value in FILLED.items():
        expression = expression.replace(name, value)
    answer = prometheus.query_range(expression, start, start + seconds, SCRAPE_SECONDS)
    if answer.remarks or not answer.series:
        sys.exit(f"{answer.remarks or 'nothing was recorded'}: {expression}")
    for each in answer.series:
        points = [(moment - start, number(text)) for moment, text in each["values"]]
        yield {"name": legend(target["legendFormat"], each["metric"]), "points": points}


def number(text: str) -> float | None:
    """None where there is no number, such as a quantile of nothing."""
    value = float(text)
    return value if math.isfinite(value) else None


def legend(form: str, labels: dict[str, str]) -> str:
    return "" if form == "__auto" else re.sub(r"\{\{(\w+)\}\}", lambda found: labels.get(found[1], ""), form)


if __name__ == "__main__":
    try:
        Path(sys.argv[1]).write_text(json.dumps(record()), encoding="utf-8")
    except (BinariesError, NotReadyError, ProcessDiedError) as error:
        sys.exit(str(error))
    except KeyboardInterrupt:
        sys.exit("stopped")
