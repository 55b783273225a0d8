"""Work in threads: every outcome reaches who asked, errors too, and nobody's loss is another's."""

import asyncio
import threading

import pytest

from waypost.work.compute import TOGETHER_MAX, Compute, Processors


async def test_each_asker_gets_its_own_outcome_from_another_thread():
    processors = Processors()
    count = TOGETHER_MAX * 3 + 1
    calls = [Compute(lambda number=number: (number, threading.get_ident())) for number in range(count)]
    found = await asyncio.gather(*(processors.perform(call) for call in calls))
    assert [number for number, _ in found] == list(range(count))
    assert threading.get_ident() not in {thread for _, thread in found}
    processors.close()


async def test_an_error_is_the_outcome_of_its_own_work_alone():
    processors = Processors()

    def fail() -> None:
        raise ValueError("not this one")

    works = (lambda: 1, fail, lambda: 3)
    one, two, three = await asyncio.gather(
        *(processors.perform(Compute(work)) for work in works), return_exceptions=True
    )
    assert (one, three) == (1, 3)
    assert isinstance(two, ValueError)
    processors.close()


async def test_who_left_is_not_told_and_holds_nobody_up():
    processors = Processors()
    going, go = threading.Event(), threading.Event()

    def slow() -> None:
        going.set()
        assert go.wait(30)

    left = asyncio.ensure_future(processors.perform(Compute(slow)))
    await asyncio.to_thread(going.wait, 30)
    left.cancel()
    go.set()
    with pytest.raises(asyncio.CancelledError):
        await left
    assert await processors.perform(Compute(lambda: "next")) == "next"
    processors.close()
