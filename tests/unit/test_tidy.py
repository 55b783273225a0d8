"""The rules of the house that no linter knows: sizes, names, and who may touch the impure."""

import ast
import re
from collections.abc import Iterator
from pathlib import Path

ROOT = Path(__file__).parents[2]
PACKAGE = ROOT / "src" / "waypost"

MODULE_LINES_MAX = 800
FUNCTION_LINES_MAX = 70

BANNED_WORDS = {"Manager", "Helper", "Helpers", "Util", "Utils", "Base", "Factory", "Provider", "Impl", "Data", "Info"}
GIVEN_NAMES = {
    "get_access_key_info",  # AWS: an operation keeps its name
    "get_data_protection_policy",
    "put_data_protection_policy",
    "data_received",  # asyncio's protocol
    "data",  # the XML parser's target
    "DataFolder",  # the folder of the setting `data`
}

PLACES: dict[str, tuple[str, ...]] = {
    "time": ("clock.py",),
    "random": ("ids.py",),
    "uuid": ("ids.py",),
    "secrets": ("ids.py",),
    "apsw": ("store/sqlite.py",),
    "psycopg": (
        "store/postgres.py",
        "store/greeting.py",
        "store/schema_postgres.py",
        "store/session.py",
        "store/neighbours.py",
    ),
    "greenlet": ("store/postgres.py", "store/session.py", "store/neighbours.py"),
    "aiohttp": ("work/http_client.py",),
    "smtplib": ("work/mail.py",),
    "subprocess": ("runtimes/",),
    "cryptography": ("services/sns/keys.py",),
    "sqlite3": (),
    "multiprocessing": (),
    "boto3": (),
    "botocore": (),
}
"""Who may import what: files, and folders with their slash."""
CLOCKS = {"datetime.now", "datetime.utcnow", "datetime.today", "date.today", "os.urandom", "loop.time"}
"""Calls that read time or randomness by another door."""

IN_WORKERS = "runtimes/python/"
"""What runs inside a function's process and not in the server: no rule of the server's holds there."""
LATE_IMPORTS = {"cli.py", "services/sns/signing.py"}
"""A command imports what it needs: `waypost env` does not load a server. OpenSSL is loaded to sign, not to start."""

Function = ast.FunctionDef | ast.AsyncFunctionDef
Definition = Function | ast.ClassDef


def name_of(path: Path) -> str:
    return path.relative_to(PACKAGE).as_posix()


def parsed(path: Path) -> ast.Module:
    return ast.parse(path.read_text("utf-8"), str(path))


SOURCES = {
    name_of(path): parsed(path)
    for path in sorted(PACKAGE.rglob("*.py"))
    if not name_of(path).startswith(IN_WORKERS) and "node_modules" not in path.parts
}
TESTS = {path.relative_to(ROOT).as_posix(): parsed(path) for path in sorted((ROOT / "tests").rglob("*.py"))}


def nodes(*kinds: type[ast.AST]) -> Iterator[tuple[str, ast.AST]]:
    for name, tree in SOURCES.items():
        for node in ast.walk(tree):
            if isinstance(node, kinds):
                yield name, node


def imports(node: ast.AST) -> list[str]:
    if isinstance(node, ast.Import):
        return [alias.name.partition(".")[0] for alias in node.names]
    assert isinstance(node, ast.ImportFrom)
    return [node.module.partition(".")[0]] if node.module and not node.level else []


def called(node: ast.Call) -> str:
    """``module.function`` or ``function`` as a call names it."""
    match node.func:
        case ast.Attribute(value=ast.Name(id=owner), attr=name):
            return f"{owner}.{name}"
        case ast.Name(id=name):
            return name
    return ""


def words(name: str) -> set[str]:
    """The words of a name, each with a capital: of ``get_base_url`` and ``GetBaseUrl`` alike."""
    spaced = re.sub(r"([a-z0-9])([A-Z])", r"\1_\2", name)
    return {word.capitalize() for word in spaced.split("_") if word}


def test_there_is_something_to_look_at():
    assert "service.py" in SOURCES
    assert "tests/unit/test_tidy.py" in TESTS


def test_modules_are_short():
    long = [name for name in SOURCES if (PACKAGE / name).read_text("utf-8").count("\n") > MODULE_LINES_MAX]
    assert not long, f"more than {MODULE_LINES_MAX} lines: divide by resource noun"


def test_functions_are_short():
    long = [
        f"{name}: {node.name}"
        for name, node in nodes(ast.FunctionDef, ast.AsyncFunctionDef)
        if node.end_lineno - node.lineno >= FUNCTION_LINES_MAX
    ]
    assert not long, f"more than {FUNCTION_LINES_MAX} lines"


def undocumented(body: list[ast.stmt], where: str) -> Iterator[str]:
    for node in body:
        if isinstance(node, Definition) and not node.name.startswith("_"):
            if not ast.get_docstring(node):
                yield f"{where}{node.name}"
            if isinstance(node, ast.ClassDef):
                yield from undocumented(node.body, f"{where}{node.name}.")


def test_what_others_use_says_what_it_is():
    found = [f"{name}: the module" for name, tree in SOURCES.items() if tree.body and not ast.get_docstring(tree)]
    found += [one for name, tree in SOURCES.items() for one in undocumented(tree.body, f"{name}: ")]
    assert not found, "no docstring"


def test_names_say_something():
    named = [(name, Path(name).stem) for name in SOURCES]
    named += [(name, node.name) for name, node in nodes(ast.FunctionDef, ast.AsyncFunctionDef, ast.ClassDef)]
    banned = [f"{where}: {name}" for where, name in named if name not in GIVEN_NAMES and words(name) & BANNED_WORDS]
    assert not banned


def test_the_impure_is_touched_in_its_one_place():
    found = [
        f"{name} imports {module}"
        for name, node in nodes(ast.Import, ast.ImportFrom)
        for module in imports(node)
        if module in PLACES
        and not any(name == place or (place.endswith("/") and name.startswith(place)) for place in PLACES[module])
    ]
    assert not found


def test_nothing_reads_the_clock_by_another_door():
    found = [f"{name}: {ast.unparse(node)}" for name, node in nodes(ast.Call) if called(node) in CLOCKS]
    assert not found


def test_imports_stand_at_the_top():
    found = [
        f"{name}, line {inner.lineno}"
        for name, node in nodes(ast.FunctionDef, ast.AsyncFunctionDef)
        for inner in ast.walk(node)
        if isinstance(inner, ast.Import | ast.ImportFrom) and name not in LATE_IMPORTS
    ]
    assert not found, "a cycle is a mistake of the design, not a reason for a local import"


def test_no_test_sleeps():
    found = [
        f"{name}, line {node.lineno}"
        for name, tree in TESTS.items()
        for node in ast.walk(tree)
        if isinstance(node, ast.Call)
        and called(node) in {"time.sleep", "sleep", "asyncio.sleep"}
        and not (node.args and ast.unparse(node.args[0]) == "0")
    ]
    assert not found, "wait for a signal, or move the clock"
