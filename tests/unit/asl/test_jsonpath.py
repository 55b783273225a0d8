"""Paths: what they find, and what they say when they find nothing."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from waypost.asl.jsonpath import PathError, compile_path
from waypost.asl.pathscan import PathSyntaxError

STORE = {
    "store": {
        "book": [
            {"category": "reference", "price": 8.95, "title": "A"},
            {"category": "fiction", "price": 12, "title": "B", "isbn": "1"},
            {"category": "fiction", "price": 22.5, "title": "C", "isbn": "2", "tags": ["x", "y"]},
        ],
        "bicycle": {"color": "red", "price": 20},
    },
    "limit": 10,
    "a-b": 1,
    "with space": {"it's": 2},
    "empty": [],
    "nothing": None,
    "numbers": [3, 1, 2],
}


@pytest.mark.parametrize(
    ("path", "found"),
    [
        ("$", STORE),
        ("$.limit", 10),
        ("$.a-b", 1),
        ("$['with space']['it\\'s']", 2),
        ('$["store"]["bicycle"].color', "red"),
        ("$.store.book[0].title", "A"),
        ("$.store.book[-1].title", "C"),
        ("$.store.book[7]", None),
        ("$.nothing", None),
        ("$.store.book[*].title", ["A", "B", "C"]),
        ("$.store.book[1:].title", ["B", "C"]),
        ("$.store.book[:1].title", ["A"]),
        ("$.store.book[-2:].title", ["B", "C"]),
        ("$.store.book[0:3:2].title", ["A", "C"]),
        ("$.store.book[0,2].title", ["A", "C"]),
        ("$.store.book[0]['title','price']", [{"title": "A", "price": 8.95}]),
        ("$..title", ["A", "B", "C"]),
        ("$..price", [8.95, 12, 22.5, 20]),
        ("$.store..tags[0]", ["x"]),
        ("$..isbn", ["1", "2"]),
        ("$.store.bicycle.*", ["red", 20]),
        ("$.empty[*]", []),
        ("$.store.book[*].absent", []),
        ("$.store.book[?(@.price < 10)].title", ["A"]),
        ("$.store.book[?(@.price > $.limit)].title", ["B", "C"]),
        ("$.store.book[?(@.isbn)].title", ["B", "C"]),
        ("$.store.book[?(!@.isbn)].title", ["A"]),
        ("$.store.book[?(@.category == 'fiction' && @.price >= 20)].title", ["C"]),
        ("$.store.book[?(@.price == 12 || @.title == 'A')].title", ["A", "B"]),
        ("$.store.book[?(@.title in ['A', 'C'])].title", ["A", "C"]),
        ("$.store.book[?(@.title nin ['A', 'C'])].title", ["B"]),
        ("$.store.book[?(@.title =~ /[ab]/i)].title", ["A", "B"]),
        ("$.store.book[?(@.tags contains 'x')].title", ["C"]),
        ("$.store.book[?(@.tags size 2)].title", ["C"]),
        ("$.store.book[?(@['category'] != 'fiction')].title", ["A"]),
        ("$.numbers[?(@ > 1)]", [3, 2]),
        ("$.store.book.length()", 3),
        ("$.store.bicycle.keys()", ["color", "price"]),
        ("$.numbers.max()", 3.0),
        ("$.numbers.min()", 1.0),
        ("$.numbers.sum()", 6.0),
        ("$.numbers.avg()", 2.0),
        ("$.numbers.first()", 3),
        ("$.numbers.last()", 2),
    ],
)
def test_finds(path, found):
    assert compile_path(path).read(STORE) == found
    assert compile_path(path).find(STORE) == (True, found)


@pytest.mark.parametrize(
    ("path", "words"),
    [
        ("$.absent", "No results for path: $['absent']"),
        ("$.store.absent", "No results for path: $['store']['absent']"),
        ("$.absent.more", "Missing property in path $['absent']"),
        ("$.absent[*]", "Missing property in path $['absent']"),
        ("$.limit[0]", "Filter: [0] can only be applied to arrays. Current context is: 10"),
        ("$.nothing[0]", "The path $['nothing'] is null"),
    ],
)
def test_tells_where_it_broke_off(path, words):
    with pytest.raises(PathError) as caught:
        compile_path(path).read(STORE)
    assert str(caught.value) == words
    assert compile_path(path).find(STORE) == (False, None)


def test_a_key_of_something_else_than_an_object():
    with pytest.raises(PathError, match="Expected to find an object with property"):
        compile_path("$.limit.more").read(STORE)


@pytest.mark.parametrize(
    "text",
    ["", "a", "$.", "$.a[", "$.a[]", "$.a..", "$.a[?(]", "$.a[?(@.b ==)]", "$ a", "$.a.nope()", "$.a.length().b"],
)
def test_refuses(text):
    with pytest.raises(PathSyntaxError):
        compile_path(text)


@pytest.mark.parametrize(
    ("text", "scope", "definite", "reference"),
    [
        ("$.a", "$", True, True),
        ("$$.Execution.Id", "$$", True, True),
        ("$order.id", "order", True, True),
        ("$.a[0]['b']", "$", True, True),
        ("$.a[*]", "$", False, False),
        ("$..a", "$", False, False),
        ("$.a.length()", "$", True, False),
    ],
)
def test_kinds(text, scope, definite, reference):
    path = compile_path(text)
    assert (path.scope, path.definite, path.reference) == (scope, definite, reference)


@given(st.text(max_size=30))
def test_any_text_is_a_path_or_refused(text):
    try:
        path = compile_path("$" + text)
    except PathSyntaxError:
        return
    path.find(STORE)
