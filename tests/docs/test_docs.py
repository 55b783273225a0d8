"""Documentation is part of the product: every command in it runs, every page that is generated is current."""

import os
import re
import shlex
import subprocess
import sys
import tomllib
from dataclasses import fields
from importlib import import_module
from pathlib import Path
from types import ModuleType

import pytest
from tests.conftest import LiveServer, start_server
from tests.stores import new_database

from waypost.config import Config
from waypost.server import SERVICES
from waypost.store.schema_postgres import STORAGE

ROOT = Path(__file__).parents[2]
PAGES = sorted([*ROOT.glob("*.md"), *ROOT.glob("docs/**/*.md"), *ROOT.glob("examples/**/*.md")])


@pytest.fixture(scope="module")
def generator() -> ModuleType:
    sys.path.insert(0, str(ROOT / "tools"))
    try:
        return import_module("generate_docs")
    finally:
        sys.path.pop(0)


def test_generated_pages_are_current(generator: ModuleType) -> None:
    for path, page in generator.PAGES.items():
        assert (ROOT / path).read_text("utf-8") == page(), f"{path} differs from the code: run `make docs`"


def test_every_setting_says_what_it_is_for() -> None:
    for item in fields(Config):
        assert item.metadata["doc"].endswith("."), item.name


def test_every_limit_says_where_it_comes_from(generator: ModuleType) -> None:
    files = sorted((ROOT / "src/waypost/services").glob("*/limits.py"))
    assert len(files) >= 4
    missing = [
        f"{file.parent.name}: {name}" for file in files for name, _, meaning in generator.constants(file) if not meaning
    ]
    assert not missing


def test_every_operation_and_job_has_a_docstring() -> None:
    for service in SERVICES:
        for name, function in {**service.operations, **service.jobs}.items():
            assert function.__doc__, f"{service.name} {name}"


def test_operations_are_named_as_on_the_wire() -> None:
    for service in SERVICES:
        for name, function in service.operations.items():
            if ":" not in name:
                snake = re.sub(r"(?<=[a-z0-9])(?=[A-Z])|(?<=[A-Z])(?=[A-Z][a-z])", "_", name).lower()
                assert function.__name__ == snake, f"{service.name} {name}"


def test_links_lead_somewhere() -> None:
    for page in PAGES:
        for target in re.findall(r"\]\(([^)#]+)(?:#[^)]*)?\)", page.read_text("utf-8")):
            if "://" not in target:
                assert (page.parent / target).exists(), f"{page.name}: {target}"


def test_make_targets_that_are_mentioned_exist() -> None:
    targets = set(re.findall(r"^([a-z-]+):", (ROOT / "Makefile").read_text(), re.MULTILINE))
    for page in PAGES:
        for target in re.findall(r"(?:^|`)make ([a-z-]+)", page.read_text("utf-8"), re.MULTILINE):
            assert target in targets, f"{page.name}: make {target}"


def test_the_tables_with_storage_parameters_are_named() -> None:
    page = (ROOT / "docs/operating/scaling.md").read_text("utf-8")
    shown = {
        name
        for line in page.splitlines()
        if "vacuum from" in line
        for name in re.findall(r"`([a-z_]+)`", line.split("|")[1])
    }
    assert shown == set(STORAGE)


def blocks(page: str) -> list[str]:
    return re.findall(r"^```sh\n(.*?)^```", (ROOT / page).read_text("utf-8"), re.MULTILINE | re.DOTALL)


def test_the_readmes_five_minutes_run_as_written(tmp_path: Path) -> None:
    running: LiveServer = start_server(tmp_path / "data")
    port = running.url.rsplit(":", 1)[1]
    commands = [block for block in blocks("README.md") if "make " not in block]
    assert len(commands) >= 4
    script = "set -euo pipefail\n" + "\n".join(commands)
    script = script.replace(".venv/bin/waypost env", f"{sys.executable} -m waypost env --port {port}")
    script += "\necho tasks: $token\n"
    result = subprocess.run(
        ["bash", "-c", script],
        cwd=tmp_path,
        capture_output=True,
        text=True,
        timeout=120,
        env={"PATH": f"{Path(sys.executable).parent}:{os.environ['PATH']}", "HOME": str(tmp_path)},
    )
    assert result.returncode == 0, result.stdout + result.stderr
    for word in ("lamp", "TaskSubmitted", "TaskSucceeded", "ExecutionSucceeded"):
        assert word in result.stdout, result.stdout
    assert running.stop() == 0


def test_the_commands_for_several_nodes_run_as_written(tmp_path: Path) -> None:
    database = new_database()
    environment = {**os.environ, "PATH": f"{Path(sys.executable).parent}:{os.environ['PATH']}", "DATABASE": database}
    nodes: list[LiveServer] = []
    seen: set[str] = set()
    for line in "".join(blocks("docs/operating/postgresql.md")).splitlines():
        command = shlex.split(line)
        seen.add(" ".join(command[:2]))
        match command:
            case ["pip", "install", package]:
                # It is not on any index yet; that there is such an extra can be seen.
                project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
                assert package in {f"{project['name']}[{extra}]" for extra in project["optional-dependencies"]}
            case ["waypost", "serve", "--store", "$DATABASE", "--data", data, "--port", _]:
                nodes.append(start_server(tmp_path / data, "--store", database))
            case ["waypost", "status" | "migrate", *_]:
                port = nodes[0].url.rsplit(":", 1)[1]
                result = subprocess.run(
                    ["bash", "-c", line.replace("4566", port)],
                    env=environment, cwd=tmp_path, capture_output=True, text=True, timeout=60,
                )  # fmt: skip
                assert result.returncode == 0, result.stdout + result.stderr
            case _:
                pytest.fail(f"no test runs {line}")
    assert seen == {"pip install", "waypost serve", "waypost status", "waypost migrate"}
    assert [node.stop() for node in nodes] == [0, 0]
