"""``chainenv run``: the operator."""

from __future__ import annotations

import asyncio
import shlex
import sys
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import click

from .. import app, logs
from ..kube.cluster import NoClusterError
from ..settings import BadSettingError, Settings, bounds_of, default_of, load, type_of, variable_of
from .text import text_of

_KEY = "baseten_api_key"
_PROBLEM = " cannot be used: "


def _flags(function: Callable[..., Any]) -> Callable[..., Any]:
    """One flag for each setting; the key itself has none, because other users see a process' arguments."""
    for name, field in reversed(Settings.model_fields.items()):
        if name == _KEY:
            option = click.option("--baseten-api-key-file", type=click.Path(exists=True, dir_okay=False, path_type=Path), help=_KEY_FILE)
        else:
            bounds = bounds_of(name)
            text = f"{field.description} [{variable_of(name)}; default: {default_of(name)}{f'; {bounds}' if bounds else ''}]"
            option = click.option(_flag(name), name, metavar=type_of(name), help=text)
        function = option(function)
    return function


def _flag(name: str) -> str:
    return "--" + name.replace("_", "-")


_KEY_FILE = "file that holds the key for resources without apiKeySecretRef [BASETEN_API_KEY holds the key itself]"


@click.command("run")
@_flags
def command(baseten_api_key_file: Path | None, **flags: str | None) -> None:
    """Run the operator until SIGTERM."""
    given: dict[str, Any] = {variable_of(name): value for name, value in flags.items() if value is not None}
    written = {variable_of(name): (_flag(name), value) for name, value in flags.items() if value is not None}
    try:
        if baseten_api_key_file is not None:
            written[variable_of(_KEY)] = ("--baseten-api-key-file", str(baseten_api_key_file))
            given[variable_of(_KEY)] = _key_in(baseten_api_key_file)
        settings = load(**given)
        logs.set_up(settings)
        asyncio.run(app.run(settings))
    except BadSettingError as error:
        print("\n".join(_as_written(line, written) for line in str(error).splitlines()), file=sys.stderr)
        sys.exit(2)
    except NoClusterError as error:
        print(error, file=sys.stderr)
        sys.exit(2)
    except app.LeaseLostError:
        sys.exit(1)


def _key_in(file: Path) -> str:
    try:
        return text_of(file)
    except ValueError as problem:
        raise BadSettingError(f"{variable_of(_KEY)}=(hidden) cannot be used: {problem}") from None


def _as_written(line: str, written: Mapping[str, tuple[str, str]]) -> str:
    """With the flag that was used in place of the variable that it stands for."""
    variable, _, rest = line.partition("=")
    shown, found, problem = rest.partition(_PROBLEM)
    if not found or variable not in written:
        return line
    flag, value = written[variable]
    if shown != "(hidden)" or variable == variable_of(_KEY):
        shown = shlex.quote(value) if value.isprintable() else repr(value)
    return f"{flag}={shown}{found}{problem}"
