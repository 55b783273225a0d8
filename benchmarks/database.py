"""The PostgreSQL under test: a private cluster that promises what a real one promises."""

import psycopg
from psycopg import sql
from tools.postgres import Cluster, PostgresMissing

from benchmarks import machine
from benchmarks.processes import cpu_s, family

__all__ = ["Database", "PostgresMissing"]

SETTINGS = {"shared_buffers": "512MB", "max_wal_size": "4GB"}
"""What whoever sets up a database for load changes first. fsync, synchronous commit and autovacuum are on."""
COPIED_PER_MS = 10
"""Rate at which the messages of a backlog look sent."""
COPIES = {
    # Ids as RandomIds makes them: the millisecond, and 20 bits that grow within it.
    "id": "(sent.at << 20) + (sent.number % :per_ms) * (262144 / :per_ms) + floor(random() * 262144 / :per_ms)::int",
    "visible_at": "sent.at",
    "sent_at": "sent.at",
    "message_id": "gen_random_uuid()::text",
}
"""What tells a message from the one that was sent before."""


class Database:
    """A cluster with a database for each node or group of nodes."""

    def __init__(self) -> None:
        """Start it; raises ``PostgresMissing``."""
        self._cluster = Cluster(sync=True, **SETTINGS)
        self._process = int((self._cluster.folder / "data" / "postmaster.pid").read_text().split()[0])

    def create(self, name: str) -> str:
        """An empty database; answers its address."""
        return self._cluster.create(name)

    def drop(self, name: str) -> None:
        """Remove a database, whoever still uses it."""
        with psycopg.connect(self._cluster.url(), autocommit=True) as connection:
            connection.execute(sql.SQL("DROP DATABASE {} WITH (FORCE)").format(sql.Identifier(name)))

    def describe(self) -> dict[str, str | float]:
        """Version and settings that explain the figures, and what an fsync costs where its files are."""
        names = ("server_version", "shared_buffers", "max_wal_size", "fsync", "synchronous_commit", "autovacuum")
        with psycopg.connect(self._cluster.url()) as connection:
            found: dict[str, str | float] = {
                name: connection.execute("SELECT current_setting(%s)", (name,)).fetchone()[0]  # type: ignore[index]
                for name in names
            }
        # The cluster's folder belongs to its user; the one around it is on the same disk.
        return found | {"fsync_p50_ms": round(machine.fsync_ms(self._cluster.folder), 3)}

    def cpu_s(self) -> float:
        """Processor time used so far by all its processes, those that ended included."""
        return sum(cpu_s(process, ended=True) for process in family(self._process))

    def backlog(self, url: str, count: int) -> None:
        """Copy the one message that is there until there are ``count``; then what autovacuum does by and by.

        Every column that is not the copy's own is as SendMessage wrote it.
        """
        with psycopg.connect(url, autocommit=True) as connection:
            names = [
                name
                for (name,) in connection.execute(
                    "SELECT attname FROM pg_attribute WHERE attrelid = 'sqs_message'::regclass AND attnum > 0"
                    " AND NOT attisdropped ORDER BY attnum"
                )
            ]
            missing = COPIES.keys() - set(names)
            if missing:
                raise RuntimeError(f"sqs_message has no column {', '.join(sorted(missing))}")
            values = ", ".join(COPIES.get(name, f"one.{name}") for name in names).replace(":per_ms", str(COPIED_PER_MS))
            connection.execute(
                f"INSERT INTO sqs_message ({', '.join(names)}) SELECT {values} FROM sqs_message one,"
                f" LATERAL (SELECT number, one.sent_at - 1 - number / {COPIED_PER_MS} AS at"
                f" FROM generate_series({count - 2}, 0, -1) number) sent"
            )
            connection.execute("VACUUM (ANALYZE) sqs_message")
            connection.execute("CHECKPOINT")

    def waiting(self, url: str) -> int:
        """How many messages are stored."""
        with psycopg.connect(url) as connection:
            row = connection.execute("SELECT COUNT(*) FROM sqs_message").fetchone()
            return 0 if row is None else int(row[0])

    def close(self) -> None:
        """Stop it and delete everything."""
        self._cluster.close()
