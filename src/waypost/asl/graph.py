"""Where the states of one scope lead: missing targets, states nothing leads to, a scope that never ends."""

from typing import Any

from waypost.asl.problems import MISSING_END, MISSING_TARGET
from waypost.asl.reader import Reader

Targets = list[tuple[str, str]]
"""(location of the field, name of the state)."""


def targets(state: dict[str, Any], location: str) -> Targets:
    """List every state a state may lead to, in the order in which they are checked."""
    found: list[tuple[str, Any]] = [
        (f"{location}/Next", state.get("Next")),
        (f"{location}/Default", state.get("Default")),
    ]
    for field in ("Choices", "Catch"):
        entries = state.get(field)
        for index, entry in enumerate(entries if isinstance(entries, list) else []):
            if isinstance(entry, dict):
                found.append((f"{location}/{field}[{index}]/Next", entry.get("Next")))
    return [(where, name) for where, name in found if isinstance(name, str)]


def check(reader: Reader, scope: dict[str, Any], location: str) -> None:
    """Note what is wrong with the transitions of a scope: an object with ``StartAt`` and ``States``."""
    states: dict[str, Any] = scope["States"]
    leads = {name: targets(state, f"{location}/States/{name}") for name, state in states.items()}
    if scope["StartAt"] not in states:
        reader.note(f"Missing 'Next' target: {scope['StartAt']}", f"{location}/StartAt", MISSING_TARGET)
    for found in leads.values():
        for where, name in found:
            if name not in states:
                reader.note(f"Missing 'Next' target: {name}", where, MISSING_TARGET)
    if not any(_ends(state) for state in states.values()):
        reader.note("Workflow has no terminal state", "", MISSING_END)
        return
    reached = _reached(scope["StartAt"], leads)
    for name in states:
        if name not in reached:
            reader.note(f'State "{name}" is not reachable.', f"{location}/States/{name}", MISSING_TARGET)


def _reached(start_at: str, leads: dict[str, Targets]) -> set[str]:
    reached, waiting = {start_at}, [start_at]
    while waiting:
        for _, name in leads.get(waiting.pop(), []):
            if name not in reached:
                reached.add(name)
                waiting.append(name)
    return reached


def _ends(state: dict[str, Any]) -> bool:
    return state.get("End") is True or state.get("Type") in ("Succeed", "Fail")
