"""Settings as plain values, and short hashes of them."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from typing import Any

Value = int | bool | str
Settings = Mapping[str, Value]
"""Settings by Baseten's names; a nested one is written ``rolling_deploy_config.max_surge_percent``."""

CLEANUP = "promotion_cleanup_strategy"
ROLLING = "rolling_deploy_config"
SURGE = f"{ROLLING}.max_surge_percent"
UNAVAILABLE = f"{ROLLING}.max_unavailable_percent"


def flat(settings: Mapping[str, Any] | None, prefix: str = "") -> dict[str, Value]:
    """Nested settings as one level, without what is null."""
    out: dict[str, Value] = {}
    for name, value in (settings or {}).items():
        if isinstance(value, Mapping):
            out.update(flat(value, f"{prefix}{name}."))
        elif value is not None:
            out[prefix + name] = value
    return out


def digest(value: Any) -> str:
    """A short hash of any JSON value; the order of mappings does not matter."""
    text = json.dumps(value, sort_keys=True, separators=(",", ":"))
    return hashlib.sha256(text.encode()).hexdigest()[:16]


def nested(settings: Settings) -> dict[str, Any]:
    """The inverse of ``flat``: a dotted path is an object within an object."""
    out: dict[str, Any] = {}
    for path, value in settings.items():
        *parents, last = path.split(".")
        where = out
        for parent in parents:
            where = where.setdefault(parent, {})
        where[last] = value
    return out
