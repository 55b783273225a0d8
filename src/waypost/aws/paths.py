"""REST operations by method, path and query literals."""

from collections.abc import Iterable, Iterator
from typing import NamedTuple

from waypost.aws.codec.form import Pairs, parse_form
from waypost.aws.model import Operation, Service


class Template(NamedTuple):
    """An operation and what a request must look like to mean it."""

    operation: Operation
    labels: tuple[str, ...]
    literals: Pairs
    """Parameters with a fixed value in the template."""
    wanted: frozenset[str]
    """Required parameters: they tell apart operations of one path."""
    wanted_headers: frozenset[str]


class Match(NamedTuple):
    """A template and a request's path."""

    template: Template
    labels: dict[str, str]
    """Still percent-encoded."""
    rank: tuple[int, ...]
    """The greater, the better the request fits."""


class Node:
    """One segment of the paths of a service."""

    __slots__ = ("greedy", "here", "label", "literals")

    def __init__(self) -> None:
        self.literals: dict[str, Node] = {}
        self.label: Node | None = None
        self.here: list[Template] = []
        self.greedy: list[Template] = []


def compile_paths(service: Service) -> Node:
    """The paths of all operations of a REST service. Raises ``LookupError`` for a template that is not understood."""
    root = Node()
    for operation in service.operations.values():
        _add(root, service, operation)
    return root


def _add(root: Node, service: Service, operation: Operation) -> None:
    path, _, query = operation.http.request_uri.partition("?")
    labels: list[str] = []
    node = root
    segments = _segments(path)
    leaf = node.here
    for number, segment in enumerate(segments):
        if segment.startswith("{") and segment.endswith("+}"):
            if number != len(segments) - 1:
                raise LookupError(f"{service.name} {operation.name}: a greedy label must be the last one")
            labels.append(segment[1:-2])
            leaf = node.greedy
            break
        if segment.startswith("{") and segment.endswith("}"):
            labels.append(segment[1:-1])
            node.label = node.label or Node()
            node = node.label
        elif "{" in segment:
            raise LookupError(f"{service.name} {operation.name}: a label must be a whole segment")
        else:
            node = node.literals.setdefault(segment, Node())
        leaf = node.here
    shape = service.shape(operation.input) if operation.input is not None else None
    members = [(name, shape.members[name]) for name in shape.required if name in shape.members] if shape else []
    leaf.append(
        Template(
            operation,
            tuple(labels),
            parse_form(query),
            frozenset(ref.location_name or name for name, ref in members if ref.location == "querystring"),
            frozenset((ref.location_name or name).lower() for name, ref in members if ref.location == "header"),
        )
    )


def _segments(path: str) -> list[str]:
    segments = path.removeprefix("/").split("/")
    if segments[-1] == "":
        segments.pop()
    return segments


def find(root: Node, method: str, path: str, query: Pairs, headers: Iterable[str]) -> Match | None:
    """The best match of a request, if any."""
    found: list[Match] = []
    given = dict(query)
    names = frozenset(headers)
    for templates, values, literal_count in _walk(root, path.removeprefix("/").split("/"), 0, (), 0):
        for template in templates:
            if template.operation.http.method != method or any(
                key not in given or (value and given[key] != value) for key, value in template.literals
            ):
                continue
            complete = template.wanted <= given.keys() and template.wanted_headers <= names
            rank = (
                literal_count,
                complete,
                len(template.literals) + len(template.wanted) + len(template.wanted_headers),
                not template.operation.deprecated,
            )
            found.append(Match(template, dict(zip(template.labels, values, strict=True)), rank))
    return max(found, key=lambda match: match.rank, default=None)


def _walk(
    node: Node, segments: list[str], index: int, values: tuple[str, ...], literal_count: int
) -> Iterator[tuple[list[Template], tuple[str, ...], int]]:
    """The leaves that a path reaches, with the values of the labels and the count of literal segments."""
    left = len(segments) - index
    if left == 0 or (left == 1 and segments[index] == ""):
        if node.here:
            yield node.here, values, literal_count
        return
    segment = segments[index]
    literal = node.literals.get(segment)
    if literal is not None:
        yield from _walk(literal, segments, index + 1, values, literal_count + 1)
    if node.label is not None and segment:
        yield from _walk(node.label, segments, index + 1, (*values, segment), literal_count)
    if node.greedy:
        yield node.greedy, (*values, "/".join(segments[index:])), literal_count
