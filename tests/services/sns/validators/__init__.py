"""Libraries that subscribers check SNS's signatures with, each in a process of its own.

They are fetched once, into the environment of the tests. Where that cannot be done, their tests are skipped, and say
so.
"""

import functools
import json
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

HERE = Path(__file__).parent
FETCHED = Path(sys.prefix) / "sns-validators"
PYTHON = ["sns-message-validator==0.0.1", "requests==2.32.5", "idna==3.10", "certifi==2025.8.3"]
"""The validator asks for a release of ``cryptography`` of 2019; it runs with the one that is there."""
CHARSET = "charset-normalizer==3.4.3"


def _run(command: list[str], folder: Path) -> None:
    try:
        subprocess.run(command, cwd=folder, check=True, capture_output=True, text=True, timeout=300)
    except (OSError, subprocess.SubprocessError) as error:
        pytest.skip(f"cannot be fetched here: {command[0]}: {getattr(error, 'stderr', None) or error}")


@functools.cache
def _node() -> Path:
    node, npm = shutil.which("node"), shutil.which("npm")
    if node is None or npm is None:
        pytest.skip("this host has no Node.js with npm")
    folder = FETCHED / "node"
    if not (folder / "node_modules/sns-validator").exists():
        folder.mkdir(parents=True, exist_ok=True)
        for name in ("package.json", "package-lock.json"):
            shutil.copy(HERE / name, folder)
        _run([npm, "ci", "--ignore-scripts", "--no-audit", "--no-fund"], folder)
    shutil.copy(HERE / "check.cjs", folder)
    return folder


@functools.cache
def _python() -> Path:
    folder = FETCHED / "python"
    if not (folder / "sns_message_validator").exists():
        folder.mkdir(parents=True, exist_ok=True)
        pip = [sys.executable, "-m", "pip", "install", "--quiet", "--no-deps", "--target", str(folder)]
        _run([*pip, *PYTHON, CHARSET], folder)
    return folder


def by_node(texts: list[str]) -> list[str | None]:
    """What ``sns-validator``, AWS's own, has to say of envelopes; None of one that it accepts."""
    return _complaints(["node", "check.cjs"], _node(), texts)


def by_python(texts: list[str]) -> list[str | None]:
    """What ``sns-message-validator`` has to say of envelopes; it knows SignatureVersion 1 alone."""
    return _complaints([sys.executable, str(HERE / "check.py")], _python(), texts, PYTHONPATH=str(_python()))


def _complaints(command: list[str], folder: Path, texts: list[str], **environment: str) -> list[str | None]:
    done = subprocess.run(
        command, cwd=folder, input=json.dumps(texts), capture_output=True, text=True, timeout=120, check=False,
        env={"PATH": str(Path(shutil.which(command[0]) or "").parent), **environment},
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    complaints = json.loads(done.stdout)
    assert len(complaints) == len(texts)
    return complaints
