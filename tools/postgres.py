"""A private, throw-away PostgreSQL: a cluster in a temporary folder, on a Unix socket of its own.

Tests and benchmarks use it; run as a program it prints the cluster's address and keeps it until Ctrl-C. Binaries come
from PATH, from the places where distributions put them, or from the package ``pgserver``. PostgreSQL does not run as
root: then it runs as nobody.
"""

import importlib.util
import os
import shutil
import signal
import subprocess
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import psycopg
from psycopg import sql

VERSION_MIN = 14
NOBODY = 65_534
PLACES = ("usr/lib/postgresql/*/bin", "usr/pgsql-*/bin", "opt/homebrew/opt/postgresql@*/bin", "usr/local/pgsql/bin")
SETTINGS = {
    "listen_addresses": "", "max_connections": "100", "shared_buffers": "64MB", "max_wal_size": "1GB",
    "dynamic_shared_memory_type": "mmap",
}  # fmt: skip
UNSYNCED = {"fsync": "off", "full_page_writes": "off"}


class PostgresMissing(Exception):  # noqa: N818 (a state of affairs)
    """There is no PostgreSQL to start. The message says what to install."""


def _as_nobody() -> dict[str, Any]:
    return {"user": NOBODY, "group": NOBODY, "extra_groups": ()} if os.geteuid() == 0 else {}


def _folders() -> Iterator[Path]:
    found = shutil.which("initdb")
    if found is not None:
        yield Path(found).resolve().parent
    for pattern in PLACES:
        yield from sorted(Path("/").glob(pattern), key=lambda folder: _number(str(folder)), reverse=True)
    package = importlib.util.find_spec("pgserver")
    if package is not None and package.origin is not None:
        yield Path(package.origin).parent / "pginstall" / "bin"


def _number(text: str) -> int:
    return int("".join(letter for letter in text if letter.isdigit()) or "0")


def binaries() -> Path:
    """The folder with PostgreSQL's programs; raises ``PostgresMissing``."""
    passed_over = []
    for folder in _folders():
        try:
            told = subprocess.run(
                [folder / "postgres", "--version"], capture_output=True, text=True, check=True, cwd="/", **_as_nobody()
            ).stdout
        except (OSError, subprocess.CalledProcessError) as error:
            passed_over.append(f"{folder}: {error}")
            continue
        if _number(told.partition(")")[2].split(".")[0]) >= VERSION_MIN:
            return folder
        passed_over.append(f"{folder}: {told.strip()}")
    raise PostgresMissing(
        f"no PostgreSQL {VERSION_MIN} or newer that this user can run: install one (apt install postgresql) or"
        f" `pip install pgserver`{''.join(f'; passed over {why}' for why in passed_over)}"
    )


class Cluster:
    """A running PostgreSQL that vanishes with ``close``. Without ``sync`` it is quick, its data worth nothing."""

    def __init__(self, *, sync: bool = False, **settings: str) -> None:
        """Make a cluster and start it; raises ``PostgresMissing``."""
        self._binaries = binaries()
        # Not under TMPDIR: the path of a socket has little more than a hundred characters.
        self.folder = Path(tempfile.mkdtemp(prefix="waypost-postgres-", dir="/tmp"))
        if os.geteuid() == 0:
            os.chown(self.folder, NOBODY, NOBODY)
        self._data = self.folder / "data"
        self._settings = {**SETTINGS, **({} if sync else UNSYNCED), **settings}
        self._settings["unix_socket_directories"] = str(self.folder)
        try:
            self._run("initdb", "-U", "waypost", "-A", "trust", "-E", "UTF8", "--locale=C", "-N")
            self.start()
        except BaseException:
            self.close()
            raise

    def _run(self, program: str, *arguments: str) -> None:
        done = subprocess.run(
            [self._binaries / program, "-D", self._data, *arguments],
            stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True, cwd=self.folder, check=False, **_as_nobody(),
        )  # fmt: skip
        if done.returncode != 0:
            raise PostgresMissing(f"{self._binaries / program} failed: {done.stderr.strip()}")

    def start(self) -> None:
        """Start the server, also after ``stop`` and ``kill``; it answers when this returns."""
        options = " ".join(f"-c {name}={value}" for name, value in self._settings.items())
        self._run("pg_ctl", "start", "-w", "-s", "-l", str(self.folder / "log"), "-o", options)

    def stop(self, mode: str = "fast") -> None:
        """Stop the server: ``fast`` breaks connections off, ``immediate`` is a crash."""
        self._run("pg_ctl", "stop", "-w", "-s", "-m", mode)

    def kill(self) -> None:
        """SIGKILL to the server; its other processes notice and end."""
        process = int((self._data / "postmaster.pid").read_text().split()[0])
        os.kill(process, signal.SIGKILL)

    @property
    def log(self) -> str:
        """What the server has said."""
        return (self.folder / "log").read_text()

    def url(self, database: str = "postgres") -> str:
        """The address of one of its databases."""
        return f"postgresql://waypost@/{database}?host={self.folder}"

    def create(self, database: str) -> str:
        """Make an empty database; answers its address."""
        with psycopg.connect(self.url(), autocommit=True) as connection:
            connection.execute(sql.SQL("CREATE DATABASE {}").format(sql.Identifier(database)))
        return self.url(database)

    def close(self) -> None:
        """Stop the server and delete everything."""
        if (self._data / "postmaster.pid").exists():
            self.stop("immediate")
        shutil.rmtree(self.folder, ignore_errors=True)


def main() -> None:
    """Keep a cluster until Ctrl-C."""
    try:
        cluster = Cluster(sync=True)
    except PostgresMissing as missing:
        raise SystemExit(str(missing)) from None
    print(cluster.url(), flush=True)
    try:
        signal.pause()
    except KeyboardInterrupt:
        cluster.close()


if __name__ == "__main__":
    main()
