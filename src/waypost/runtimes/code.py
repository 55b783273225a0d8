"""Function code on disk: each zip unpacked once, read-only, shared by all environments that run it."""

import asyncio
import base64
import binascii
import hashlib
import io
import json
import os
import shutil
import stat
import zipfile
from pathlib import Path
from typing import Protocol

from waypost.clock import Clock

UNZIPPED_MAX = 262_144_000
"""Bytes of a function's code once unpacked."""

UNUSED_DAYS_MAX = 7
"""How long code stays unpacked that nobody ran; the zip stays in the store."""

_BOOT_ID = Path("/proc/sys/kernel/random/boot_id")


class CodeStore(Protocol):
    """Where the zips are."""

    async def zip_of(self, code_sha256: str) -> bytes:
        """The zip of that digest."""
        ...


class CodeRefused(Exception):  # noqa: N818 (a state of affairs)
    """A zip that cannot be unpacked safely. The message says why."""


class CodeFolder:
    """The folder ``code``: one sub-folder for each digest.

    Beside them lie two things that Node.js finds on its way up from a function's files: ``package.json``, so that no
    project around the data folder decides what kind of module ``index.js`` is; and ``node_modules``, a link to the
    packages that AWS's runtime has, so that ``import`` and ``require`` both find the SDK.
    """

    def __init__(self, folder: Path, store: CodeStore, clock: Clock, node_modules: Path) -> None:
        self._folder = folder
        self._store = store
        self._clock = clock
        self._node_modules = node_modules
        self._ready: dict[tuple[str, ...], Path] = {}
        self._unpacking: dict[tuple[str, ...], asyncio.Future[Path]] = {}
        self._opened = False

    def ready(self, *digests: str) -> Path | None:
        """The folder of a digest, or of several in that order, that is unpacked already."""
        return self._ready.get(digests)

    async def of(self, *digests: str) -> Path:
        """The folder of a digest, or of several that were unpacked over one another, as layers are.

        Unpacked now if need be. Raises ``CodeRefused``, and what the store raises.
        """
        folder = self._ready.get(digests)
        if folder is not None:
            return folder
        unpacking = self._unpacking.get(digests)
        if unpacking is None:
            unpacking = asyncio.ensure_future(self._unpack(digests))
            self._unpacking[digests] = unpacking
            unpacking.add_done_callback(lambda _: self._unpacking.pop(digests, None))
        return await asyncio.shield(unpacking)

    async def _unpack(self, digests: tuple[str, ...]) -> Path:
        if not self._opened:
            self._open()
            self._opened = True
        folder = self._folder / folder_name(*digests)
        if not folder.is_dir():
            contents = [await self._store.zip_of(code_sha256) for code_sha256 in digests]
            await asyncio.to_thread(unpack, contents[0], folder, *contents[1:])
        used_s = self._clock.now_ms() / 1000
        os.utime(folder, (used_s, used_s))
        self._ready[digests] = folder
        return folder

    def _open(self) -> None:
        """Make the folder fit for use: drop what an earlier run left half done, and what has long been unused.

        Unpacked files are not synced to disk: they can be made again. So after a crash of the machine (a new boot)
        they are not believed.
        """
        oldest_s = self._clock.now_ms() / 1000 - UNUSED_DAYS_MAX * 86_400
        self._folder.mkdir(parents=True, exist_ok=True)
        boot = _BOOT_ID.read_text() if _BOOT_ID.exists() else ""
        marker = self._folder / "boot"
        same_boot = marker.exists() and marker.read_text() == boot
        for entry in self._folder.iterdir():
            if entry.is_symlink() or not entry.is_dir():
                continue
            if not same_boot or entry.suffix == _HALF or entry.stat().st_mtime < oldest_s:
                remove_tree(entry)
        marker.write_text(boot)
        (self._folder / "package.json").write_text("{}\n")
        link = self._folder / "node_modules"
        if link.is_symlink():
            link.unlink()
        link.symlink_to(self._node_modules)


_HALF = ".half"
"""Ends the name of a folder that is being unpacked."""


def folder_name(*digests: str) -> str:
    """A digest (base 64, as the API shows it, or hexadecimal) as a file name; several make one of their own."""
    found = [_digest(text) for text in digests]
    return found[0].hex() if len(found) == 1 else hashlib.sha256(b"".join(found)).hexdigest()


def _digest(code_sha256: str) -> bytes:
    try:
        digest = bytes.fromhex(code_sha256) if len(code_sha256) == 64 else base64.b64decode(code_sha256, validate=True)
    except (ValueError, binascii.Error):
        raise CodeRefused(f"{json.dumps(code_sha256)} is not a SHA-256 digest") from None
    if len(digest) != 32:
        raise CodeRefused(f"{json.dumps(code_sha256)} is not a SHA-256 digest")
    return digest


def unpack(content: bytes, folder: Path, *over: bytes) -> None:
    """Unpack a zip into ``folder``, and others over it; it appears whole or not at all. Raises ``CodeRefused``."""
    half = folder.with_name(folder.name + _HALF)
    if half.exists():
        remove_tree(half)
    half.mkdir(parents=True)
    try:
        for each in (content, *over):
            with zipfile.ZipFile(io.BytesIO(each)) as archive:
                _extract(archive, half.resolve())
        _close(half)
    except CodeRefused:
        remove_tree(half)
        raise
    except (zipfile.BadZipFile, zipfile.LargeZipFile, NotImplementedError, RuntimeError, EOFError, ValueError) as error:
        remove_tree(half)
        raise CodeRefused(f"the zip cannot be unpacked: {error}") from error
    except OSError as error:
        remove_tree(half)
        if isinstance(error, (NotADirectoryError, IsADirectoryError, FileExistsError)):
            raise CodeRefused(f"the zip names something both as a file and as a folder: {error.filename}") from error
        raise
    half.rename(folder)
    folder.chmod(0o555)


def _extract(archive: zipfile.ZipFile, root: Path) -> None:
    entries = archive.infolist()
    if sum(entry.file_size for entry in entries) > UNZIPPED_MAX:
        raise CodeRefused(f"Unzipped size must be smaller than {UNZIPPED_MAX} bytes")
    links = [link for entry in entries for link in _extract_entry(archive, entry, root)]
    # Links come last, so that no file is ever written through one.
    for target, points_to in links:
        _link(root, target, points_to)
    for target, points_to in links:
        if not target.resolve().is_relative_to(root):
            raise CodeRefused(f"the zip holds a link that leaves its folder: {target.name} -> {points_to}")


def _close(root: Path) -> None:
    """Folders are read-only once everything lies in them."""
    for path, _, _ in os.walk(root, topdown=False):
        if path != str(root):
            Path(path).chmod(0o555)


def _extract_entry(archive: zipfile.ZipFile, entry: zipfile.ZipInfo, root: Path) -> list[tuple[Path, str]]:
    """Write a file or a folder; answers a link, to be made later."""
    target = _place(root, entry.filename)
    mode = entry.external_attr >> 16
    if entry.is_dir():
        target.mkdir(parents=True, exist_ok=True)
    elif stat.S_ISLNK(mode):
        return [(target, archive.read(entry).decode("utf-8", "surrogateescape"))]
    elif stat.S_IFMT(mode) in (0, stat.S_IFREG):
        target.parent.mkdir(parents=True, exist_ok=True)
        target.unlink(missing_ok=True)
        with archive.open(entry) as source, target.open("wb") as sink:
            shutil.copyfileobj(source, sink, 1024 * 1024)
        target.chmod(0o555 if mode & 0o111 else 0o444)
    else:
        raise CodeRefused(f"the zip holds {json.dumps(entry.filename)}, which is neither file, folder nor link")
    return []


def _place(root: Path, name: str) -> Path:
    """Where an entry goes; refuses one that would land outside."""
    parts = name.split("/")
    if name.startswith("/") or ".." in parts or "\0" in name:
        raise CodeRefused(f"the zip holds a path that leaves its folder: {json.dumps(name)}")
    return root.joinpath(*[part for part in parts if part not in ("", ".")])


def _link(root: Path, target: Path, points_to: str) -> None:
    target.parent.mkdir(parents=True, exist_ok=True)
    parent = target.parent.resolve()
    aim = Path(os.path.normpath(parent / points_to))
    if not parent.is_relative_to(root) or not aim.is_relative_to(root):
        raise CodeRefused(f"the zip holds a link that leaves its folder: {target.name} -> {points_to}")
    target.unlink(missing_ok=True)
    target.symlink_to(points_to)


def remove_tree(folder: Path) -> None:
    """Remove a folder whose parts may be read-only; what cannot be removed stays."""
    for path, _, _ in os.walk(folder):
        try:
            Path(path).chmod(0o700)
        except OSError:
            continue
    shutil.rmtree(folder, ignore_errors=True)
