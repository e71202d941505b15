"""Logs: JSON in a cluster, text on a terminal, on stderr. docs/monitoring.md has the fields."""

from __future__ import annotations

import logging
from dataclasses import asdict

from pythonjsonlogger.json import JsonFormatter

from .engine.context import RESOURCE
from .settings import Settings

_QUIET = ("kopf", "httpx", "httpcore", "aiohttp", "asyncio", "kubernetes")
"""Libraries that log more than anyone needs; they are logged from WARNING on."""
_TRAILING = ("chain", "environment", "generation", "call", "duration_seconds", "outcome", "retry_seconds")
"""Fields that a line of text ends with; JSON has all there are."""


def set_up(settings: Settings) -> None:
    handler = logging.StreamHandler()
    if settings.log_format == "json":
        renamed = {"asctime": "time", "levelname": "level", "name": "logger", "resource_name": "name"}
        fields = "%(asctime)s %(levelname)s %(name)s %(message)s"
        handler.setFormatter(JsonFormatter(fields, rename_fields=renamed, datefmt="%Y-%m-%dT%H:%M:%S%z"))
    else:
        handler.setFormatter(_OneLine("%(asctime)s %(levelname)-7s %(message)s"))
    handler.addFilter(_about)
    root = logging.getLogger()
    root.handlers[:] = [handler]
    root.setLevel(settings.log_level.upper())
    logging.getLogger("kopf._core.reactor.running").setLevel(logging.ERROR)  # warns that it leaves the signals to us
    for name in _QUIET:
        logging.getLogger(name).setLevel(max(logging.WARNING, root.level))


class _OneLine(logging.Formatter):
    """What a name or a status from outside has in it cannot begin a line of its own, or steer a terminal."""

    def formatMessage(self, record: logging.LogRecord) -> str:  # noqa: N802 - logging's name
        if "resource_name" in record.__dict__:
            record.message = f"{record.__dict__['namespace']}/{record.__dict__['resource_name']}: {record.message}"
        line = super().formatMessage(record)
        fields = " ".join(f"{name}={record.__dict__[name]}" for name in _TRAILING if name in record.__dict__)
        return "".join(c if c.isprintable() else ascii(c)[1:-1] for c in (f"{line}  {fields}" if fields else line))


def _about(record: logging.LogRecord) -> bool:
    """Every line written during a run names its resource: as fields in JSON, around the message in text."""
    if record.name.startswith("kopf"):
        record.exc_info = None  # what matters of it is logged where the watch is started again
        if record.levelno > logging.WARNING:  # it retries, or the watch is started again
            record.levelno, record.levelname = logging.WARNING, "WARNING"
    about = RESOURCE.get()
    if about and "resource_name" not in record.__dict__:
        fields = asdict(about)
        record.__dict__.update({"resource_name": fields.pop("name"), **fields})
    return True
