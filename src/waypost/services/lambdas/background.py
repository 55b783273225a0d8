"""The background work of the service: feeding functions from queues, and keeping environments warm."""

import asyncio

from waypost.service import Engine
from waypost.services.lambdas import pollers, warming


async def run(engine: Engine) -> None:
    """Run as long as the server does; what ends by a fault ends the other, too."""
    async with asyncio.TaskGroup() as parts:
        parts.create_task(pollers.run(engine))
        parts.create_task(warming.run(engine))
