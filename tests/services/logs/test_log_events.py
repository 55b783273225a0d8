"""PutLogEvents, GetLogEvents, FilterLogEvents."""

import random
from typing import Any

import pytest
from tests.services.logs.world import ACCOUNT, DAY_MS, NOW_MS, World, group_arn

from waypost.services.logs import limits
from waypost.services.logs.rules.pages import NEVER_MS
from waypost.services.logs.rules.rows import pack, rows_of, unpack

HOUR_MS = 3_600_000


def test_what_is_put_is_got(world: World):
    world.group("g", "s")
    answer = world.put((-2, "one"), (-1, "zwei ü"), (0, "three\0"))
    assert set(answer) == {"nextSequenceToken"}
    page = world.get(startFromHead=True)
    assert [(event["timestamp"] - NOW_MS, event["message"]) for event in page["events"]] == [
        (-2, "one"), (-1, "zwei ü"), (0, "three\0"),
    ]  # fmt: skip
    assert {event["ingestionTime"] for event in page["events"]} == {NOW_MS}
    assert page["nextForwardToken"].startswith("f/")
    assert page["nextBackwardToken"].startswith("b/")


def test_pages_go_both_ways_and_end_at_the_token_that_was_given(world: World):
    world.group("g", "s")
    for number in range(10):
        world.put((number, f"m{number}"))
    newest = world.get(limit=3)
    assert [event["message"] for event in newest["events"]] == ["m7", "m8", "m9"], "the latest, oldest first"
    before = world.get(limit=3, nextToken=newest["nextBackwardToken"])
    assert [event["message"] for event in before["events"]] == ["m4", "m5", "m6"]
    again = world.get(limit=3, nextToken=before["nextForwardToken"], startFromHead=True)
    assert [event["message"] for event in again["events"]] == ["m7", "m8", "m9"]
    end = world.get(limit=3, nextToken=again["nextForwardToken"], startFromHead=True)
    assert (end["events"], end["nextForwardToken"]) == ([], again["nextForwardToken"])
    world.put((10, "late"))
    more = world.get(nextToken=end["nextForwardToken"], startFromHead=True)
    assert [event["message"] for event in more["events"]] == ["late"], "what comes later is after the end's token"
    back = world.get(limit=100, nextToken=before["nextBackwardToken"])
    assert [event["message"] for event in back["events"]] == ["m0", "m1", "m2", "m3"]
    start = world.get(nextToken=back["nextBackwardToken"])
    assert (start["events"], start["nextBackwardToken"]) == ([], back["nextBackwardToken"])


def test_a_stream_without_events_has_tokens(world: World):
    for head in (True, False):
        world.group(f"g{head}", "s")
        page = world.get(group=f"g{head}", startFromHead=head)
        assert page["events"] == []
        world.put((0, "x"), group=f"g{head}")
        assert world.messages(group=f"g{head}", nextToken=page["nextForwardToken"]) == ["x"]


@pytest.mark.parametrize(
    "token",
    [
        "x",
        "f/1",
        "f/" + "3" * 55 + "/s",
        "c/" + "3" * 56 + "/s",
        "f/3" + "0" * 14 + "9" * 19 + "0" * 22 + "/s",
        "b/" + "4" * 56 + "/s",
    ],
)
def test_a_token_of_nobody_is_refused(world: World, token: str):
    world.group("g", "s")
    with pytest.raises(Exception, match=r"The specified nextToken is invalid\."):
        world.get(nextToken=token)


def test_times_bound_a_read(world: World):
    world.group("g", "s")
    world.put(*[(number, str(number)) for number in range(5)])
    bounds: dict[str, Any] = {"startTime": NOW_MS + 1, "endTime": NOW_MS + 3}
    assert world.messages(startFromHead=True, **bounds) == ["1", "2"], "the end is left out"
    assert world.messages(**bounds) == ["1", "2"]
    assert world.filtered(**bounds) == ["1", "2", "3"], "the end is left in"
    assert world.messages(startTime=NOW_MS + 9) == []
    assert world.messages(startTime=NOW_MS + 3, endTime=NOW_MS + 1) == []
    assert world.messages(startTime=NOW_MS + 4, endTime=NEVER_MS * 10) == ["4"]


def test_events_are_in_the_order_of_their_times_however_they_came(world: World):
    world.group("g", "a", "b")
    drawn = random.Random(3)
    expected = []
    for number in range(60):
        times = sorted(drawn.randrange(-2 * HOUR_MS, HOUR_MS) for _ in range(drawn.randrange(1, 9)))
        stream = drawn.choice("ab")
        world.put(*[(at, f"{number}.{place}") for place, at in enumerate(times)], stream=stream)
        expected += [(at, number, place, stream) for place, at in enumerate(times)]
    expected.sort()
    words = [f"{number}.{place}" for _, number, place, _ in expected]
    assert world.filtered(limit=7) == words
    assert world.filtered(limit=7, startFromHead=False, startTime=NOW_MS - DAY_MS) == words[::-1]
    assert world.filtered(logStreamNames=["a", "b"], limit=11) == words
    assert world.filtered(logStreamNamePrefix="a", limit=11) == [
        f"{number}.{place}" for _, number, place, stream in expected if stream == "a"
    ]
    found: list[str] = []
    token: dict[str, str] = {}
    while page := world.get(stream="b", limit=5, **token):
        if not page["events"]:
            break
        found = [event["message"] for event in page["events"]] + found
        token = {"nextToken": page["nextBackwardToken"]}
    assert found == [f"{number}.{place}" for _, number, place, stream in expected if stream == "b"]


def test_a_page_has_a_megabyte_at_most(world: World):
    world.group("g", "s")
    for number in range(5):
        world.put((number, str(number) * 400_000))
    pages = world.pages("FilterLogEvents", logGroupName="g")
    assert [[event["message"][0] for event in page["events"]] for page in pages] == [["0", "1"], ["2", "3"], ["4"]]
    assert [message[0] for message in world.messages()] == ["3", "4"]
    world.put((9, "x" * (limits.EVENT_BYTES_MAX - 26)))
    assert len(world.messages()) == 1, "one event is always answered"


@pytest.mark.parametrize("apart_ms", [0, 1, 40_000])
def test_a_search_looks_at_a_bounded_number_of_events(world: World, apart_ms: int, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr("waypost.services.logs.reading.SCANNED_EVENTS_MAX", 10)
    monkeypatch.setattr("waypost.services.logs.reading.READ_ROWS", (2, 2))
    world.group("g", "s")
    for number in range(35):
        world.put((number * apart_ms, f"m{number}"))
    for head in (True, False):
        pages = world.pages(
            "FilterLogEvents", logGroupName="g", filterPattern="?m34 ?m0", startFromHead=head, startTime=NOW_MS
        )
        found = [event["message"] for page in pages for event in page["events"]]
        assert found == ["m0", "m34"][:: 1 if head else -1]
        assert 4 <= len(pages) <= 5, "each page looks at 10"


def test_a_search_among_many_streams_of_others_is_bounded(world: World, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr("waypost.services.logs.reading.SCANNED_ROWS_MAX", 4)
    monkeypatch.setattr("waypost.services.logs.reading.READ_ROWS", (2, 2))
    monkeypatch.setattr("waypost.services.logs.operations.events.STREAMS_APART_MAX", 1)
    world.group("g", "other", "x1", "x2")
    for number in range(20):
        world.put((number, "o"), stream="other")
    world.put((7, "early"), stream="x1")
    world.put((99, "late"), stream="x2")
    for head, expected in ((True, ["early", "late"]), (False, ["late", "early"])):
        pages = world.pages(
            "FilterLogEvents", logGroupName="g", logStreamNamePrefix="x", startFromHead=head, startTime=NOW_MS
        )
        assert [event["message"] for page in pages for event in page["events"]] == expected
        assert len(pages) > 3


def test_a_page_that_is_read_while_others_write_misses_and_repeats_nothing(world: World):
    world.group("g", "s")
    world.put(*[(number, f"m{number}") for number in range(6)])
    page = world("FilterLogEvents", logGroupName="g", limit=3)
    world.put((1, "behind"), (5, "ahead"))
    rest = world("FilterLogEvents", logGroupName="g", limit=30, nextToken=page["nextToken"])
    assert [event["message"] for event in rest["events"]] == ["m3", "m4", "m5", "ahead"]
    assert "nextToken" not in rest
    assert len({event["eventId"] for event in page["events"] + rest["events"]}) == 7


@pytest.mark.parametrize("forward", [True, False])
def test_pages_between_which_others_write_are_in_order_and_miss_nothing(
    world: World, forward: bool, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setattr("waypost.services.logs.reading.SCANNED_EVENTS_MAX", 12)
    monkeypatch.setattr("waypost.services.logs.reading.READ_ROWS", (1, 4))
    drawn = random.Random(11)
    world.group("g", "a", "b")
    written: list[str] = []

    def write(count: int) -> None:
        for _ in range(count):
            times = sorted(drawn.randrange(0, 90_000, 500) for _ in range(drawn.randrange(1, 5)))
            words = [f"{'xy'[drawn.randrange(2)]}{len(written) + place}" for place in range(len(times))]
            world.put(*zip(times, words, strict=True), stream=drawn.choice("ab"))
            written.extend(words)

    write(40)
    before = {word for word in written if word.startswith("x")}
    asked: dict[str, Any] = {
        "logGroupName": "g", "filterPattern": "x", "startFromHead": forward, "startTime": NOW_MS, "limit": 5,
    }  # fmt: skip
    found: list[Any] = []
    token: dict[str, str] = {}
    while True:
        page = world("FilterLogEvents", **asked, **token)
        found += page["events"]
        if "nextToken" not in page:
            break
        token = {"nextToken": page["nextToken"]}
        if len(written) < 400:
            write(1)
    ids = [event["eventId"] for event in found]
    assert ids == sorted(set(ids), reverse=not forward)
    assert before <= {event["message"] for event in found} <= {word for word in written if word.startswith("x")}


def test_a_search_answers_with_stream_and_id(world: World):
    world.group("g", "s")
    world.put((0, "x"))
    answer = world("FilterLogEvents", logGroupIdentifier=group_arn())
    (event,) = answer["events"]
    assert len(event.pop("eventId")) == 56
    assert event == {"logStreamName": "s", "timestamp": NOW_MS, "message": "x", "ingestionTime": NOW_MS}
    assert answer["searchedLogStreams"] == []


def test_a_token_is_good_for_the_question_it_was_given_for(world: World):
    world.group("g", "s")
    world.put((0, "x"), (1, "y"))
    token = world("FilterLogEvents", logGroupName="g", limit=1)["nextToken"]
    invalid = ("InvalidParameterException", "The specified nextToken is invalid.")
    assert world.refused("FilterLogEvents", logGroupName="g", filterPattern="x", nextToken=token) == invalid
    assert world.refused("FilterLogEvents", logGroupName="g", nextToken="e30=") == invalid
    world.now_ms += DAY_MS + 1
    assert world.refused("FilterLogEvents", logGroupName="g", nextToken=token) == invalid


def test_a_batch_out_of_order_is_refused_whole(world: World):
    world.group("g", "s")
    with pytest.raises(Exception, match=r"in a single PutLogEvents request must be in chronological order\."):
        world.put((1, "a"), (0, "b"))
    assert world.messages() == []


def test_what_is_too_old_or_too_new_is_named_and_left_out(world: World):
    world.group("g", "s", days=3)
    old, expired, ahead = -15 * DAY_MS, -4 * DAY_MS, 2 * HOUR_MS
    answer = world.put((old, "old"), (old, "old"), (expired, "expired"), (0, "x"), (ahead, "y"), (ahead + 1, "new"))
    assert answer["rejectedLogEventsInfo"] == {
        "tooOldLogEventEndIndex": 2, "expiredLogEventEndIndex": 3, "tooNewLogEventStartIndex": 5,
    }  # fmt: skip
    assert world.messages() == ["x", "y"]
    answer = world.put((old, "old"))
    assert answer["rejectedLogEventsInfo"] == {"tooOldLogEventEndIndex": 1}
    answer = world.put((ahead + 1, "new"))
    assert answer["rejectedLogEventsInfo"] == {"tooNewLogEventStartIndex": 0}
    with pytest.raises(Exception, match=r"The specified log stream does not exist\."):
        world.put((old, "old"), stream="nobody")


def test_the_valid_events_of_a_batch_span_a_day_at_most(world: World):
    world.group("g", "s")
    world.put((-15 * DAY_MS, "rejected"), (-DAY_MS, "a"), (0, "b"))
    with pytest.raises(Exception, match="request cannot span more than 24 hours"):
        world.put((-DAY_MS - 1, "a"), (0, "b"))
    assert world.filtered() == ["a", "b"]


def test_sizes_are_counted_as_aws_does(world: World):
    world.group("g", "s")
    half = limits.BATCH_BYTES_MAX // 2 - 26
    world.put((0, "x" * half), (0, "ü" * (half // 2)))
    with pytest.raises(Exception, match=r"Upload too large: 1048577 bytes exceeds limit of 1048576"):
        world.put((0, "x" * half), (0, "y" * (half + 1)))
    with pytest.raises(Exception, match=r"Log event too large: 1048577 bytes exceeds limit of 1048576"):
        world.put((0, "x" * (limits.EVENT_BYTES_MAX - 25)))
    code, message = world.refused(
        "PutLogEvents", logGroupName="g", logStreamName="s",
        logEvents=[{"timestamp": NOW_MS, "message": "x"}] * 10_001,
    )  # fmt: skip
    assert code == "InvalidParameterException"
    assert "'logEvents' failed to satisfy constraint: Member must have length less than or equal to 10000" in message


def test_an_old_sequence_token_changes_nothing(world: World):
    world.group("g", "s")
    event = {"timestamp": NOW_MS, "message": "x"}
    for _ in range(2):
        world("PutLogEvents", logGroupName="g", logStreamName="s", logEvents=[event], sequenceToken="1")
    assert world.messages() == ["x", "x"]


def test_groups_and_streams_have_to_be_there(world: World):
    no_group = ("ResourceNotFoundException", "The specified log group does not exist.")
    no_stream = ("ResourceNotFoundException", "The specified log stream does not exist.")
    events = [{"timestamp": NOW_MS, "message": "x"}]
    assert world.refused("PutLogEvents", logGroupName="g", logStreamName="s", logEvents=events) == no_group
    assert world.refused("GetLogEvents", logGroupName="g", logStreamName="s") == no_group
    assert world.refused("FilterLogEvents", logGroupName="g") == no_group
    world.group("g")
    assert world.refused("PutLogEvents", logGroupName="g", logStreamName="s", logEvents=events) == no_stream
    assert world.refused("GetLogEvents", logGroupName="g", logStreamName="s") == no_stream
    assert world.refused("FilterLogEvents", logGroupName="g", logStreamNames=["s"]) == no_stream
    assert world.refused("FilterLogEvents", logGroupIdentifier=group_arn().replace(ACCOUNT, "1" * 12)) == no_group


@pytest.mark.parametrize(
    "request_",
    [
        {}, {"logGroupName": "g", "logGroupIdentifier": "g"}, {"logGroupIdentifier": f"{group_arn()}:*"},
        {"logGroupName": "g", "logStreamNames": ["s"], "logStreamNamePrefix": "s"},
        {"logGroupName": "g", "startFromHead": False, "startTime": 1},
        {"logGroupName": "g", "filterPattern": "{ nothing"},
    ],
)  # fmt: skip
def test_a_search_that_makes_no_sense_is_refused(world: World, request_: Any):
    world.group("g", "s")
    assert world.refused("FilterLogEvents", **request_)[0] == "InvalidParameterException"


def test_what_one_service_appends_makes_group_and_stream(world: World):
    for number in range(2):
        world("waypost:Append", logGroupName="/aws/lambda/f", logStreamName="s", logEvents=[(NOW_MS, f"m{number}")])
    world("waypost:Append", logGroupName="/aws/lambda/f", logStreamName="empty", logEvents=[])
    assert world.messages(group="/aws/lambda/f") == ["m0", "m1"]
    assert world.messages(group="/aws/lambda/f", stream="empty") == []


def test_rows_hold_a_minute_and_a_bounded_size():
    minute = limits.ROW_SPAN_MS_MAX
    events = [(0, "a"), (minute, "b"), (minute + 1, "c"), (minute + 1, "d" * limits.ROW_BYTES_MAX), (minute + 2, "e")]
    rows = list(rows_of(events))
    assert [(row.first_ms, row.last_ms) for row in rows] == [
        (0, minute), (minute + 1, minute + 1), (minute + 1, minute + 1), (minute + 2, minute + 2),
    ]  # fmt: skip
    assert [list(zip(*unpack(row.packed), strict=True)) for row in rows] == [
        events[:2],
        [events[2]],
        [events[3]],
        [events[4]],
    ]
    assert sum(row.size for row in rows) == sum(len(message) + 26 for _, message in events)
    assert list(rows_of([])) == []


def test_a_row_is_small_where_lines_are_alike():
    events = [(number, f"REQUEST {number} took 12 ms and answered 200") for number in range(1_000)]
    assert len(pack(events)) < 12_000
    assert unpack(pack(events)) == ([number for number, _ in events], [message for _, message in events])
