from collections.abc import AsyncIterator, Iterator

import pytest
from tests.outside import WebServer
from tests.services.sns.carrier import Carrier
from tests.services.sns.world import World
from tests.stores import KINDS


@pytest.fixture(params=KINDS)
def world(request: pytest.FixtureRequest) -> Iterator[World]:
    made = World(kind=request.param)
    yield made
    made.store.close_now()


@pytest.fixture(params=KINDS)
async def carrier(request: pytest.FixtureRequest) -> AsyncIterator[Carrier]:
    made = Carrier(request.param)
    yield made
    await made.close()


@pytest.fixture
async def web() -> AsyncIterator[WebServer]:
    server = await WebServer().start()
    yield server
    await server.close()
