"""Keeps environments warm for provisioned concurrency: this node's part of all that is asked for.

Nothing here ticks: one parked operation, which a change wakes; and a look each hour, that credentials do not grow old.
"""

import asyncio
import logging
from typing import Any, NamedTuple

from waypost.aws.errors import AwsError
from waypost.runtimes.invocation import KeepWarm
from waypost.service import Context, Engine, Params, Park, Perform
from waypost.services.lambdas.calling import Event, prepare
from waypost.services.lambdas.operations.provisioned import WARMING, Provisioned, shares
from waypost.services.lambdas.pollers import persist
from waypost.services.lambdas.queries import Q
from waypost.services.lambdas.rules import names
from waypost.store.store import StoreUnavailable, Tx
from waypost.work.nodes import CHANGED

log = logging.getLogger(__name__)

RENEW_MS = 3_600_000
"""How often what is kept gets credentials anew, if there are new ones."""
PAGE = 1_000


class Version(NamedTuple):
    """A version of which environments are kept."""

    account: str
    region: str
    name: str
    version: str

    @property
    def named(self) -> names.Named:
        """Its name."""
        return names.Named(*self)


async def run(engine: Engine) -> None:
    """Background work: keep what is wanted, let go what is not."""
    kept: dict[Version, int] = {}
    keeping: set[asyncio.Task[None]] = set()
    try:
        while True:
            answer = await persist(engine, wanted, "", "", {"Kept": kept, "Share": engine.share})
            if answer["Stopping"]:
                return
            parts: dict[Version, int] = answer["Parts"]
            for version in kept.keys() - parts.keys():
                await persist(engine, let_go, version.account, version.region, {"Version": version})
            for version, count in parts.items():
                # It takes until the environments are ready; what is asked anew meanwhile takes its place.
                task = asyncio.create_task(_keep(engine, version, count))
                keeping.add(task)
                task.add_done_callback(keeping.discard)
            kept = parts
    finally:
        for task in keeping:
            task.cancel()


async def _keep(engine: Engine, version: Version, count: int) -> None:
    ctx = engine.context(version.account, version.region)
    try:
        await engine.execute(keep, ctx, {"Version": version, "Count": count})
    except AwsError as error:
        log.warning("nothing is kept warm of %s: %s", version.named.arn, error)
    except StoreUnavailable as error:
        log.warning("nothing is kept warm of %s for now: %s", version.named.arn, error)
    except Exception:
        log.exception("nothing is kept warm of %s", version.named.arn)


def wanted(tx: Tx, ctx: Context, request: Params) -> Params | Park:
    """``{"Kept": {Version: count}, "Share"}`` to ``{"Parts": {Version: count}, "Stopping"}``, once they are others."""
    counts: dict[Version, int] = {}
    after_id, after = 0, ""
    while True:
        rows = tx.all(Q.every_provisioned, after_id=after_id, after=after, limit=PAGE)
        for found in (Provisioned(*row) for row in rows):
            for number, part in shares(tx, found).items():
                version = Version(found.account, found.region, found.name, number)
                counts[version] = counts.get(version, 0) + part
        if len(rows) < PAGE:
            break
        after_id, after = rows[-1][:2]
    parts = {version: part for version, count in counts.items() if (part := request["Share"](count))}
    until_ms = ctx.started_ms + RENEW_MS
    if parts != request["Kept"] or ctx.now_ms >= until_ms or ctx.started_ms == 0:
        return {"Parts": parts, "Stopping": ctx.started_ms == 0}
    return Park((WARMING, CHANGED), until_ms)


def keep(tx: Tx, ctx: Context, request: Params) -> Perform:
    """Keep ``Count`` environments of a ``Version``; raises where it is gone, or its role."""
    version: Version = request["Version"]
    call = prepare(tx, ctx, version.named, Event(b"{}", ctx.request_id))
    return Perform(KeepWarm(call, request["Count"]), _kept)


def _kept(tx: Tx, ctx: Context, outcome: Any) -> Params:  # noqa: ARG001 (a settle)
    return {}


def let_go(tx: Tx, ctx: Context, request: Params) -> Params:
    """Keep nothing of a ``Version`` any more."""
    version: Version = request["Version"]
    function_arn = names.function_arn(version.account, version.region, version.name)
    asked = {"FunctionArn": function_arn, "Version": version.version}
    return ctx.calls.call(tx, ctx, "runtimes", "waypost:LetGo", asked)
