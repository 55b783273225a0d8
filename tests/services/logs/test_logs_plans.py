"""Events are found by the index of what is asked, on both stores and whatever lies in the tables."""

import re

import apsw
import psycopg
import pytest
from tests.services.logs.world import NOW_MS, World
from tests.store.test_postgres_plans import explain, gone_through
from tests.store.test_query_plans import plan
from tests.stores import new_database

from waypost.services.logs.queries import Q
from waypost.services.logs.rules.rows import unpack
from waypost.store.greeting import SETTINGS
from waypost.store.migrate import migrate
from waypost.store.queries import Query
from waypost.store.schema_postgres import install
from waypost.store.sqlite import TOKENS

BEGIN, END = "logs_batch_begin", "logs_batch_end"
STREAM_END = "logs_batch_stream_end"
INDEXES = {
    "read_stream": "KEY", "read_stream_back": STREAM_END, "read_group": BEGIN, "read_group_back": END,
    "oldest_batches": END, "delete_batches": END, "batches_of_stream": "KEY", "delete_batches_of_stream": "KEY",
}  # fmt: skip
STREAMS = {
    "touch_stream": "logs_stream_pkey group_id name", "get_stream": "logs_stream_pkey group_id name",
    "delete_stream": "logs_stream_pkey group_id name", "list_streams": "logs_stream_pkey group_id name",
    "list_streams_back": "logs_stream_pkey group_id name", "forget_bytes": "logs_stream_id group_id id",
    "list_streams_by_time": "logs_stream_newest group_id", "list_streams_by_time_back": "logs_stream_newest group_id",
    "streams_of_group": "logs_stream_pkey group_id", "delete_streams": "logs_stream_pkey group_id name",
}  # fmt: skip
FILL = {
    "fresh": "",
    "vacuumed": "VACUUM ANALYZE",
    "with many": """
        INSERT INTO logs_stream SELECT n % 3, n::text, n, 1, 1, 1, 1, 1 FROM generate_series(1, 300) n;
        INSERT INTO logs_batch SELECT n % 3, n % 300, n, n, n, 1, 1, 'x' FROM generate_series(1, 3000) n;
        ANALYZE""",
}


def indexes(key: str) -> list[tuple[str, str]]:
    return [(name, key if index == "KEY" else index) for name, index in INDEXES.items()]


def queries() -> dict[str, Query]:
    return {query.name: query for query in Q.all()}


def test_sqlite_reads_rows_by_the_whole_key():
    db = apsw.Connection(":memory:")
    migrate(0, TOKENS, lambda migration: [db.execute(statement) for statement in migration.statements] and None)
    for name, index in indexes("sqlite_autoindex_logs_batch_1"):
        steps = " ".join(plan(db, queries()[name]))
        assert re.search(rf"INDEX {index} \(group_id=\? AND \S*(stream|first_at|last_at)", steps), (name, steps)
        assert "TEMP B-TREE" not in steps, (name, steps)


@pytest.mark.parametrize("state", FILL)
def test_postgres_reads_rows_by_the_whole_key(state: str):
    with psycopg.connect(new_database(), autocommit=True) as connection:
        connection.prepare_threshold = None
        install(connection)
        for statement in filter(str.strip, FILL[state].split(";")):
            connection.execute(statement)
        for name, value in SETTINGS.items():
            connection.execute(f"SET {name} = '{value}'")
        for name, index in indexes("logs_batch_pkey"):
            steps = explain(connection, queries()[name])
            assert any(f"using {index} on logs_batch" in step for step in steps), (name, steps)
            conditions = [step for step in steps if "Index Cond" in step]
            assert any("first_at" in step or "last_at" in step for step in conditions), (name, steps)
            assert not any("Sort" in step for step in steps), (name, steps)
        for name, found in STREAMS.items():
            steps = explain(connection, queries()[name])
            assert gone_through(steps) == {found}, (name, steps)


def test_a_page_reads_what_it_shows_however_much_lies_there(world: World, monkeypatch: pytest.MonkeyPatch):
    world.group("g", "s", "t")
    for number in range(120):
        world.put((number * 1_000, f"m{number}"), stream="st"[number % 2])
    taken: list[int] = []

    def counted(packed: bytes) -> tuple[list[int], list[str]]:
        taken.append(1)
        return unpack(packed)

    monkeypatch.setattr("waypost.services.logs.reading.unpack", counted)
    middle = NOW_MS + 60_000
    for ask in (
        lambda: world.get(stream="s", limit=2),
        lambda: world.get(stream="s", limit=2, startFromHead=True),
        lambda: world.get(stream="s", limit=2, startFromHead=True, startTime=middle),
        lambda: world.get(stream="s", limit=2, endTime=middle),
        lambda: world("FilterLogEvents", logGroupName="g", limit=2),
        lambda: world("FilterLogEvents", logGroupName="g", limit=2, startTime=middle),
        lambda: world("FilterLogEvents", logGroupName="g", limit=2, startTime=NOW_MS, startFromHead=False),
        lambda: world("FilterLogEvents", logGroupName="g", limit=2, logStreamNames=["s"]),
    ):
        taken.clear()
        assert len(ask()["events"]) == 2
        assert len(taken) <= 8
