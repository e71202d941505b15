"""``chainenv``: run the operator, print the CRD."""

from __future__ import annotations

import asyncio
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import click

from . import __version__, app, logs
from .crd.schema import as_yaml
from .kube.cluster import NoClusterError
from .settings import BadSettingError, Settings, load, variable_of

_KEY = "baseten_api_key"


@click.group(context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(__version__, prog_name="chainenv")
def main() -> None:
    """Keeps Baseten chain environments as declared by ChainEnvironment resources."""


def _flags(command: Callable[..., Any]) -> Callable[..., Any]:
    """One flag for each setting; the key itself has none, because other users see a process' arguments."""
    for name, field in reversed(Settings.model_fields.items()):
        if name == _KEY:
            option = click.option("--baseten-api-key-file", type=click.Path(exists=True, dir_okay=False, path_type=Path), help=_KEY_FILE)
        else:
            flag = "--" + name.replace("_", "-")
            option = click.option(flag, name, metavar="TEXT", help=f"{field.description} [{variable_of(name)}]")
        command = option(command)
    return command


_KEY_FILE = "file that holds the key for resources without apiKeySecretRef [BASETEN_API_KEY holds the key itself]"


@main.command()
@_flags
def run(baseten_api_key_file: Path | None, **flags: str | None) -> None:
    """Run the operator until SIGTERM."""
    given: dict[str, Any] = {variable_of(name): value for name, value in flags.items() if value is not None}
    if baseten_api_key_file is not None:
        given[variable_of(_KEY)] = baseten_api_key_file.read_text(encoding="utf-8")
    try:
        settings = load(**given)
        logs.set_up(settings)
        asyncio.run(app.run(settings))
    except (BadSettingError, NoClusterError) as error:
        print(error, file=sys.stderr)
        sys.exit(2)
    except app.LeaseLostError:
        sys.exit(1)


@main.command()
def crd() -> None:
    """Print the CustomResourceDefinition: chainenv crd | kubectl apply --server-side -f -"""
    click.echo(as_yaml(), nl=False)


if __name__ == "__main__":
    main()
