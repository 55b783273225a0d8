from collections.abc import Iterator

import pytest
from tests.services.sqs.world import World
from tests.stores import KINDS


@pytest.fixture(params=KINDS)
def world(request: pytest.FixtureRequest) -> Iterator[World]:
    made = World(kind=request.param)
    yield made
    made.check_counts()
    made.store.close_now()
