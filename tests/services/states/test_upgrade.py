"""A file of the release before, with executions under way, goes on under this one."""

import json
from pathlib import Path
from typing import Any

import apsw

from waypost.store.migrate import migrations
from waypost.store.sqlite import TOKENS, SqliteStore

from .conftest import ACCOUNT, REGION, World
from .test_tasks import callback

BEFORE = 6
"""The newest schema file of that release."""
GONE = {
    "states_machine": ("revision_id", "digest", "role_arn", "configuration", "revised_at"),
    "states_run": ("body", "spent"),
    "states_branch": ("body",),
}
"""Columns that it did not have."""


def downgrade(new: Path, old: Path) -> None:
    """Write the rows of a new file as the release before would have."""
    source, target = apsw.Connection(str(new)), apsw.Connection(str(old))
    for migration in migrations(TOKENS):
        if migration.number <= BEFORE:
            for statement in migration.statements:
                target.execute(statement)
    target.execute("INSERT INTO meta (name, value) VALUES ('schema_version', ?)", (str(BEFORE),))
    tables = [row[0] for row in target.execute("SELECT name FROM sqlite_schema WHERE type = 'table'")]
    for table in tables:
        if table == "meta" or table.startswith("sqlite"):
            continue
        columns = [row[1] for row in target.execute(f"PRAGMA table_info({table})")]
        assert not set(columns) & set(GONE.get(table, ()))
        names, places = ", ".join(columns), ", ".join("?" * len(columns))
        for row in source.execute(f"SELECT {names} FROM {table}").fetchall():
            target.execute(f"INSERT INTO {table} ({names}) VALUES ({places})", row)
    runs = source.execute("SELECT execution, head, body FROM states_run WHERE body IS NOT NULL").fetchall()
    for execution, head, body in runs:
        target.execute("INSERT INTO states_body VALUES (?, '0', ?)", (execution, body))
        token = json.loads(head).get("token")
        if token:
            target.execute("INSERT INTO states_token VALUES (?, ?, ?, ?, '0', 1)", (execution, token, ACCOUNT, REGION))
    rows = source.execute("SELECT execution, branch, body FROM states_branch WHERE body IS NOT NULL").fetchall()
    target.executemany("INSERT INTO states_body VALUES (?, ?, ?)", rows)
    source.close()
    target.close()


def test_what_waits_goes_on_after_an_upgrade(tmp_path: Path) -> None:
    before = World(SqliteStore(tmp_path / "new.db"))
    single = before.start(callback(TimeoutSeconds=600, HeartbeatSeconds=60), {"order": 1}, name="single")
    several: dict[str, Any] = {
        "StartAt": "M",
        "States": {"M": {"Type": "Map", "ItemProcessor": callback(TimeoutSeconds=600), "Next": "P"}},
    }
    several["States"]["P"] = {"Type": "Pass", "End": True}
    mapped = before.start(several, [{"order": number} for number in range(9)], name="mapped")
    wait = {"Type": "Wait", "Seconds": 9, "End": True}
    waiting = before.start({"StartAt": "W", "States": {"W": wait}}, {"w": 1}, "w")
    before.store.close_now()
    downgrade(tmp_path / "new.db", tmp_path / "old.db")

    world = World(SqliteStore(tmp_path / "old.db"))
    world.messages = before.messages
    world.clock.advance(before.clock.now_ms() - world.clock.now_ms())
    described = world.run("DescribeStateMachine", stateMachineArn=world.describe(single)["stateMachineArn"])
    assert json.loads(described["definition"])["StartAt"] == "T"
    world.run("SendTaskHeartbeat", taskToken=world.token(0))
    world.run("SendTaskSuccess", taskToken=world.token(0), output='"one"')
    assert world.refused("SendTaskSuccess", taskToken=world.token(0), output="1")[0] == "TaskTimedOut"
    assert world.output(single) == "one"
    for place in range(1, 10):
        world.run("SendTaskSuccess", taskToken=world.token(place), output=str(place))
    assert world.output(mapped) == list(range(1, 10))
    world.pass_time(9_000)
    assert world.output(waiting) == {"w": 1}
    assert world.nothing_left()
    assert world.run("StartExecution", stateMachineArn=described["stateMachineArn"], input='{"order": 2}')
    world.store.close_now()
