"""What a refusal of the database means: run the operation again, have the client come back, or it is our fault."""

from waypost.store.session import SessionLost, StatementFailed
from waypost.store.store import StoreUnavailable

Trouble = StatementFailed | SessionLost

RACE_TRIES_MAX = 8
"""How often an operation runs that others keep getting in the way of."""
LOST_TRIES_MAX = 3
"""How often it runs where its connections break before the commit."""
DOUBT_TRIES_MAX = 2
"""How often it runs where the schema seems to be another: again on a connection that looked at the schema first."""

_RACES = {"40001", "40P01", "55P03", "23505"}
"""Serialization failure, deadlock, lock timeout, and a row that another transaction inserted first."""
_STALE = {"0A000", "26000"}
"""A prepared statement whose result has other types since a migration, and one that the server has forgotten."""
_DOUBT = {"42P01", "42703", "3F000"}
"""No such table, column or schema: the database was migrated by another release, dropped or restored. Or our fault."""
_PASSING = ("08", "25", "28", "3D", "40", "42501", "53", "55", "57", "58", "72", "F0", "XX")
"""Troubles of the database's own: connections, a standby, who may log in and what he may do, a database that is gone,
resources (disk full), shutdown, I/O, corruption."""
_USELESS = ("08", "25006", "57P", *_STALE, *_DOUBT)
"""A connection that says this is of no use any more. 25006: the primary is elsewhere by now."""


def tries_max(trouble: Trouble) -> int:
    """How often an operation may run that meets with this before its commit; 1: it is not run again."""
    if isinstance(trouble, SessionLost):
        return LOST_TRIES_MAX
    if trouble.sqlstate in _RACES or trouble.sqlstate in _STALE:
        return RACE_TRIES_MAX
    return DOUBT_TRIES_MAX if trouble.sqlstate in _DOUBT else 1


def is_useless(trouble: Trouble) -> bool:
    """Whether the connection that said it is to be given up."""
    return isinstance(trouble, SessionLost) or trouble.sqlstate.startswith(_USELESS)


def is_general(trouble: Trouble) -> bool:
    """Whether the other connections would say the same: all are to be made anew."""
    return isinstance(trouble, StatementFailed) and (trouble.sqlstate in _STALE or trouble.sqlstate in _DOUBT)


def is_certain(trouble: Trouble) -> bool:
    """Whether a commit that failed so is known not to have happened."""
    return isinstance(trouble, StatementFailed) and not trouble.sqlstate.startswith(("08", "57P"))


def verdict(trouble: Trouble) -> BaseException:
    """What the caller is told in the end: a state of the database that passes, or a fault of ours."""
    if isinstance(trouble, SessionLost):
        return StoreUnavailable(f"the connection to the database is lost: {trouble}")
    if trouble.sqlstate in _RACES or trouble.sqlstate.startswith(_PASSING):
        return StoreUnavailable(str(trouble))
    return trouble


def unconfirmed(trouble: Trouble) -> StoreUnavailable:
    """What the caller is told of a commit that may or may not have happened."""
    return StoreUnavailable(f"the commit was not confirmed: {trouble}")
