from collections.abc import Iterator

import pytest
from tests.services.sqs.world import World


@pytest.fixture
def world() -> Iterator[World]:
    made = World()
    yield made
    made.store.close_now()
