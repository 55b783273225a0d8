"""Fair queues: the rule by itself, and what receivers of a standard queue see of it."""

from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from tests.services.sqs.world import ACCOUNT, REGION, START_MS, World, arn
from tests.stores import KINDS, sql

from waypost.service import Park
from waypost.services.sqs import lanes as fair
from waypost.services.sqs import limits
from waypost.services.sqs.queue import find
from waypost.services.sqs.rules import fairness, receipt
from waypost.services.sqs.rules.fairness import Lane, Past, Sample, noisy, remember
from waypost.store.store import Tx

QUIET = Past(0, {}, 0.0, {}, 0.0)


# --- the rule


@pytest.mark.parametrize(
    ("groups", "total", "found"),
    [
        ({"a": 30}, 30, ["a"]),
        ({"a": 29}, 29, []),
        ({"a": 30}, 300, []),
        ({"a": 31}, 300, ["a"]),
        ({"a": 40, "b": 60, "c": 5}, 105, ["b", "a"]),
        ({}, 1_000, []),
    ],
    ids=["thirty", "too few", "a tenth", "more than a tenth", "the most first", "without groups"],
)
def test_who_has_many_in_flight_is_noisy(groups: dict[str, int], total: int, found: list[str]) -> None:
    assert noisy(Sample(0, groups, total), QUIET) == found


def busy(samples: list[tuple[int, dict[str, int], int]]) -> tuple[Sample, Past]:
    past = None
    for sample in samples:
        past = remember(past, Sample(*sample))
    assert past is not None
    return Sample(*samples[-1]), past


def test_who_is_slow_is_noisy_with_few_in_flight() -> None:
    assert noisy(*busy([(ms, {"slow": 2}, 10) for ms in range(0, 5_000, 1_000)])) == ["slow"]
    assert noisy(*busy([(ms, {"slow": 1}, 10) for ms in range(0, 5_000, 1_000)])) == []


def test_one_message_met_by_chance_makes_nobody_noisy() -> None:
    assert noisy(*busy([(0, {"a": 1}, 1), (1_000, {"a": 1}, 1)])) == []
    assert noisy(*busy([(0, {"a": 1}, 1), (600_000, {"a": 9}, 9)])) == []
    assert noisy(*busy([(ms, {str(ms): 1}, 1) for ms in range(0, 30_000, 1_000)])) == []
    assert noisy(*busy([(ms, {"a": 1}, 1) for ms in range(0, 13_000, 1_000)])) == ["a"]


def test_of_many_tenants_those_with_most_are_remembered() -> None:
    samples = [
        (ms, {**{str(number): 1 for number in range(ms, ms + 900)}, "a": 200}, 1_100) for ms in range(0, 9_000, 900)
    ]
    sample, past = busy(samples)
    assert noisy(sample, past) == ["a"]
    assert len(past.busy) <= 2 * fairness.TENANTS_KEPT
    assert past.busy.keys() == past.seen.keys()


def test_what_was_long_ago_counts_less() -> None:
    samples: list[tuple[int, dict[str, int], int]] = [(ms, {"a": 5}, 5) for ms in range(0, 10_000, 1_000)]
    assert noisy(*busy(samples)) == ["a"]
    later = [(10_000 + ms, {}, 20) for ms in range(0, 120_000, 1_000)]
    assert noisy(*busy([*samples, *later])) == []


def test_a_clock_that_goes_back_begins_anew() -> None:
    sample, past = busy([(50_000, {"a": 9}, 9), (60_000, {"a": 9}, 9), (1_000, {"a": 9}, 9)])
    assert past == Past(1_000, {}, 0.0, {}, 0.0)
    assert noisy(sample, past) == []


COUNTS = st.dictionaries(st.sampled_from("abcdefgh"), st.integers(1, 400), max_size=8)


@given(COUNTS, st.integers(0, 2_000), st.lists(st.tuples(st.integers(0, 20_000), COUNTS), max_size=6))
def test_fewer_than_ten_are_noisy_by_either_measure_and_nobody_without_cause(
    groups: dict[str, int], others: int, before: list[tuple[int, dict[str, int]]]
) -> None:
    at_ms, past = 0, None
    for passed_ms, counts in before:
        at_ms += passed_ms
        past = remember(past, Sample(at_ms, counts, sum(counts.values()) + others))
    sample = Sample(at_ms, groups, sum(groups.values()) + others)
    past = remember(past, sample)
    found = noisy(sample, past)
    by_number = [group for group in found if groups.get(group, 0) * 10 > sample.total and groups[group] >= 30]
    by_time = [group for group in found if past.busy.get(group, 0) * 10 > past.busy_all]
    assert len(by_number) < 10 and len(by_time) < 10  # noqa: PT018
    assert set(found) == {*by_number, *by_time}
    assert set(found) >= {group for group, count in groups.items() if count >= 30 and count * 10 > sample.total}
    assert [groups.get(group, 0) for group in found] == sorted((groups.get(group, 0) for group in found), reverse=True)
    assert sum(past.busy.values()) <= past.busy_all * 1.001


def test_lanes_are_read_as_they_are_written() -> None:
    lanes = (Lane('a"[', 7, True), Lane("b", 8, False))
    text = fairness.write_lanes(lanes)
    assert text is not None
    assert fairness.read_lanes(text) == lanes
    assert fairness.write_lanes([]) is None


def test_handles_with_a_storage_and_without_are_both_read() -> None:
    plain, placed = receipt.Receipt(1, 2, 3, 4, True), receipt.Receipt(1, 2, 3, 4, False, 5)
    assert receipt.read(receipt.write(plain)) == plain
    assert receipt.read(receipt.write(placed)) == placed
    assert receipt.read("EAAAAAAAAAABAAAAAAAAAAIAAAAAAAAAAwAAAAQy18A/") == plain._replace(has_body_row=False)
    assert receipt.read("") is receipt.read("AAAA") is receipt.read("AAAAAAAA") is None


# --- what receivers see


def fill(world: World, url: str, group: str | None, count: int, **more: Any) -> None:
    named = {} if group is None else {"MessageGroupId": group}
    for start in range(0, count, 10):
        entries = [
            {"Id": str(i), "MessageBody": f"{group} {i}", **named, **more} for i in range(start, min(start + 10, count))
        ]
        assert "Failed" not in world("SendMessageBatch", QueueUrl=url, Entries=entries)


def tenants(bodies: list[str]) -> list[str]:
    return [body.split()[0] for body in bodies]


def lanes(world: World, name: str = "q") -> list[tuple[str, bool]]:
    ((text,),) = sql(world.store, "SELECT lanes FROM sqs_queue WHERE name = :name", name=name)
    return [] if text is None else [(lane.group_id, lane.open) for lane in fairness.read_lanes(text)]


def storages(world: World) -> set[int]:
    return {row[0] for row in sql(world.store, "SELECT DISTINCT storage FROM sqs_message")}


def make_noisy(world: World, url: str, group: str = "noisy", waiting: int = 300) -> list[Any]:
    """A tenant with a backlog and 40 messages in flight; answers these."""
    fill(world, url, group, waiting + 40)
    return [message for _ in range(4) for message in world.receive(url)]


@pytest.mark.parametrize("waiting", [30, 300], ids=["few", "many"])
def test_a_quiet_tenant_is_served_first(world: World, waiting: int) -> None:
    url = world.queue()
    make_noisy(world, url, waiting=waiting)
    world.send(url, "quiet 1", MessageGroupId="quiet")
    world.send(url, "none 1")
    assert tenants(world.bodies(url)) == ["quiet", "none"] + ["noisy"] * 8
    world.send(url, "quiet 2", MessageGroupId="quiet")
    assert tenants(world.bodies(url, 1)) == ["quiet"]
    assert lanes(world) == [("noisy", True)]


def test_a_receiver_that_takes_one_at_a_time_finds_a_noisy_tenant(world: World) -> None:
    """Few are in flight ever; the share of the processing time says it."""
    url = world.queue()
    fill(world, url, "noisy", 400)

    def take() -> str:
        (message,) = world.receive(url, 1)
        world.pass_s(0.05)
        world.delete(url, message)
        return str(message["Body"]).split()[0]

    assert {take() for _ in range(150)} == {"noisy"}
    world.send(url, "quiet", MessageGroupId="quiet")
    assert take() == "quiet"


def test_a_burst_of_one_tenant_does_not_make_others_wait(world: World) -> None:
    """Receivers that work on 20 messages at a time, for 100 ms each; all they can do is used."""
    url = world.queue()
    waits: dict[str, list[int]] = {"burst": [], "b": [], "c": []}
    busy: list[tuple[int, Any]] = []
    for at_ms in range(0, 5_000, 10):
        if at_ms < 1_000:
            fill(world, url, "burst", 6)
        if at_ms % 100 == 0:
            for group in "bc":
                world.send(url, group, MessageGroupId=group)
        while busy and busy[0][0] <= at_ms:
            world.delete(url, busy.pop(0)[1])
        while len(busy) < 20 and (messages := world.receive(url, min(10, 20 - len(busy)), AttributeNames=["All"])):
            for message in messages:
                sent_ms = int(message["Attributes"]["SentTimestamp"])
                waits[message["Attributes"]["MessageGroupId"]].append(world.now_ms - sent_ms)
                busy.append((at_ms + 100, message))
        world.pass_s(0.01)
    assert len(waits["b"]) == len(waits["c"]) == 50
    assert max(waits["b"] + waits["c"]) <= 300
    assert len(waits["burst"]) == 600
    assert max(waits["burst"]) > 1_500


def test_nothing_is_held_back_where_nobody_else_waits(world: World) -> None:
    url = world.queue()
    got = make_noisy(world, url, waiting=260)
    while found := world.receive(url):
        got += found
    assert len({message["MessageId"] for message in got}) == 300


def test_a_queue_without_groups_has_no_lanes_and_is_not_sampled(world: World) -> None:
    url = world.queue()
    fill(world, url, None, 300)
    for _ in range(25):
        assert len(world.receive(url)) == 10
        world.pass_s(0.5)
    assert lanes(world) == []
    assert not world.store.run(lambda tx: [key for key in tx.memo if key[0] == "sqs.fair"])


def test_a_tenant_among_many_is_not_noisy(world: World) -> None:
    url = world.queue()
    for number in range(480):
        world.send(url, MessageGroupId=f"g{number % 24}")
    for _ in range(40):
        assert len(world.receive(url)) == 10
        world.pass_s(0.5)
        assert lanes(world) == []


def test_of_several_noisy_tenants_the_one_with_the_fewest_in_flight_comes_first(world: World) -> None:
    url = world.queue()
    make_noisy(world, url, "one", waiting=200)
    fill(world, url, "two", 200)
    # New messages of the second go first, until it is noisy as well; then both are level.
    got = [tenant for _ in range(16) for tenant in tenants(world.bodies(url))]
    assert got[:30] == ["two"] * 30
    assert lanes(world) == [("one", True), ("two", True)]
    assert abs(got.count("two") - (got.count("one") + 40)) <= 20
    world.send(url, "quiet", MessageGroupId="quiet")
    assert tenants(world.bodies(url, 1)) == ["quiet"]


def test_quiet_messages_are_found_among_thousands(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    """What waits before a tenant becomes noisy is sorted in the background."""
    monkeypatch.setattr("waypost.services.sqs.lanes.SORT_LOOKS_MAX", 50)
    url = world.queue()
    fill(world, url, "noisy", 400)
    fill(world, url, "quiet", 5)
    fill(world, url, "noisy", 100)
    for _ in range(5):
        world.receive(url)
    assert world.work() > 3
    assert tenants(world.bodies(url)) == ["quiet"] * 5 + ["noisy"] * 5
    assert world.counts(url)[0] == 505 - 60


@pytest.mark.parametrize("mostly", ["noisy", "quiet"])
def test_messages_in_flight_are_settled_wherever_they_lie(world: World, mostly: str) -> None:
    """Handles from before there was a lane, and from a lane, of long and short messages."""
    url = world.queue(VisibilityTimeout="60")
    long = "x" * (limits.INLINE_BYTES_MAX + 1)
    fill(world, url, "noisy", 30)
    world.send(url, f"noisy {long}", MessageGroupId="noisy")
    old = [message for _ in range(4) for message in world.receive(url)]
    assert len(old) == 31
    fill(world, url, mostly, 120)
    fill(world, url, "noisy", 10)
    world.send(url, f"noisy {long}", MessageGroupId="noisy")
    got = [message for _ in range(4) for message in world.receive(url)]
    assert ("noisy", True) in lanes(world)
    while found := world.receive(url):
        got += found
    assert [message["Body"] for message in got].count(f"noisy {long}") == 1
    again, *gone = old
    for message in [*gone, *got]:
        world.delete(url, message)
    assert world.counts(url) == (0, 1, 0)
    world("ChangeMessageVisibility", QueueUrl=url, ReceiptHandle=again["ReceiptHandle"], VisibilityTimeout=0)
    assert [message["MessageId"] for message in world.receive(url)] == [again["MessageId"]]
    world.pass_s(61)
    (message,) = world.receive(url)
    world.delete(url, message)
    world.work(all_queues=True)
    assert world.count("sqs_message") == world.count("sqs_body") == 0


def test_visibility_of_a_message_in_a_lane_is_changed(world: World) -> None:
    url = world.queue()
    make_noisy(world, url)
    (message,) = world.receive(url, 1)
    assert lanes(world) == [("noisy", True)]
    world("ChangeMessageVisibility", QueueUrl=url, ReceiptHandle=message["ReceiptHandle"], VisibilityTimeout=5)
    visible, in_flight, _ = world.counts(url)
    world.pass_s(5)
    assert world.counts(url)[:2] == (visible + 1, in_flight - 1)
    world.delete(url, message)
    world.pass_s(0.01)
    assert world.counts(url)[:2] == (visible, in_flight - 1)
    gone = world.refused(
        "ChangeMessageVisibility", QueueUrl=url, ReceiptHandle=message["ReceiptHandle"], VisibilityTimeout=5
    )
    assert gone.code == "InvalidParameterValueException"


def test_counts_are_of_all_storages(world: World) -> None:
    url = world.queue()
    make_noisy(world, url)
    world.send(url, "quiet", MessageGroupId="quiet", DelaySeconds=10)
    world.send(url, "noisy", MessageGroupId="noisy", DelaySeconds=10)
    world.receive(url, 1)
    world.send(url, "quiet", MessageGroupId="quiet")
    assert len(storages(world)) == 2
    assert world.counts(url) == (300, 41, 2)


def test_a_lane_goes_with_the_last_message(world: World) -> None:
    url = world.queue()
    got = make_noisy(world, url, waiting=150)
    while found := world.receive(url):
        got += found
    assert lanes(world) == [("noisy", True)]
    world.pass_s(2)
    assert world.receive(url) == []
    assert lanes(world) == [("noisy", False)], "its backlog is consumed"
    world.send(url, "noisy 0", MessageGroupId="noisy")
    got += world.receive(url)
    for message in got:
        world.delete(url, message)
    world.pass_s(40)
    assert world.receive(url) == []
    assert lanes(world) == []
    world.work()
    assert world.count("sqs_message") == 0
    world.send(url, "quiet", MessageGroupId="quiet")
    assert world.bodies(url) == ["quiet"]


def sort(tx: Tx, world: World, storage: int) -> None:
    """Have what lies in a storage brought home."""
    queue = find(tx, REGION, ACCOUNT, "q")
    assert queue is not None
    fair._schedule_sort(tx, world.context(), queue, storage, 0)


@pytest.mark.parametrize("moved", [False, True])
def test_a_message_of_a_lane_that_went_is_deleted(world: World, moved: bool) -> None:
    """Two nodes can bring that about: one takes a lane away while the other receives what came to it late."""
    url = world.queue(VisibilityTimeout="5")
    make_noisy(world, url, waiting=20)
    while messages := world.receive(url):
        (last,) = messages[-1:]
    world.send(url, "noisy " + "x" * limits.INLINE_BYTES_MAX, MessageGroupId="noisy")
    (late,) = world.receive(url)
    world.store.run(lambda tx: tx.memo.clear())
    ((text,),) = sql(world.store, "SELECT lanes FROM sqs_queue")
    sql(world.store, "UPDATE sqs_queue SET lanes = NULL RETURNING 1")
    handles = [late["ReceiptHandle"], last["ReceiptHandle"]]
    before = world.count("sqs_message")
    if moved:
        for lane in fairness.read_lanes(text):
            world.store.run(lambda tx, storage=lane.storage: sort(tx, world, storage))
        world.work()
        assert len(storages(world)) == 1
    for handle in handles:
        world("DeleteMessage", QueueUrl=url, ReceiptHandle=handle)
    assert world.count("sqs_message") == before - 2
    assert world.count("sqs_body") == 0


def test_what_comes_back_to_a_closed_lane_is_served_with_the_quiet(world: World) -> None:
    url = world.queue(VisibilityTimeout="10")
    got = make_noisy(world, url, waiting=150)
    while found := world.receive(url):
        got += found
    world.pass_s(2)
    assert world.receive(url) == []
    assert lanes(world) == [("noisy", False)]
    world.pass_s(9)
    assert len(world.receive(url)) == 10


def test_a_tenant_that_rests_for_five_minutes_is_not_noisy(world: World) -> None:
    url = world.queue(VisibilityTimeout="5")
    make_noisy(world, url)
    world.receive(url, 1)
    assert lanes(world) == [("noisy", True)]
    for _ in range(65):
        fill(world, url, None, 2)
        world.pass_s(6)
        was_noisy = ("noisy", True) in lanes(world)
        for message in world.receive(url, 2):
            world.delete(url, message)
            assert message["Body"].startswith("None" if was_noisy else "noisy")
        if not was_noisy:
            break
    assert ("noisy", False) in lanes(world)
    assert world.now_ms - START_MS >= fairness.IDLE_MS


def test_a_noisy_tenant_is_noisy_again(world: World) -> None:
    """A closed lane opens again, and what was sent meanwhile goes there, too."""
    url = world.queue(VisibilityTimeout="100")
    make_noisy(world, url, waiting=60)
    while world.receive(url):
        pass
    world.pass_s(2)
    world.receive(url)
    assert lanes(world) == [("noisy", False)]
    fill(world, url, "noisy", 120)
    for _ in range(4):
        world.receive(url)
    world.send(url, "quiet", MessageGroupId="quiet")
    assert ("noisy", True) in lanes(world)
    assert tenants(world.bodies(url, 1)) == ["quiet"]


def test_a_tenant_in_bursts_has_few_lanes(world: World) -> None:
    """Each burst is consumed, and in flight for long: closed lanes do not pile up."""
    url = world.queue(VisibilityTimeout="600")
    got = 0
    for _ in range(6):
        fill(world, url, "noisy", 150)
        while found := world.receive(url):
            got += len(found)
        world.pass_s(2)
        assert world.receive(url) == []
        assert [is_open for _, is_open in lanes(world)] in ([False], [False, False])
    assert got == 900
    world.pass_s(600)
    while found := world.receive(url):
        got += len(found)
    assert got == 1_800


def test_a_purge_forgets_lanes(world: World) -> None:
    url = world.queue()
    make_noisy(world, url)
    (message,) = world.receive(url, 1)
    assert lanes(world) != []
    world("PurgeQueue", QueueUrl=url)
    assert lanes(world) == []
    assert world.counts(url) == (0, 0, 0)
    world.delete(url, message)
    world.send(url, "new", MessageGroupId="noisy")
    assert world.bodies(url) == ["new"]
    world.work()
    assert world.count("sqs_message") == 1
    assert world.receive(url) == []


def test_a_deleted_queue_leaves_no_lane(world: World) -> None:
    url = world.queue()
    make_noisy(world, url)
    world.receive(url, 1)
    assert len(storages(world)) == 1
    world.send(url, "quiet")
    assert len(storages(world)) == 2
    world("DeleteQueue", QueueUrl=url)
    world.work()
    assert world.count("sqs_message") == world.count("sqs_body") == 0


def test_messages_in_a_lane_expire(world: World) -> None:
    url = world.queue(MessageRetentionPeriod="60")
    make_noisy(world, url)
    world.send(url, "quiet")
    world.receive(url, 1)
    world.pass_s(59)
    world.send(url, "late")
    world.pass_s(1)
    assert world.bodies(url) == ["late"]
    assert world.counts(url) == (0, 1, 0)
    world.work(all_queues=True)
    assert world.count("sqs_message") == 1


def test_dead_letters_of_a_lane(world: World) -> None:
    world.queue("dead")
    policy = f'{{"deadLetterTargetArn": "{arn("dead")}", "maxReceiveCount": "1"}}'
    url = world.queue(RedrivePolicy=policy, VisibilityTimeout="5")
    make_noisy(world, url, waiting=100)
    for _ in range(2):
        world.receive(url)
    assert lanes(world) == [("noisy", True)]
    world.pass_s(6)
    got = [body for _ in range(20) for body in world.bodies(url)]
    assert len(got) == 80
    world.pass_s(6)
    assert world.receive(url) == []
    dead = url.rpartition("/")[0] + "/dead"
    assert world.counts(dead) == (140, 0, 0)
    assert world.counts(url) == (0, 0, 0)


def test_dead_letters_go_to_their_tenants_lane(world: World) -> None:
    dead = world.queue("dead")
    policy = f'{{"deadLetterTargetArn": "{arn("dead")}", "maxReceiveCount": "1"}}'
    url = world.queue(RedrivePolicy=policy, VisibilityTimeout="0")
    make_noisy(world, dead)
    assert world.receive(dead, 1) != []
    assert lanes(world, "dead") == [("noisy", True)]
    world.send(url, "noisy dead", MessageGroupId="noisy")
    world.send(url, "quiet dead", MessageGroupId="quiet")
    assert len(world.receive(url)) == 2
    assert world.receive(url) == []
    assert tenants(world.bodies(dead, 1)) == ["quiet"]
    assert tenants(world.bodies(dead, 1)) == ["noisy"]


def test_a_delayed_message_of_a_lane_ends_a_wait(world: World) -> None:
    url = world.queue(VisibilityTimeout="100")
    make_noisy(world, url, waiting=20)
    while world.receive(url):
        pass
    assert lanes(world) == [("noisy", True)]
    world.send(url, "noisy late", MessageGroupId="noisy", DelaySeconds=7)
    parked = world.run("ReceiveMessage", {"QueueUrl": url, "WaitTimeSeconds": 20})
    assert isinstance(parked, Park)
    assert parked.retry_ms is not None
    assert parked.retry_ms <= world.now_ms + 7_000
    world.now_ms += 7_000
    assert world.bodies(url) == ["noisy late"]


@pytest.mark.parametrize("kind", KINDS)
def test_lanes_outlive_a_restart(kind: str, tmp_path: Path) -> None:
    path = str(tmp_path / "store")
    world = World(path, kind=kind)
    url = world.queue()
    held = make_noisy(world, url)
    held += world.receive(url, 1)
    world.store.close_now()
    world = World(path, seed=8, kind=kind)
    world.send(url, "quiet", MessageGroupId="quiet")
    assert tenants(world.bodies(url, 3)) == ["quiet", "noisy", "noisy"]
    assert lanes(world) == [("noisy", True)]
    for message in held:
        world.delete(url, message)
    assert world.count("sqs_message") == 341 - 41
    world.store.close_now()


def test_samples_are_rare_where_they_walk_over_what_is_gone(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    """PostgreSQL keeps index entries of what was received and deleted; SQLite does not."""
    monkeypatch.setattr(fairness, "GONE_MIN", 20)
    at: list[int] = []
    sample = fair._sample
    monkeypatch.setattr(fair, "_sample", lambda *args: (at.append(len(at)), sample(*args))[1])
    url = world.queue()
    for number in range(300):
        world.send(url, MessageGroupId=f"g{number % 50}")
        (message,) = world.receive(url, 1)
        world.delete(url, message)
    if world.store.run(lambda tx: tx.shared):
        assert 5 < len(at) < 18
    else:
        assert len(at) == 30


def test_as_many_lanes_as_there_may_be(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("waypost.services.sqs.lanes.LANES_MAX", 1)
    url = world.queue()
    make_noisy(world, url, "one", waiting=60)
    make_noisy(world, url, "two", waiting=60)
    got = [tenant for _ in range(30) for tenant in tenants(world.bodies(url))]
    assert [group for group, _ in lanes(world)] in (["one"], ["two"])
    assert len(got) + 80 == 200
