"""Named SQL: each service keeps its statements in a ``queries.sql`` beside its operations.

A statement starts with ``-- name: verb_noun`` and, after a colon, a line that says why it is as it is. Parameters are
``:name``. The text is the common subset of SQLite and PostgreSQL; a variant for one engine is named
``-- name: verb_noun [postgres]`` and stands beside the common one, or alone where the other engine never asks that.
``{skip_locked}``, ``{for_update}``, ``{for_no_key_update}`` and ``{for_key_share}`` become the engine's clause: none on
SQLite, with its one writer.
"""

import re
from collections.abc import Mapping
from importlib import resources
from typing import NamedTuple

_HEAD = re.compile(r"^-- name: (?P<name>\w+)(?: \[(?P<engine>\w+)\])?", re.MULTILINE)
_COMMENT = re.compile(r"--[^\n]*")
_READS = ("select", "with", "explain", "pragma")


class Query(NamedTuple):
    """A named statement and what a store needs to know of it."""

    name: str
    sql: str
    writes: bool
    variants: Mapping[str, str]
    """Other texts of the same meaning, by engine."""
    only: str | None = None
    """The one engine that has it; None: all."""


class Queries:
    """The statements of one file, as attributes."""

    def __init__(self, package: str, queries: Mapping[str, Query]) -> None:
        self._package = package
        self._queries = queries

    def __getattr__(self, name: str) -> Query:
        """The statement of that name."""
        try:
            return self._queries[name]
        except KeyError:
            raise AttributeError(f"{self._package} has no query named {name}") from None

    def all(self) -> list[Query]:
        """Every statement, in the order of the file."""
        return list(self._queries.values())


def parse(package: str, text: str) -> Queries:
    """Split a file of named statements."""
    common: dict[str, str] = {}
    variants: dict[str, dict[str, str]] = {}
    heads = list(_HEAD.finditer(text))
    for head, following in zip(heads, [*heads[1:], None], strict=True):
        body = text[head.end() : following.start() if following else len(text)]
        # The rest of the head line is prose: a purpose, not SQL.
        sql = " ".join(_COMMENT.sub("", body.partition("\n")[2]).split()).rstrip("; ")
        name, engine = head["name"], head["engine"]
        known, key = (variants.setdefault(name, {}), engine) if engine else (common, name)
        if key in known:
            raise ValueError(f"{package}: query {name} is defined twice")
        known[key] = sql
    return Queries(package, {head["name"]: _query(head["name"], common, variants) for head in heads})


def _query(name: str, common: Mapping[str, str], variants: Mapping[str, Mapping[str, str]]) -> Query:
    others = variants.get(name, {})
    only, sql = (None, common[name]) if name in common else next(iter(others.items()))
    return Query(name, sql, not sql.lower().startswith(_READS), others, only)


def load(package: str, file: str = "queries.sql") -> Queries:
    """Read the named statements that lie in ``package``."""
    return parse(package, resources.files(package).joinpath(file).read_text("utf-8"))
