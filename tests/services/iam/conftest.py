"""IAM on a store of its own, called as other services call it."""

from collections.abc import Callable, Iterator
from typing import Any

import pytest
from tests.services.iam.world import World


@pytest.fixture
def world() -> Iterator[World]:
    made = World()
    yield made
    made.store.close_now()


@pytest.fixture
def iam(world: World) -> Callable[..., Any]:
    return lambda operation, /, **request: world.call("iam", operation, request)
