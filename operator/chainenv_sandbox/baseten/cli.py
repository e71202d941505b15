"""The command `baseten`: a Baseten management API on this machine."""

from __future__ import annotations

import asyncio
import json
import os
from pathlib import Path
from typing import Any

import click

from chainenv_sandbox.baseten.errors import ApiError
from chainenv_sandbox.baseten.keys import DEFAULT_KEYS, Key, parse_keys, read_keys
from chainenv_sandbox.baseten.server import exit_with_stdin, is_loopback, serve
from chainenv_sandbox.baseten.simulation import DEFAULT_CHAINS, Simulation, Start
from chainenv_sandbox.baseten.state import ChainSpec

KEYS_VARIABLE = "CHAINENV_SANDBOX_KEYS"
_NAMED = ("build_seconds", "deploy_seconds", "load_seconds", "promotion_seconds", "autoscaling_seconds", "latency_seconds", "rate_limit")


def _host(_: click.Context, __: click.Parameter, value: str) -> str:
    if not is_loopback(value):
        raise click.BadParameter("only a loopback address is served (the control API has no authentication)")
    return value


def _chains(_: click.Context, __: click.Parameter, values: tuple[str, ...]) -> tuple[ChainSpec, ...]:
    try:
        return tuple(ChainSpec.parse(value) for value in values) or DEFAULT_CHAINS
    except ValueError as error:
        raise click.BadParameter(str(error)) from error


def _options(_: click.Context, __: click.Parameter, values: tuple[str, ...]) -> dict[str, Any]:
    found = {}
    for value in values:
        name, _equals, text = value.partition("=")
        try:
            found[name.replace("-", "_")] = json.loads(text)
        except ValueError:
            found[name.replace("-", "_")] = text
    return found


def _keys(file: Path | None) -> tuple[Key, ...]:
    try:
        keys = read_keys(file) if file is not None else parse_keys(os.environ.get(KEYS_VARIABLE) or DEFAULT_KEYS)
    except (OSError, ValueError) as error:
        raise click.ClickException(f"{file or KEYS_VARIABLE}: {error}") from error
    return keys


def _announce(base_url: str, start: Start) -> None:
    chain = start.chains[0].id
    own_key = any(f"{key.name}={key.value}" == DEFAULT_KEYS for key in start.keys)
    click.echo(f"BASETEN_BASE_URL={base_url}")
    click.echo(f"Keys: {', '.join(key.name for key in start.keys)}{' (the default key is sandbox-key)' if own_key else ''}")
    for one in start.chains:
        click.echo(f"Chain {one.id}: {', '.join(one.chainlets)}")
    value = "sandbox-key" if own_key else "$BASETEN_API_KEY"
    click.echo(f"Try:     curl -H 'Authorization: Api-Key {value}' {base_url}/v1/chains/{chain}/environments/production")
    click.echo(f"Control: curl {base_url}/_control/state   (and /_control/journal, /_control/options)")


@click.command()
@click.option("--host", default="127.0.0.1", show_default=True, callback=_host, help="Loopback address to serve.")
@click.option("--port", default=8099, show_default=True, type=click.IntRange(0, 65535), help="0: a free one.")
@click.option(
    "--chain", "chains", multiple=True, callback=_chains, metavar="ID:CHAINLET,CHAINLET", help="A chain to begin with; repeatable."
)
@click.option(
    "--keys-file",
    type=click.Path(exists=True, dir_okay=False, path_type=Path),
    help=f"API keys as name=value lines. Otherwise ${KEYS_VARIABLE} (name=value,name=value), otherwise default=sandbox-key.",
)
@click.option("--build-seconds", type=float, help="How long a deployment is BUILDING.")
@click.option("--deploy-seconds", type=float, help="... DEPLOYING.")
@click.option("--load-seconds", type=float, help="... LOADING_MODEL.")
@click.option("--promotion-seconds", type=float, help="From ACTIVE until a candidate is current.")
@click.option("--autoscaling-seconds", type=float, help="Until changed autoscaling settings show.")
@click.option("--latency-seconds", type=float, help="Added to every public call.")
@click.option("--rate-limit", type=int, help="Requests/s for each key and endpoint (Baseten: 100). Default: none.")
@click.option(
    "--option", "options", multiple=True, callback=_options, metavar="NAME=JSON", help="Any other option (see /_control/options)."
)
@click.option("--exit-with-stdin", "with_stdin", is_flag=True, help="End when stdin is closed.")
def baseten(
    host: str,
    port: int,
    chains: tuple[ChainSpec, ...],
    keys_file: Path | None,
    options: dict[str, Any],
    with_stdin: bool,
    **named: float | None,
) -> None:
    """Serve a simulated Baseten management API for chains. State is in memory and ends with the process."""
    for name in _NAMED:
        if (value := named[name]) is not None:
            options[name] = value
    start = Start(chains, _keys(keys_file), options)
    try:
        simulation = Simulation(start)
    except ApiError as error:
        raise click.ClickException(error.message) from error
    if with_stdin:
        exit_with_stdin()
    try:
        asyncio.run(serve(simulation, host, port, lambda base_url: _announce(base_url, start)))
    except OSError as error:
        raise click.ClickException(f"Cannot serve on {host}:{port}: {error.strerror}") from error
