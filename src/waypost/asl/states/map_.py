"""Map, inline: one iteration for each item, so many at a time; the result is the array of theirs."""

from typing import Any

import msgspec

from waypost.asl.dataflow import Template, conflict
from waypost.asl.document import Document
from waypost.asl.errors import RUNTIME, StateError
from waypost.asl.jsonpath import Path, PathError
from waypost.asl.run import Live, Run, State
from waypost.asl.scope import Scope
from waypost.asl.states.parallel import join

CONCURRENCY_MAX = 40
"""Iterations of an inline Map that run at once when nothing else is asked for."""


class MapState(State, frozen=True, kw_only=True):
    """An inline Map state."""

    start_at: str
    """The first state of an iteration."""
    items_path: Path
    item_selector: Template | None = None
    concurrency: int = 0
    """0: as many as the service allows."""
    concurrency_path: Path | None = None
    shows_item: bool = False
    """Whether a state of the iteration asks for the context object's ``Map``."""

    def begin(self, run: Run, live: Live) -> None:
        """Start the first iterations."""
        head = live.head
        scope = run.scope(live, live.document.value, "in")
        effective = self.flow.selected(live.document, scope)
        scope = scope if effective is live.document else scope.at(effective.value)
        items = self._items(scope)
        concurrency = self._concurrency(scope) or CONCURRENCY_MAX
        run.emit(live, "MapStateStarted", "mapStateStartedEventDetails", {"length": len(items)})
        head.phase = "joining"
        head.length = len(items)
        head.begun = head.finished = 0
        head.concurrency = concurrency
        if not items:
            join(run, live, self, head.last_event)
            return
        for _ in range(min(concurrency, len(items))):
            self._start_iteration(run, live, items, scope, head.last_event)

    def child_done(self, run: Run, live: Live, child: Live) -> None:
        """Start the next iteration, or join when all are done."""
        head, document = live.head, live.document
        succeeded = run.emit(
            child, "MapIterationSucceeded", "mapIterationSucceededEventDetails", self._told(child), advance=False
        )
        if head.begun < head.length:
            scope = run.scope(live, document.value, "in")
            selected = self.flow.selected(document, scope)
            scope = scope if selected is document else scope.at(selected.value)
            self._start_iteration(run, live, self._items(scope), scope, child.head.last_event)
        elif head.finished == head.length:
            join(run, live, self, succeeded)

    def child_failed(self, run: Run, child: Live) -> None:
        """Tell which iteration failed."""
        run.emit(child, "MapIterationFailed", "mapIterationFailedEventDetails", self._told(child), advance=False)

    def child_aborted(self, run: Run, child: Live, previous: int) -> None:
        """Tell which iteration was aborted."""
        details = self._told(child)
        run.emit(
            child, "MapIterationAborted", "mapIterationAbortedEventDetails", details, previous=previous, advance=False
        )

    def announce_failure(self, run: Run, live: Live) -> None:
        """Tell that the whole state failed."""
        run.emit(live, "MapStateFailed")

    def _told(self, child: Live) -> dict[str, Any]:
        return {"name": self.name, "index": child.head.index}

    def _items(self, scope: Scope) -> list[Any]:
        path = self.items_path
        try:
            items = scope.read(path)
        except PathError as error:
            raise conflict(path.keys[-1] if path.keys else path.text, scope.document) from error
        if type(items) is not list:
            raise StateError(RUNTIME, f'Reference path "{path.text}" must point to array.')
        return items

    def _concurrency(self, scope: Scope) -> int:
        path = self.concurrency_path
        if path is None:
            return self.concurrency
        try:
            value = scope.read(path)
        except PathError as error:
            raise StateError(RUNTIME, f"Invalid path '{path.text}' : {error}") from error
        if isinstance(value, str) and value.isdecimal():
            value = int(value)
        if type(value) is not int or value < 0:
            shown = msgspec.json.encode(value).decode()
            told = f"The MaxConcurrencyPath field refers to value {shown}"
            raise StateError(RUNTIME, f"{told} which is not a valid non-negative integer: {path.text}")
        return value

    def _start_iteration(self, run: Run, live: Live, items: list[Any], scope: Scope, previous: int) -> None:
        head = live.head
        index = head.begun
        item = {"Item": {"Index": index, "Value": items[index]}}
        if self.item_selector is None:
            document = Document(items[index])
        else:
            document = self.item_selector.fill(run.scope(live, scope.document, f"item{index}", item=item))
        shown = msgspec.Raw(msgspec.json.encode(item)) if self.shows_item else None
        child = run.start_child(live, index, self.start_at, document, previous, shown)
        run.emit(child, "MapIterationStarted", "mapIterationStartedEventDetails", self._told(child))
        head.begun += 1
