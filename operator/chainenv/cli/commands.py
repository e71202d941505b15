"""What the commands share: running, the argument NAME, results in one line."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Coroutine
from functools import wraps
from typing import Any, ParamSpec

import click

from .options import RESOURCE_NAME, given
from .output import emit
from .text import harmless
from .view import Object

P = ParamSpec("P")

NAME = click.argument("name", metavar="NAME", type=RESOURCE_NAME)


def in_loop(command: Callable[P, Coroutine[Any, Any, None]]) -> Callable[P, None]:
    """What click calls: the command, in an event loop of its own."""

    @wraps(command)
    def run(*args: P.args, **kwargs: P.kwargs) -> None:
        asyncio.run(command(*args, **kwargs))

    return run


def named(resource: Object) -> str:
    """``namespace/name``, as it stands in every result."""
    return f"{resource['metadata']['namespace']}/{resource['metadata']['name']}"


def report(resource: Object, text: str, **facts: Any) -> None:
    """The result of a command that changes one resource; absent facts are left out."""
    meta = resource["metadata"]
    known = {name: value for name, value in facts.items() if value is not None}
    data = {"namespace": meta["namespace"], "name": meta["name"], **known, "message": text}
    emit(given().output, data, lambda: click.echo(harmless(f"{named(resource)}: {text}")))
