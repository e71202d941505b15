"""``chainenv deployments``."""

from __future__ import annotations

import asyncio
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal, localcontext
from pathlib import Path
from typing import Any

import click

from ..api import Baseten, NotFound
from ..api import models as m
from ..core.cost import EXACT, PriceList, per_hour, usd
from ..core.environment import ENDING, SERVING
from .baseten import calling, read_prices
from .commands import in_loop
from .key import key_for_chain
from .options import CHAIN_ID, cluster_options, given, key_options
from .output import DOUBTFUL, FAINT, GOOD, Cell, Cells, emit, print_table
from .view import moment

_COLUMNS = ("DEPLOYMENT", "STATUS", "CREATED", "REPLICAS", "USD/HOUR", "SERVES")


@dataclass(frozen=True, slots=True)
class Row:
    """``cost``: USD an hour of the replicas that run now, None where a price is not known. ``serves``: the environments it serves, or is
    to serve."""

    id: str
    status: str
    created: datetime | None
    replicas: int
    cost: Decimal | None
    serves: tuple[str, ...]

    @property
    def unused(self) -> bool:
        """Whether no environment has it, and it may run all the same."""
        return not self.serves and self.status not in ENDING

    def data(self) -> dict[str, Any]:
        return {
            "id": self.id,
            "status": self.status,
            "createdAt": self.created.isoformat() if self.created else None,
            "replicas": self.replicas,
            "costPerHour": None if self.cost is None else str(self.cost),
            "serves": list(self.serves),
            "unused": self.unused,
        }

    def cells(self) -> Cells:
        style = GOOD if self.status in SERVING else FAINT if self.status in ENDING else DOUBTFUL
        cost = "?" if self.cost is None else usd(self.cost)
        serves = Cell("unused", DOUBTFUL) if self.unused else Cell(", ".join(self.serves))
        return [self.id, Cell(self.status, style), moment(self.created), str(self.replicas), cost, serves]


@click.command("deployments")
@click.option("--chain", "chain_id", type=CHAIN_ID, metavar="ID", required=True, help="Baseten's id of the chain.")
@key_options
@cluster_options
@in_loop
async def command(chain_id: str, api_key_file: Path | None) -> None:
    """List every deployment of a chain, newest first: what it serves, its age, status and cost an hour.

    What runs and serves no environment is marked. Without a key of your own, the Secret is read that a ChainEnvironment of the chain names
    in the namespace.
    """
    found = await key_for_chain(given(), chain_id, api_key_file)
    async with calling(found, chain_id) as baseten:
        deployments = await baseten.list_deployments(chain_id)
        serves, prices = await asyncio.gather(_serves(baseten, chain_id), read_prices(baseten))
    rows = [
        Row(
            each.id,
            each.status,
            each.created_at,
            sum(chainlet.active_replica_count or 0 for chainlet in each.chainlets),
            _hourly(each, prices or PriceList()),
            tuple(serves.get(each.id, ())),
        )
        for each in deployments
    ]
    rows.sort(key=lambda row: (row.created.timestamp() if row.created else -math.inf, row.id), reverse=True)
    emit(given().output, [row.data() for row in rows], lambda: print_table(_COLUMNS, [row.cells() for row in rows]))


async def _serves(baseten: Baseten, chain_id: str) -> Mapping[str, Sequence[str]]:
    """The environments that each deployment serves, or is to serve, by its id. Each environment is read by its name: the list says nothing
    reliable of what they serve. One that is gone meanwhile is left out."""

    async def one(name: str) -> m.ChainEnvironmentV1 | None:
        try:
            return await baseten.get_environment(chain_id, name)
        except NotFound:
            return None

    found = await asyncio.gather(*(one(each.name) for each in await baseten.list_environments(chain_id)))
    serves: dict[str, list[str]] = {}
    for environment in filter(None, found):
        for deployment, role in ((environment.current_deployment, ""), (environment.candidate_deployment, " (candidate)")):
            if deployment is not None:
                serves.setdefault(deployment.id, []).append(environment.name + role)
    return serves


def _hourly(deployment: m.ChainDeploymentV1, prices: PriceList) -> Decimal | None:
    """A deployment shows its chainlets' types by display name."""
    parts = [
        per_hour(prices.ids.get(each.instance_type_name or ""), each.active_replica_count or 0, prices.prices)
        for each in deployment.chainlets
    ]
    known = [each for each in parts if each is not None]
    with localcontext(EXACT):
        return sum(known, Decimal(0)) if len(known) == len(parts) else None
