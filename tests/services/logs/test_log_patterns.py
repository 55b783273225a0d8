"""Filter patterns: the examples of AWS's pages, their edges, and what may go wrong."""

import contextlib
import json
import re

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from waypost.aws.errors import AwsError
from waypost.services.logs.rules.patterns import compile_pattern
from waypost.services.logs.rules.patterns.regex import Regex
from waypost.services.logs.rules.patterns.values import Wildcard

LINES = [
    "[ERROR 400] BAD REQUEST", "[ERROR 401] UNAUTHORIZED REQUEST", "[ERROR 419] MISSING ARGUMENTS",
    "[ERROR 420] INVALID ARGUMENTS", "[WARN] ARGUMENTS missing", "INTERNAL SERVER ERROR",
]  # fmt: skip
APACHE = '127.0.0.1 Prod frank [10/Oct/2000:13:25:15 -0700] "GET /index.html HTTP/1.0" 404 1534'
DOCUMENT = json.dumps({
    "eventType": "UpdateTrail", "sourceIPAddress": "111.111.111.111", "arrayKey": ["value", "another value"],
    "objectList": [{"name": "a", "id": 1}, {"name": "b", "id": 2}], "SomeObject": None, "cluster.name": "c",
    "ThisFlag": True, "That": False, "user": {"id": 7, "email": "x@example.com", "nested": {"deep": "down"}},
    "bandwidth": 75.5, "latency": 1e3, "code": "404", "number": 404, "empty": "", "text": 'say "x" \\ y',
    "zero": 0, "list": [1, 2, 3], "obj": {}, "under_score": 1, "hy-phen": "1",
})  # fmt: skip


def takes(pattern: str, message: str) -> bool:
    return compile_pattern(pattern).match(message) is not None


def extracted(pattern: str, message: str) -> dict[str, str]:
    values = compile_pattern(pattern).match(message)
    assert values is not None
    return values


@pytest.mark.parametrize(
    ("pattern", "expected"),
    [
        ("", LINES),
        ("  ", LINES),
        ("ERROR", [LINES[0], LINES[1], LINES[2], LINES[3], LINES[5]]),
        ("error", []),
        ("ERROR ARGUMENTS", [LINES[2], LINES[3]]),
        ('"SERVER ERROR"', [LINES[5]]),
        ("ERR", LINES[:4] + LINES[5:]),
        ("?ERROR ?WARN", LINES),
        ("?400 ?419", [LINES[0], LINES[2]]),
        ("ERROR -ARGUMENTS", [LINES[0], LINES[1], LINES[5]]),
        ("-ERROR", [LINES[4]]),
        ("?INTERNAL REQUEST", LINES[:2]),
        ("?INTERNAL -ERROR", [LINES[4]]),
        ('-"[ERROR" -missing', [LINES[5]]),
        ('?"[WARN]" ?"SERVER ERROR"', LINES[4:]),
        ('"]"', LINES[:5]),
        ('" "', LINES),
        ("%40[01]%", LINES[:2]),
        ("%^INTERNAL%", [LINES[5]]),
        ("%REQUEST$%", LINES[:2]),
        (r"%4\d{2}\x5d%", LINES[:4]),
        ("%BAD|WARN%", [LINES[0], LINES[4]]),
        ("%A+R+G%", LINES[2:5]),
    ],
)
def test_words(pattern: str, expected: list[str]):
    assert [line for line in LINES if takes(pattern, line)] == expected


def test_a_phrase_may_hold_quotation_marks():
    assert takes(r'"say \"x\""', 'I say "x"')
    assert not takes(r'"say \"x\""', "I say x")


@pytest.mark.parametrize(
    "pattern",
    [
        "task-id",
        "a:b",
        "[ERROR",
        "{ $.a",
        "a%b",
        '""',
        '"open',
        'a"b"',
        "?",
        "-",
        "%%",
        "%(a)%",
        "%a!%",
        "%ü%",
        "%*a%",
        "%a{2,1}%",
        "%[z-a]%",
        "%[a%",
        r"%\q%",
        r"%\x2%",
        "%a$b%",
        "%a**%",
        "100%",
        "%a{9999}%",
        "{}",
        "{ }",
        "{ $.a }",
        "{ $ = 1 }",
        "{ $.a = }",
        "{ $.a == 1 }",
        "{ $.a = 1 && }",
        "{ ($.a = 1 }",
        "{ $.a = 1) }",
        "{ a = 1 }",
        "{ $.a > x }",
        '{ $.a > "1" }',
        "{ $.a > %1% }",
        "{ $.a IS MAYBE }",
        "{ $.a NOT }",
        "{ $.a IS }",
        "{ $.a = 1 $.b = 2 }",
        "{ $.a[x] = 1 }",
        "{ $.a = %a% && $.b = %b% && $.c = %c% }",
        f"{{ {'(' * 60}$.a = 1{')' * 60} }}",
        "[]",
        "[,]",
        "[a,]",
        "[a, a]",
        "[..., b, ...]",
        "[a b]",
        "[a = ]",
        "[a && b]",
        "[a = 1 && b > 2]",
        "[a > x]",
        "[status_code = 4* && bytes > 1000]",
        "[a = %a%, b = %b%, c = %c%]",
        "[(a = 1]",
        '["a"]',
    ],
)
def test_what_cannot_be_read_is_refused(pattern: str):
    with pytest.raises(AwsError) as caught:
        compile_pattern(pattern)
    assert caught.value.code == "InvalidParameterException"


@pytest.mark.parametrize(
    ("pattern", "message"),
    [
        ("{ $.a = 1", "If a filter pattern starts with '{' it must end with '}'"),
        ('""', "Invalid character(s) in term '\"\"'"),
        ("task-id", "Invalid character(s) in term 'task-id'"),
        ("[a = 1 && b > 2]", "Invalid filter pattern"),
    ],
)
def test_refusals_are_worded_as_on_aws(pattern: str, message: str):
    with pytest.raises(AwsError) as caught:
        compile_pattern(pattern)
    assert caught.value.message == message


@pytest.mark.parametrize(
    "pattern",
    [
        '{ $.eventType = "UpdateTrail" }',
        "{ $.eventType = UpdateTrail }",
        '{ $.eventType = "Update*" }',
        "{$.eventType=*Trail}",
        "{ $.sourceIPAddress != 123.123.* }",
        "{ $.sourceIPAddress = 111.* }",
        "{ $.sourceIPAddress = %^1+\\.% }",
        '{ $.arrayKey[0] = "value" }',
        '{ $.arrayKey[*] = "another value" }',
        "{ $.objectList[1].id = 2 }",
        '{ $.objectList[*].name = "b" }',
        "{ $.SomeObject IS NULL }",
        "{ $.SomeOtherObject NOT EXISTS }",
        "{ $.SomeObject EXISTS }",
        "{ $.ThisFlag IS TRUE }",
        "{ $.That IS FALSE }",
        "{ $.ThisFlag is true }",
        "{ $.ThisFlag = true }",
        '{ $.user.id = 7 && $.user.email = "x*" }',
        "{ $.user.id = 8 || $.bandwidth > 75 }",
        '{ ($.user.id = 7 || $.user.id = 8) && $.user.nested.deep = "d*n" }',
        "{ $.bandwidth >= 75.5 && $.bandwidth <= 75.5 }",
        "{ $.bandwidth < 76 && $.bandwidth > 7.5e1 }",
        "{ $.latency = 1000 }",
        "{ $.latency = 1e3 }",
        "{ $.bandwidth != 75 }",
        "{ $.code = 404 }",
        "{ $.code = 4* }",
        '{ $.code = "404" }',
        "{ $.number = 404.0 }",
        "{ $.number = 4* }",
        "{ $.number = %4\\d4% }",
        "{ $.zero > -1 }",
        "{ $.zero = 0 }",
        '{ $.empty = "" }',
        "{ $.eventType = * }",
        '{ $.text = "say \\"x\\" \\\\ y" }',
        "{ $['cluster.name'] = c }",
        '{ $.["cluster.name"] = "c" }',
        "{ $.under_score = 1 && $.hy-phen = 1 }",
        "{ $.eventType != %^Create% }",
        "{ $.user.id = 0 || $.zero = 0 && $.zero = 0 }",
    ],
)
def test_documents_that_are_taken(pattern: str):
    assert takes(pattern, DOCUMENT)


@pytest.mark.parametrize(
    "pattern",
    [
        '{ $.eventType = "updatetrail" }',
        "{ $.eventType = Update }",
        "{ $.nothing = * }",
        "{ $.nothing != x }",
        "{ $.SomeObject = * }",
        "{ $.SomeObject NOT EXISTS }",
        "{ $.zero IS FALSE }",
        "{ $.zero IS NULL }",
        "{ $.That IS TRUE }",
        "{ $.nothing IS NULL }",
        "{ $.list = * }",
        "{ $.obj = * }",
        "{ $.list[3] = * }",
        "{ $.user[0] = * }",
        "{ $.code > 1 }",
        "{ $.number = 4 }",
        "{ $.number != 404 }",
        "{ $.code != 404 }",
        "{ $.bandwidth > 75.5 }",
        "{ $.eventType != Update* }",
        "{ $.user.id = 7 && $.user.id = 8 }",
        "{ ($.user.id = 7 || $.zero = 0) && $.zero = 1 }",
        "{ $.list[*] > 3 }",
        "{ $.user.nothing.deep = * }",
        "{ $.eventType.deeper = * }",
        "{ $.cluster.name = c }",
        "{ $.ThisFlag > 0 }",
    ],
)
def test_documents_that_are_not_taken(pattern: str):
    assert not takes(pattern, DOCUMENT)


@pytest.mark.parametrize("message", ["", "x", "[1]", '"x"', "{", '{"a": 1} ', '{"a": 1} x', "null", '{"a":' * 5_000])
def test_only_documents_are_documents(message: str):
    assert takes("{ $.a = 1 }", message) == (message == '{"a": 1} ')
    assert not takes("{ $.b = 1 }", message)


def test_what_is_extracted_of_a_document():
    values = extracted(
        "{ $.eventType = * && ($.user.id > 1 || $.nothing = 1) && $.arrayKey[1] != x && $.ThisFlag IS TRUE }", DOCUMENT
    )
    assert values == {
        "$.eventType": "UpdateTrail", "$.user.id": "7", "$.arrayKey[1]": "another value", "$.ThisFlag": "true",
    }  # fmt: skip


@pytest.mark.parametrize(
    ("pattern", "taken"),
    [
        ("[ip, user, username, timestamp, request, status_code, bytes]", True),
        ("[a, b]", False),
        ("[...]", True),
        ("[..., bytes]", True),
        ("[ip, ...]", True),
        ("[ip, ..., bytes > 1000]", True),
        ("[..., bytes > 2000]", False),
        ("[ip, user, username, timestamp, request = *.html*, status_code = 4*, bytes]", True),
        ("[ip = 127.*, ...]", True),
        ("[ip != 127.*, ...]", False),
        ("[..., status = 4* && status != 404, bytes]", False),
        ("[..., (status = 404 || status = 500), bytes]", True),
        ("[..., status = 50 || status = %^40%, bytes]", True),
        ('[..., timestamp = "10/Oct*", request, status, bytes]', True),
        ('[..., request = "GET *", status, bytes]', True),
        ("[a, b, c, d, e, f, g, ...]", True),
        ("[a, b, c, d, e, f, g, h, ...]", False),
        ("[..., status >= 404 && status < 405, bytes = 1534]", True),
        ("[..., user > 1, x, y, z, v, w]", False),
        ("[ip, user = Prod && user = P*, ...]", True),
    ],
)
def test_fields(pattern: str, taken: bool):
    assert takes(pattern, APACHE) == taken


def test_what_is_extracted_of_fields():
    assert extracted("[ip, ..., size]", APACHE) == {
        "$ip": "127.0.0.1", "$2": "Prod", "$3": "frank", "$4": "10/Oct/2000:13:25:15 -0700",
        "$5": "GET /index.html HTTP/1.0", "$6": "404", "$size": "1534",
    }  # fmt: skip


@given(
    st.text(st.sampled_from('ab1{}[]()$.,=!<>&|"%*?- \\'), max_size=30),
    st.text(st.sampled_from("ab1 []{}\"'"), max_size=30),
)
@settings(max_examples=400, deadline=None)
def test_no_pattern_breaks_anything(pattern: str, message: str):
    """Whatever is written, it is read or refused, and what was read gives an answer."""
    for text in (pattern, f"{{{pattern}}}", f"{{ $.a{pattern} }}", f"[{pattern}]", f"%{pattern}%"):
        with contextlib.suppress(AwsError):
            compiled = compile_pattern(text)
            assert isinstance(compiled.match(message), dict | None)
            assert isinstance(compiled.match('{"a": 1}'), dict | None)


ITEMS = st.sampled_from(["a", "b", ".", "[ab]", "[^a]", r"\d", r"\w", r"\s", "1", "-", "[a-]", r"[\d-]", r"\.", " "])
TIMES = st.sampled_from(["", "", "", "*", "+", "?", "{2}", "{1,2}", "{0,1}", "{2,}", "{0}", "{0,3}", "{0,}", "{1,4}"])
SEQUENCES = st.tuples(
    st.sampled_from(["", "", "^"]), st.lists(st.tuples(ITEMS, TIMES), max_size=5), st.sampled_from(["", "", "$"])
).map(lambda parts: parts[0] + "".join(item + times for item, times in parts[1]) + parts[2])


@given(st.lists(SEQUENCES, min_size=1, max_size=3).map("|".join), st.text(st.sampled_from("ab1-. ü"), max_size=12))
@settings(max_examples=600, deadline=None)
@example("^a*b$", "aab")
@example("a{2,}|^$", "")
def test_the_automaton_finds_what_the_library_finds(expression: str, text: str):
    if not expression:
        return
    own = Regex(expression)
    expected = re.search(re.sub(r"\$(?=\||$)", r"\\Z", expression), text, re.ASCII | re.DOTALL) is not None
    assert own._quick.search(text) is not None or not expected
    assert (own._quick.search(text) is not None) == expected
    assert own._automaton.search(text) == expected


def test_an_expression_that_tries_everything_ends_soon():
    line = "a" * 100_000
    for expression in ("a*a*a*a*a*a*b", "[a]+[a]+[a]+c", "a{1,500}b", "a{0,900}a{0,900}b", "a.{900}b"):
        assert not Regex(expression).search(line), "a power of the length would not end"
    assert Regex("a*a*a*a*a*a*b").search(line + "b")


def test_characters_beyond_the_first_256_are_alike():
    automaton = Regex(r"x.*y[^a]+\Wz")._automaton
    assert automaton.search("x" + "".join(chr(0x4E00 + number) for number in range(100)) + "yüüz")
    assert len(automaton._accepting) < 10


@given(st.text("ab*", max_size=8), st.text("ab", max_size=10))
@settings(max_examples=400)
def test_an_asterisk_stands_for_any_text(pattern: str, text: str):
    expected = re.fullmatch(".*".join(map(re.escape, pattern.split("*"))), text) is not None
    assert Wildcard(pattern).matches(text) == expected
