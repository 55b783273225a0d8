"""What a connection has to be, and is told, before its first transaction.

Databases that speak PostgreSQL's protocol differ in the settings that they know. What only makes this one quicker or
more careful is left out where it is refused, with one line in the log; what a promise depends on is not.
"""

import logging

from psycopg.conninfo import conninfo_to_dict, make_conninfo

from waypost.store.migrate import Reached, refuse_newer
from waypost.store.session import Asked, Session, StatementFailed, rows_of, translate
from waypost.store.store import StoreRefused

log = logging.getLogger(__name__)

CONNECT_S = 5
"""How long a host may take to let a connection in, and then to answer each statement of the greeting."""

PARAMETERS = {
    "connect_timeout": str(CONNECT_S),
    "client_encoding": "UTF8",
    "fallback_application_name": "waypost",
    # A machine that vanished without a word is noticed in about ten seconds, not in two hours.
    "keepalives_idle": "5", "keepalives_interval": "2", "keepalives_count": "3", "tcp_user_timeout": "10000",
}  # fmt: skip
"""Of every connection, where the address does not say otherwise."""

SETTINGS = {
    # A lock that is not had in this time was taken in another order by another transaction (the database itself finds
    # that out only after a second), or is hot: then each operation runs again, alone, and waits longer.
    "lock_timeout": "250ms",
    "statement_timeout": "30s",
    # A node that vanished in a transaction holds its locks so long.
    "idle_in_transaction_session_timeout": "10s",
    # Every statement has its index. A plan must not turn into another because statistics are old, and is made once.
    "plan_cache_mode": "force_generic_plan", "enable_seqscan": "off", "enable_bitmapscan": "off", "enable_sort": "off",
    "enable_hashjoin": "off", "enable_mergejoin": "off", "jit": "off",
    "default_transaction_isolation": "read committed", "standard_conforming_strings": "on", "bytea_output": "hex",
}  # fmt: skip

_UNKNOWN = ("0A", "22", "42")
"""Classes of refusals: no such feature, value or name."""
_NO_TABLE = {"42P01", "3F000"}

_DURABILITY = Asked(translate("SELECT current_setting('synchronous_commit')"))
_DURABLE = Asked(translate("SET synchronous_commit = 'on'"))
_REACHED = Asked(translate("SELECT name, value FROM meta WHERE name IN ('schema_version', 'schema_post_version')"))


def address(url: str) -> str:
    """The connection string for libpq: ``url`` and what it does not say. Raises ``psycopg.ProgrammingError``."""
    return make_conninfo(url, **{name: v for name, v in PARAMETERS.items() if name not in conninfo_to_dict(url)})


class Greeting:
    """Makes connections fit for transactions; remembers what the database does not know."""

    def __init__(self, newest: int) -> None:
        """``newest``: the newest schema file that this release knows."""
        self._newest = newest
        self._unknown: set[str] = set()
        self._one_by_one = False
        self._durability_known = True

    def knows(self, name: str) -> bool:
        """Whether the database has a setting of that name, as far as is known."""
        return name not in self._unknown

    def greet(self, session: Session) -> None:
        """Set a connection up. Raises StatementFailed, SessionLost; StoreRefused where it must not be used."""
        if session.is_standby:
            raise StoreRefused("the database is a standby, which only reads: name its primary, too")
        self._set(session)
        self._be_durable(session)
        self._meet(session)

    def _meet(self, session: Session) -> None:
        """The database may have been migrated, or replaced, since the last connection was made."""
        try:
            rows = rows_of(session.execute(_REACHED))
        except StatementFailed as failed:
            if failed.sqlstate not in _NO_TABLE:
                raise
            rows = []
        if not rows:
            raise StoreRefused("the database has lost its schema: run `waypost migrate`")
        refuse_newer(Reached.of(dict(rows)), self._newest)

    def _set(self, session: Session) -> None:
        wishes = {name: value for name, value in SETTINGS.items() if name not in self._unknown}
        if not self._one_by_one:
            calls = ", ".join(f"set_config('{name}', '{value}', false)" for name, value in wishes.items())
            try:
                session.execute(Asked(translate(f"SELECT {calls}")))
            except StatementFailed as failed:
                if not failed.sqlstate.startswith(_UNKNOWN):
                    raise
                self._one_by_one = True
            else:
                return
        refused = []
        for name, value in wishes.items():
            try:
                session.execute(Asked(translate(f"SET {name} = '{value}'")))
            except StatementFailed as failed:
                if not failed.sqlstate.startswith(_UNKNOWN):
                    raise
                if name not in self._unknown:  # by the greeting of another connection
                    refused.append(f"{name} ({failed})")
                    self._unknown.add(name)
        if refused:
            log.warning("the database does without settings that it refuses: %s", ", ".join(refused))

    def _be_durable(self, session: Session) -> None:
        """A commit must wait for the disk; a server that waits for its standbys (remote_apply) keeps doing so."""
        if not self._durability_known:
            return
        try:
            rows = rows_of(session.execute(_DURABILITY))
        except StatementFailed as failed:
            if not failed.sqlstate.startswith(_UNKNOWN):
                raise
            # It has no commits that do not wait.
            if self._durability_known:
                log.warning("the database knows no synchronous_commit: %s", failed)
            self._durability_known = False
            return
        if rows[0][0] in {"off", "local"}:
            session.execute(_DURABLE)
