"""Two nodes on one PostgreSQL, as servers run them but without HTTP: for tests that race a rule."""

import asyncio
import itertools
from typing import Any

import msgspec
from tests.stores import borrow_database, return_database

from waypost.clock import SystemClock
from waypost.ids import RandomIds
from waypost.registry import Registry
from waypost.service import Again, Context, Job, Params
from waypost.services import iam, lambdas, logs, sns, sqs, states, sts
from waypost.store.postgres import PostgresStore
from waypost.store.store import Tx
from waypost.work.engine import Engine
from waypost.work.runner import Runner

ACCOUNT, REGION = "123456789012", "eu-west-1"


class Node:
    """What a server does, without HTTP."""

    def __init__(self, url: str, name: str, seed: int, handlers: dict[str, Any]) -> None:
        self.store = PostgresStore(url, node=name, connections_max=4)
        self.registry = Registry(
            [iam.SERVICE, lambdas.SERVICE, logs.SERVICE, sns.SERVICE, sqs.SERVICE, states.SERVICE, sts.SERVICE]
        )
        self.engine = Engine(self.store, SystemClock(), RandomIds(seed), self.registry, {})
        self.runner = Runner(self.engine, {**self.registry.jobs(), **handlers}, name)

    async def call(self, service: str, operation: str, **request: Any) -> Params:
        function = self.registry.services[service].operations[operation]
        ctx = msgspec.structs.replace(self.engine.context(ACCOUNT, REGION), wire="json")
        return await self.engine.execute(function, ctx, request)


class World:
    """Two nodes, and what they have in common."""

    def __init__(self) -> None:
        self.done: list[tuple[str, int]] = []
        self.url = borrow_database()
        self.nodes = [Node(self.url, name, seed, {"test.note": self.note}) for seed, name in enumerate(("a", "b"))]
        self.turn = itertools.cycle(self.nodes)

    def note(self, _tx: Tx, _ctx: Context, job: Job) -> Again | None:
        # Not in the transaction: says how often the handler ran, not how often it counted.
        self.done.append((job.kind, job.id))
        return None

    async def queue(self, name: str = "q", **attributes: str) -> str:
        created = await self.nodes[0].call("sqs", "CreateQueue", QueueName=name, Attributes=attributes)
        return str(created["QueueUrl"])

    async def fifo(self) -> str:
        return await self.queue("q.fifo", FifoQueue="true", VisibilityTimeout="30")

    async def each(self, service: str, operation: str, requests: list[dict[str, Any]]) -> list[Any]:
        """Requests at once, in turn to one node and the other."""
        return await asyncio.gather(
            *(next(self.turn).call(service, operation, **request) for request in requests), return_exceptions=True
        )

    async def close(self) -> None:
        """Stop both nodes; the next test may have the database."""
        for node in self.nodes:
            await node.store.close()
        return_database(self.url)


def bodies(answers: list[Any]) -> list[str]:
    return [message["Body"] for answer in answers for message in answer.get("Messages", [])]
