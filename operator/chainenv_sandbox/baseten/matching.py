"""Which calls a fault or a hold is about."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Literal

from chainenv_sandbox.baseten.errors import invalid

Point = Literal["before_effect", "after_effect"]


@dataclass(slots=True)
class Match:
    """method: None is any. path: regular expression, searched in the path. times: None is for ever; skip: let so many pass first."""

    method: str | None = None
    path: str = ""
    key: str | None = None
    times: int | None = 1
    skip: int = 0

    def __post_init__(self) -> None:
        try:
            re.compile(self.path)
        except re.error as error:
            raise invalid(f"path: {error}.") from error

    def fits(self, method: str, path: str, key: str | None) -> bool:
        if self.times == 0 or self.method not in (None, method) or self.key not in (None, key):
            return False
        return re.search(self.path, path) is not None

    def take(self) -> bool:
        """Whether this fitting call is one of those meant; counts it."""
        if self.skip:
            self.skip -= 1
            return False
        if self.times is not None:
            self.times -= 1
        return True
