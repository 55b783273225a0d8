"""A store with IAM and STS on it, without a server: operations are called as other services call them."""

from typing import Any, ClassVar

import msgspec
from tests.stores import new_store

from waypost.ids import RandomIds
from waypost.service import Caller, Context, Job, Params
from waypost.services import iam, sts
from waypost.store.queries import parse
from waypost.store.store import Tx

ACCOUNT = "000000000000"
ROOT = f"arn:aws:iam::{ACCOUNT}:root"
START_MS = 1_800_000_000_000

TRUST = (
    '{"Version":"2012-10-17","Statement":[{"Effect":"Allow","Principal":{"Service":"lambda.amazonaws.com"},'
    '"Action":"sts:AssumeRole"}]}'
)
POLICY = '{"Version": "2012-10-17", "Statement": [{"Effect": "Allow", "Action": "sqs:*", "Resource": "*"}]}'

_JOBS = parse("tests", "-- name: due: all\nSELECT id, kind, key, payload FROM job WHERE run_at <= :now ORDER BY run_at")
_DROP = parse("tests", "-- name: drop: one\nDELETE FROM job WHERE id = :id")
_COUNT = parse("tests", "-- name: sessions: all\nSELECT count(*) FROM sts_session")


class World:
    """The clock is a number; ``calls`` is the dispatch that a server's registry does."""

    services: ClassVar = {"iam": iam.SERVICE, "sts": sts.SERVICE}

    def __init__(self, kind: str = "sqlite") -> None:
        self.store = new_store(kind)
        self.now_ms = START_MS
        self.ids = RandomIds(seed=1)
        self.caller = Caller(ACCOUNT, "test", ROOT, ACCOUNT)

    def context(self) -> Context:
        return Context(
            account=self.caller.account, region="us-east-1", request_id="request", now_ms=self.now_ms,
            started_ms=self.now_ms, caller=self.caller, ids=self.ids, calls=_Dispatch(self), base_url="http://127.0.0.1",
        )  # fmt: skip

    def call(self, service: str, operation: str, request: Params) -> Any:
        function = self.services[service].operations[operation]
        return self.store.run(lambda tx: function(tx, self.context(), request))

    def run_jobs(self) -> int:
        """Run what is due; answers how many."""

        def work(tx: Tx) -> int:
            due = tx.all(_JOBS.due, now=self.now_ms)
            for row_id, kind, key, payload in due:
                job = Job(row_id, kind, key, ACCOUNT, "us-east-1", self.now_ms, 1, msgspec.json.decode(payload))
                assert self.services[kind.split(".")[0]].jobs[kind](tx, self.context(), job) is None
                tx.run(_DROP.drop, id=row_id)
            return len(due)

        return self.store.run(work)

    def sessions(self) -> int:
        return self.store.run(lambda tx: tx.one(_COUNT.sessions)[0])


class _Dispatch:
    def __init__(self, world: World) -> None:
        self._world = world

    def call(self, tx: Tx, ctx: Context, service: str, operation: str, request: Params) -> Params:
        return self._world.services[service].operations[operation](tx, ctx, request)
