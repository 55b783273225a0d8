"""Schema migrations: numbered files in ``schema/``, applied in order, each in the transaction that records it.

``NNNN_name.pre.sql`` runs before a new release starts to use it and leaves the schema usable by the previous release;
``NNNN_name.post.sql`` removes what only the previous release needed. A single node runs both at start.
"""

import re
from collections.abc import Callable, Mapping
from importlib import resources
from typing import NamedTuple

from waypost.store.store import StoreRefused

_FILE = re.compile(r"^(?P<number>\d{4})_(?P<name>\w+)\.(?P<phase>pre|post)\.sql$")
_TOKEN = re.compile(r"\{(\w+)\}")
_COMMENT = re.compile(r"--[^\n]*")


class Migration(NamedTuple):
    """One schema file."""

    number: int
    name: str
    phase: str
    statements: tuple[str, ...]


def migrations(tokens: Mapping[str, str]) -> list[Migration]:
    """Every schema file in order, with the engine's words for ``tokens`` put in."""
    found = []
    for file in resources.files("waypost.store").joinpath("schema").iterdir():
        match = _FILE.match(file.name)
        if match is None:
            continue
        text = _TOKEN.sub(lambda token: tokens[token[1]], _COMMENT.sub("", file.read_text("utf-8")))
        statements = tuple(part.strip() for part in text.split(";") if part.strip())
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


def newest_schema() -> int:
    """The newest schema file that this release knows."""
    files = resources.files("waypost.store").joinpath("schema").iterdir()
    return max(int(match["number"]) for file in files if (match := _FILE.match(file.name)))
