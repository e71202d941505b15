"""Baseten, as a command calls it."""

from __future__ import annotations

import os
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from ..api import Baseten, BasetenError, CredentialsRefused, NotFound, NotSent, RateLimited, Transport
from ..core.cost import PriceList
from ..engine.prices import price_list
from ..settings import base_url
from .errors import CommandError
from .key import Found


def transport() -> Transport:
    """To the API that BASETEN_BASE_URL names. Raises CommandError."""
    try:
        return Transport(base_url(os.environ.get("BASETEN_BASE_URL") or "https://api.baseten.co"))
    except ValueError as error:
        raise CommandError(f"BASETEN_BASE_URL cannot be used: {error}") from None


async def read_prices(baseten: Baseten) -> PriceList | None:
    """None where they cannot be read: nothing else waits for money. Without any for an older server, or a key that may not ask."""
    try:
        return price_list(await baseten.get_instance_type_prices())
    except (NotFound, CredentialsRefused):
        return PriceList()
    except BasetenError:
        return None


@asynccontextmanager
async def calling(found: Found, chain_id: str) -> AsyncIterator[Baseten]:
    """Reads about one chain. What Baseten refuses, or cannot be reached for, is a CommandError."""
    async with transport() as connection:
        try:
            yield Baseten(connection, found.key)
        except CredentialsRefused as error:
            raise CommandError(f"Baseten refuses the API key of {found.where}: {error.message}") from error
        except NotFound as error:
            text = f"not found: chain {chain_id} or what was asked for of it; check the IDs, and whose key {found.where} holds"
            raise CommandError(text) from error
        except RateLimited as error:
            raise CommandError(f"Baseten's rate limit was reached: try again in {error.retry_after:.0f} s") from error
        except NotSent as error:
            raise CommandError(f"{error.message}: check the network, the proxy and BASETEN_BASE_URL") from error
        except BasetenError as error:
            raise CommandError(error.message) from error
