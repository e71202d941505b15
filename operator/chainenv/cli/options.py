"""The options that every command has, before or after its name; after it wins."""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any, TypeVar

import click

F = TypeVar("F", bound=Callable[..., Any])

_META = "chainenv.options."
FORMATS = ("table", "json", "yaml")


class KubernetesName(click.ParamType[str]):
    """Of an object or, without dots, of a namespace. What could not be one never becomes part of a path."""

    name = "name"

    def __init__(self, what: str, pattern: str) -> None:
        self._what = what
        self._pattern = re.compile(pattern)

    def convert(self, value: object, param: click.Parameter | None, ctx: click.Context | None) -> str:
        if len(str(value)) > LONGEST_NAME or not self._pattern.fullmatch(str(value)):
            self.fail(f"{str(value)!r} cannot be the name of a {self._what}: see kubectl get chenv -A", param, ctx)
        return str(value)


class BasetenID(click.ParamType[str]):
    """What has a place of its own in Baseten's URLs. ``what``: as a sentence names it; ``hint``: the option, where an argument goes on
    with its values."""

    name = "id"

    def __init__(self, what: str, hint: str | None = None) -> None:
        self._what = what
        self._hint = hint

    def convert(self, value: object, param: click.Parameter | None, ctx: click.Context | None) -> str:
        text = str(value)
        if text in ("", ".", "..") or not text.isprintable():
            raise click.BadParameter(f"{text!r:.80} cannot be {self._what}", ctx, param, self._hint)
        return text


RESOURCE_NAME = KubernetesName("ChainEnvironment", r"[a-z0-9]([-a-z0-9.]*[a-z0-9])?")
_NAMESPACE = KubernetesName("namespace", r"[a-z0-9]([-a-z0-9]*[a-z0-9])?")
LONGEST_NAME = 253
CHAIN_ID = BasetenID("the ID of a chain")


def _option(*names: str, **more: Any) -> Callable[[F], F]:
    """One that ``given`` has, and not the command's own parameters."""

    def remember(ctx: click.Context, parameter: click.Parameter, value: Any) -> None:
        if value:
            ctx.meta[f"{_META}{parameter.name}"] = value

    return click.option(*names, expose_value=False, callback=remember, **more)


def cluster_options(command: F) -> F:
    """-n, -A, --context, --kubeconfig, -o."""
    output = _option("-o", "--output", type=click.Choice(FORMATS), help="How the result is written. [table]")
    return no_format(output(command))


def no_format(command: F) -> F:
    """The options of `cluster_options` without -o, for a command that has its own."""
    file = partial(click.Path, exists=True, dir_okay=False)
    for option in (
        _option("--kubeconfig", type=file(), help="File with the clusters' addresses and credentials. [KUBECONFIG]"),
        _option("--context", metavar="NAME", help="Context of the kubeconfig. [its current one]"),
        _option("-A", "--all-namespaces", is_flag=True, help="In all namespaces."),
        _option("-n", "--namespace", type=_NAMESPACE, metavar="NAME", help="Namespace. [the context's]"),
    ):
        command = option(command)
    return command


def key_options(command: F) -> F:
    """Where Baseten's API key is, for a command that calls Baseten."""
    path = click.Path(exists=True, dir_okay=False, path_type=Path)
    text = "File that holds Baseten's API key. [BASETEN_API_KEY holds the key itself; else the Secret that the resource names]"
    return click.option("--api-key-file", type=path, help=text)(command)


@dataclass(frozen=True, slots=True)
class Options:
    """As given; None: not given. ``kubeconfig`` is one file."""

    namespace: str | None = None
    all_namespaces: bool = False
    context: str | None = None
    kubeconfig: str | None = None
    output: str = "table"


def given() -> Options:
    """The options of the command that runs."""
    meta = click.get_current_context().meta
    return Options(**{name: meta[_META + name] for name in Options.__dataclass_fields__ if _META + name in meta})
