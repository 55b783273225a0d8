"""The AWS SDK for JavaScript against a running server, in Node.js."""

import json
import re
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from tests.conftest import LiveServer

HERE = Path(__file__).parent / "javascript"
PAGE = Path(__file__).parents[2] / "docs/clients.md"
FOLDER = Path(sys.prefix) / "javascript-clients"
TEXTS = {
    "CreateSMSSandboxPhoneNumber", "DeleteSMSSandboxPhoneNumber", "ListSMSSandboxPhoneNumbers",
    "VerifySMSSandboxPhoneNumber",
}  # fmt: skip
"""Which the CLI tries."""


@pytest.fixture(scope="module")
def packages() -> Path:
    """A folder with what the lock file names; fetched once, into the environment of the tests."""
    node, npm = shutil.which("node"), shutil.which("npm")
    if node is None or npm is None:
        pytest.skip("this host has no Node.js with npm")
    lock = FOLDER / "node_modules/.installed-lock.json"
    if not lock.exists() or lock.read_bytes() != (HERE / "package-lock.json").read_bytes():
        FOLDER.mkdir(exist_ok=True)
        for name in ("package.json", "package-lock.json"):
            shutil.copy(HERE / name, FOLDER)
        done = subprocess.run(
            [npm, "ci", "--ignore-scripts", "--no-audit", "--no-fund", "--prefer-offline"], cwd=FOLDER,
            capture_output=True, text=True, timeout=300,
        )  # fmt: skip
        if done.returncode != 0:
            pytest.skip(f"npm cannot fetch the AWS SDK for JavaScript here: {done.stderr[-500:]}")
        shutil.copy(HERE / "package-lock.json", lock)
    return FOLDER


def run(packages: Path, node: LiveServer, script: Path) -> str:
    """What a script prints; fails where it fails."""
    shutil.copy(script, packages)
    done = subprocess.run(
        ["node", script.name], cwd=packages, env=node.environment(), capture_output=True, text=True, timeout=120
    )
    assert done.returncode == 0, done.stderr
    return done.stdout


def operations(node: LiveServer, service: str) -> set[str]:
    model: Any = node.client(service).meta.service_model
    return set(model.operation_names)


def test_sqs(packages: Path, node: LiveServer) -> None:
    assert set(json.loads(run(packages, node, HERE / "sqs.mjs"))) == operations(node, "sqs")


def test_sns(packages: Path, node: LiveServer) -> None:
    assert set(json.loads(run(packages, node, HERE / "sns.mjs"))) | TEXTS == operations(node, "sns")


def test_an_endpoint_validates_what_it_is_sent(packages: Path, node: LiveServer) -> None:
    assert run(packages, node, HERE / "endpoint.mjs") == "validated\n"


def test_the_pages_example(packages: Path, node: LiveServer, tmp_path: Path) -> None:
    (example,) = re.findall(r"^```js\n(.*?)^```", PAGE.read_text("utf-8"), re.MULTILINE | re.DOTALL)
    script = tmp_path / "example.mjs"
    script.write_text(example.replace("http://127.0.0.1:4566", node.url))
    assert run(packages, node, script) == "lamp\n"
