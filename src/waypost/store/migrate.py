"""Schema migrations: numbered files in ``schema/``, applied in order, each in the transaction that records it.

``NNNN_name.pre.sql`` makes what a new release needs, before its first node starts; it only adds, so nodes of the
release before go on working, and may restart. ``NNNN_name.post.sql`` removes what only they needed, once none is left.
Of one release the ``post`` files have the highest numbers. On SQLite, where one server has the file, both run at start.

The rules of a database that nodes share:

- Whoever starts first applies the ``pre`` files. A ``post`` file waits for ``waypost migrate --post``, and that for the
  last living node that does not know the file. An empty database gets everything at once.
- A ``pre`` file waits for every ``post`` file before it. So the releases that can meet are those since the last
  ``post`` file, and no others need to bear what it adds.
- A release may use a database unless a ``post`` file was applied that it does not know: that one may have removed what
  it needs. ``pre`` files that it does not know do it no harm.
"""

import re
from collections.abc import Callable, Mapping, Sequence
from importlib import resources
from typing import NamedTuple, Self

from waypost.store.store import StoreRefused

_FILE = re.compile(r"^(?P<number>\d{4})_(?P<name>\w+)\.(?P<phase>pre|post)\.sql$")
_TOKEN = re.compile(r"\{(\w+)\}")
_COMMENT = re.compile(r"--[^\n]*")
_END = re.compile(r";[ \t]*(?:\n|$)")
"""The end of a statement: a semicolon at the end of a line. One within a line ends a trigger's statement."""
LEFT_OUT = "\0"
"""The value of a token that leaves out the statement it stands in: ``{sqlite}`` on PostgreSQL, and the reverse."""


class Migration(NamedTuple):
    """One schema file."""

    number: int
    name: str
    phase: str
    statements: tuple[str, ...]

    @property
    def file(self) -> str:
        """Its file's name."""
        return f"{self.number:04}_{self.name}.{self.phase}.sql"


RECORDS = {"pre": "schema_version", "post": "schema_post_version"}
"""Names in ``meta`` of a database that nodes share: the newest file of each phase that was applied."""


class Reached(NamedTuple):
    """How far the files of each phase were applied; 0: none."""

    pre: int
    post: int

    @classmethod
    def of(cls, meta: Mapping[str, str]) -> Self:
        """From the rows of ``meta``."""
        return cls(*(int(meta.get(name, 0)) for name in RECORDS.values()))

    def after(self, migration: Migration) -> Self:
        """Once that file is applied, too."""
        return self._replace(**{migration.phase: migration.number})


class Pending(NamedTuple):
    """What is to be done with a database that nodes share."""

    next: Migration | None
    """The file to apply now."""
    held: Migration | None
    """The first ``post`` file that has to wait."""
    blocked: Migration | None
    """A ``pre`` file that waits for that one: this release cannot use the database yet."""


def migrations(tokens: Mapping[str, str]) -> list[Migration]:
    """Every schema file in order, with the engine's words for ``tokens`` put in."""
    found = []
    for file in resources.files("waypost.store").joinpath("schema").iterdir():
        match = _FILE.match(file.name)
        if match is None:
            continue
        text = _TOKEN.sub(lambda token: tokens[token[1]], _COMMENT.sub("", file.read_text("utf-8")))
        statements = tuple(part.strip() for part in _END.split(text) if part.strip() and LEFT_OUT not in part)
        found.append(Migration(int(match["number"]), match["name"], match["phase"], statements))
    return sorted(found, key=lambda migration: (migration.number, migration.phase != "pre"))


def migrate(
    version: int, tokens: Mapping[str, str], apply: Callable[[Migration], None], upgrade_hint: str = "upgrade Waypost"
) -> int:
    """Bring a database at ``version`` (0: empty) to the newest; ``apply`` runs one file and records its number.

    Raises ``StoreRefused`` for a database of a newer release. Returns the version reached.
    """
    known = migrations(tokens)
    newest = max((migration.number for migration in known), default=0)
    if version > newest:
        raise StoreRefused(
            f"the database has schema version {version}, this Waypost knows up to {newest}: {upgrade_hint}"
        )
    for migration in known:
        if migration.number > version:
            apply(migration)
    return newest


def pending(known: Sequence[Migration], reached: Reached, post_until: int) -> Pending:
    """What comes next; ``post`` files up to the number ``post_until`` may be applied, too."""
    held: Migration | None = None
    for migration in known:
        if migration.number <= getattr(reached, migration.phase):
            continue
        if held is None and (migration.phase == "pre" or migration.number <= post_until):
            return Pending(migration, None, None)
        if migration.phase == "pre":
            return Pending(None, held, migration)
        held = held or migration
    return Pending(None, held, None)


def refuse_newer(reached: Reached, newest: int) -> None:
    """Raise ``StoreRefused`` where a release that knows files up to ``newest`` must not use the database."""
    if reached.post > newest:
        raise StoreRefused(
            f"the database is of a newer release (schema file {reached.post} removed what was before it), this Waypost"
            f" knows up to {newest}: upgrade Waypost"
        )


def newest_schema() -> int:
    """The newest schema file that this release knows."""
    files = resources.files("waypost.store").joinpath("schema").iterdir()
    return max(int(match["number"]) for file in files if (match := _FILE.match(file.name)))
