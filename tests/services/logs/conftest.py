from collections.abc import Iterator

import pytest
from tests.services.logs.world import World
from tests.stores import KINDS


@pytest.fixture(params=KINDS)
def world(request: pytest.FixtureRequest) -> Iterator[World]:
    made = World(request.param)
    yield made
    made.store.close_now()
