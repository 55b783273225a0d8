"""Compiled definitions: a cache of a fact that never changes, named by the definition's digest."""

import hashlib

from waypost.asl import program as language
from waypost.asl.program import Program
from waypost.services.states.limits import PROGRAMS_MAX
from waypost.services.states.queries import Q
from waypost.store.store import Tx

_programs: dict[str, Program] = {}


def digest_of(definition: str) -> str:
    """The name of a definition."""
    return hashlib.sha256(definition.encode("utf-8", "surrogatepass")).hexdigest()


def remember(digest: str, program: Program) -> None:
    """Keep a program; the one kept longest goes when there are too many."""
    if len(_programs) >= PROGRAMS_MAX:
        del _programs[next(iter(_programs))]
    _programs[digest] = program


def program_of(tx: Tx, digest: str, revision: int) -> Program:
    """The program of a stored revision."""
    found = _programs.get(digest)
    if found is None:
        row = tx.one(Q.get_definition, id=revision)
        if row is None:
            raise LookupError(f"revision {revision} is gone")
        found = language.parse(row[0])
        remember(digest, found)
    return found
