"""Every contract of the store on both engines."""

from collections.abc import Iterator

import pytest
from tests.stores import KINDS, AnyStore, new_store


@pytest.fixture(params=KINDS)
def any_store(request: pytest.FixtureRequest) -> Iterator[AnyStore]:
    store = new_store(request.param)
    yield store
    store.close_now()
