"""Named SQL: each service keeps its statements in a ``queries.sql`` beside its operations.

A statement starts with ``-- name: verb_noun`` and, after a colon, a line that says why it is as it is. Parameters are
``:name``. The text is the common subset of SQLite and PostgreSQL; a variant for one engine is named
``-- name: verb_noun [postgres]`` and stands beside the common one, or alone where the other engine never asks that.
``{skip_locked}``, ``{for_update}``, ``{for_no_key_update}`` and ``{for_key_share}`` become the engine's clause: none on
SQLite, with its one writer.

A SELECT named ``-- name: get_thing [shared]`` is asked once for all operations that share a transaction: its rows were
read after each of them had arrived. They stay until one writes to that table, or locks what it reads: a look that comes
after a lock is a new one. It is for the few rows that nearly every operation begins with.
"""

import re
from collections.abc import Mapping
from importlib import resources
from typing import NamedTuple

_HEAD = re.compile(r"^-- name: (?P<name>\w+)(?: \[(?P<engine>\w+)\])?", re.MULTILINE)
SHARED = "shared"
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
    shared: bool = False
    """Whether operations of one transaction may share what it found."""


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
    shared: set[str] = set()
    heads = list(_HEAD.finditer(text))
    for head, following in zip(heads, [*heads[1:], None], strict=True):
        body = text[head.end() : following.start() if following else len(text)]
        # The rest of the head line is prose: a purpose, not SQL.
        sql = " ".join(_COMMENT.sub("", body.partition("\n")[2]).split()).rstrip("; ")
        name, engine = head["name"], head["engine"]
        if engine == SHARED:
            shared.add(name)
            engine = None
        known, key = (variants.setdefault(name, {}), engine) if engine else (common, name)
        if key in known:
            raise ValueError(f"{package}: query {name} is defined twice")
        known[key] = sql
    queries = {head["name"]: _query(head["name"], common, variants) for head in heads}
    for name in shared:
        words = queries[name].sql.lower().split()
        if words[0] != "select" or words.count("from") != 1 or {"join", "{for_update}", "{for_key_share}"} & set(words):
            raise ValueError(
                f"{package}: query {name} is more than a look at the rows of one table: it cannot be shared"
            )
        queries[name] = queries[name]._replace(shared=True)
    return Queries(package, queries)


def _query(name: str, common: Mapping[str, str], variants: Mapping[str, Mapping[str, str]]) -> Query:
    others = variants.get(name, {})
    only, sql = (None, common[name]) if name in common else next(iter(others.items()))
    return Query(name, sql, not sql.lower().startswith(_READS), others, only)


def load(package: str, file: str = "queries.sql") -> Queries:
    """Read the named statements that lie in ``package``."""
    return parse(package, resources.files(package).joinpath(file).read_text("utf-8"))
