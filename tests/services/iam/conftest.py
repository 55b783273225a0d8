"""IAM on a store of its own, called as other services call it."""

from collections.abc import Callable, Iterator
from typing import Any

import pytest
from tests.services.iam.world import World
from tests.stores import KINDS


@pytest.fixture(params=KINDS)
def world(request: pytest.FixtureRequest) -> Iterator[World]:
    made = World(request.param)
    yield made
    made.store.close_now()


@pytest.fixture
def iam(world: World) -> Callable[..., Any]:
    return lambda operation, /, **request: world.call("iam", operation, request)
