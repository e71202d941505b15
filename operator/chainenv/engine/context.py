"""Which resource a log line is about."""

from __future__ import annotations

from contextvars import ContextVar

RESOURCE: ContextVar[str] = ContextVar("resource", default="")
"""``namespace/name`` of the resource whose run this is; empty outside of one."""
