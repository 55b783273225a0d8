"""Zips, unpacked with care."""

import asyncio
import io
import stat
import zipfile
from pathlib import Path

import pytest
from tests.runtimes.hosting import digest, zipped

from waypost.clock import Clock, SystemClock
from waypost.runtimes.code import UNZIPPED_MAX, CodeFolder, CodeRefused, folder_name, unpack
from waypost.testing.clock import VirtualClock


class Zips:
    """A code store that counts."""

    def __init__(self) -> None:
        self.zips: dict[str, bytes] = {}
        self.fetched = 0

    def add(self, content: bytes) -> str:
        self.zips[digest(content)] = content
        return digest(content)

    async def zip_of(self, code_sha256: str) -> bytes:
        self.fetched += 1
        await asyncio.sleep(0)
        return self.zips[code_sha256]


def entry(name: str, mode: int) -> zipfile.ZipInfo:
    """A zip's entry with a Unix mode."""
    info = zipfile.ZipInfo(name)
    info.create_system = 3
    info.external_attr = mode << 16
    return info


def with_entries(*entries: tuple[zipfile.ZipInfo, bytes]) -> bytes:
    content = zipped({"near/file": "inside"})
    sink = io.BytesIO(content)
    with zipfile.ZipFile(sink, "a") as archive:
        for info, data in entries:
            archive.writestr(info, data)
    return sink.getvalue()


def link(name: str, points_to: str) -> tuple[zipfile.ZipInfo, bytes]:
    return entry(name, stat.S_IFLNK | 0o777), points_to.encode()


def test_files_are_read_only_and_keep_their_execute_bit(tmp_path):
    content = with_entries((entry("run.sh", stat.S_IFREG | 0o755), b"#!/bin/sh"), (entry("secret", 0o100600), b"s"))
    unpack(content, tmp_path / "code")
    modes = {path.name: stat.S_IMODE(path.stat().st_mode) for path in (tmp_path / "code").rglob("*")}
    assert modes == {"near": 0o555, "file": 0o444, "run.sh": 0o555, "secret": 0o444}
    assert stat.S_IMODE((tmp_path / "code").stat().st_mode) == 0o555


@pytest.mark.parametrize("name", ["../out", "/etc/out", "near/../../out", ".."])
def test_paths_that_leave_the_folder_are_refused(tmp_path, name):
    with pytest.raises(CodeRefused, match="a path that leaves its folder"):
        unpack(with_entries((entry(name, 0o100644), b"x")), tmp_path / "a/code")
    assert not list(tmp_path.rglob("out"))
    assert not (tmp_path / "a/code").exists()
    assert not list((tmp_path / "a").iterdir())


def test_links_inside_the_folder_work(tmp_path):
    unpack(with_entries(link("bin/tool", "../near/file"), link("dir", "near")), tmp_path / "code")
    assert (tmp_path / "code/bin/tool").read_text() == "inside"
    assert (tmp_path / "code/dir/file").read_text() == "inside"


@pytest.mark.parametrize(
    "entries",
    [
        [link("out", "/etc")],
        [link("out", "../..")],
        [link("here", "."), link("here/up", "..")],
        [link("a", "b/.."), link("b", "..")],
        [link("out", "/etc"), (entry("out/passwd", 0o100644), b"x")],
    ],
)
def test_links_that_leave_the_folder_are_refused(tmp_path, entries):
    (tmp_path / "a").mkdir()
    with pytest.raises(CodeRefused):
        unpack(with_entries(*entries), tmp_path / "a/code")
    assert not list((tmp_path / "a").iterdir())


def test_devices_are_refused(tmp_path):
    with pytest.raises(CodeRefused, match="neither file, folder nor link"):
        unpack(with_entries((entry("null", stat.S_IFCHR | 0o666), b"")), tmp_path / "code")


@pytest.mark.parametrize("content", [b"", b"not a zip", zipped({"a": "x"})[:-30]])
def test_what_is_not_a_zip_is_refused(tmp_path, content):
    with pytest.raises(CodeRefused, match="cannot be unpacked"):
        unpack(content, tmp_path / "code")


def test_a_damaged_zip_is_refused(tmp_path):
    content = bytearray(zipped({"index.py": "x" * 1000}))
    content[45] ^= 0xFF
    with pytest.raises(CodeRefused, match="cannot be unpacked"):
        unpack(bytes(content), tmp_path / "code")
    assert not list(tmp_path.iterdir())


def test_a_name_that_is_file_and_folder_is_refused(tmp_path):
    content = with_entries((entry("near/file/below", 0o100644), b"x"))
    with pytest.raises(CodeRefused, match="both as a file and as a folder"):
        unpack(content, tmp_path / "code")


def test_the_unpacked_size_is_bounded(tmp_path):
    content = zipped({name: bytes(UNZIPPED_MAX // 2 + 1) for name in "ab"})
    with pytest.raises(CodeRefused, match="Unzipped size must be smaller than 262144000 bytes"):
        unpack(content, tmp_path / "code")


def test_the_name_of_a_folder_is_safe():
    sha = "+/8" + "A" * 40 + "="
    assert folder_name(sha) == "fbff" + "0" * 60
    assert folder_name("0f" * 32) == "0f" * 32
    for bad in ("", "../../etc", "AAAA", "zz" * 32):
        with pytest.raises(CodeRefused, match="not a SHA-256 digest"):
            folder_name(bad)


async def opened(folder: Path, zips: Zips, clock: Clock | None = None) -> CodeFolder:
    return CodeFolder(folder / "code", zips, clock or SystemClock(), folder / "node_modules")


def test_callers_at_once_share_one_unpacking(tmp_path):
    zips = Zips()
    sha = zips.add(zipped({"index.py": ""}))

    async def story():
        code = await opened(tmp_path, zips)
        assert code.ready(sha) is None
        found = await asyncio.gather(*[code.of(sha) for _ in range(20)])
        assert len(set(found)) == 1
        assert code.ready(sha) == found[0]
        again = await (await opened(tmp_path, zips)).of(sha)
        assert again == found[0]

    asyncio.run(story())
    assert zips.fetched == 1


def test_a_caller_that_leaves_does_not_take_it_from_the_others(tmp_path):
    zips = Zips()
    sha = zips.add(zipped({"index.py": ""}))

    async def story():
        code = await opened(tmp_path, zips)
        first, second = asyncio.ensure_future(code.of(sha)), asyncio.ensure_future(code.of(sha))
        await asyncio.sleep(0)
        first.cancel()
        assert (await second / "index.py").exists()

    asyncio.run(story())


def test_what_an_earlier_run_left_half_done_is_dropped(tmp_path):
    zips = Zips()
    sha = zips.add(zipped({"index.py": "new"}))
    half = tmp_path / "code" / (folder_name(sha) + ".half")
    half.mkdir(parents=True)
    (half / "index.py").write_text("half")

    async def story():
        code = await opened(tmp_path, zips)
        assert (await code.of(sha) / "index.py").read_text() == "new"

    asyncio.run(story())
    assert not half.exists()


def test_after_a_new_boot_nothing_is_believed(tmp_path):
    """Files are not synced: a machine that crashed may have lost any of them."""
    zips = Zips()
    sha = zips.add(zipped({"index.py": "whole"}))

    async def story():
        folder = await (await opened(tmp_path, zips)).of(sha)
        (folder / "index.py").chmod(0o600)
        (folder / "index.py").write_text("")
        (tmp_path / "code/boot").write_text("an earlier one")
        folder = await (await opened(tmp_path, zips)).of(sha)
        assert (folder / "index.py").read_text() == "whole"

    asyncio.run(story())
    assert zips.fetched == 2


def test_code_that_nobody_ran_for_long_is_dropped(tmp_path):
    zips, clock = Zips(), VirtualClock()
    often, seldom = zips.add(zipped({"index.py": "1"})), zips.add(zipped({"index.py": "2"}))

    async def story():
        first = await opened(tmp_path, zips, clock)
        folders = [await first.of(sha) for sha in (often, seldom)]
        clock.advance(6 * 86_400_000)
        second = await opened(tmp_path, zips, clock)
        await second.of(often)
        clock.advance(2 * 86_400_000)
        third = await opened(tmp_path, zips, clock)
        await third.of(often)
        return [folder.exists() for folder in folders]

    assert asyncio.run(story()) == [True, False]
    assert zips.fetched == 2


def test_a_failure_is_not_remembered(tmp_path):
    zips = Zips()
    content = zipped({"index.py": ""})

    async def story():
        code = await opened(tmp_path, zips)
        with pytest.raises(KeyError):
            await code.of(digest(content))
        sha = zips.add(content)
        assert (await code.of(sha)).is_dir()

    asyncio.run(story())


def test_zips_are_unpacked_over_one_another(tmp_path):
    """As the layers of a function are: the last one that brings a file wins."""
    first = zipped({"both": "first", "near/one": "1"})
    unpack(first, tmp_path / "opt", zipped({"both": "second", "near/two": "2"}))
    found = {
        str(path.relative_to(tmp_path / "opt")): path.read_text()
        for path in (tmp_path / "opt").rglob("*o*")
        if path.is_file()
    }
    assert found == {"both": "second", "near/one": "1", "near/two": "2"}
    assert stat.S_IMODE((tmp_path / "opt/near").stat().st_mode) == 0o555


def test_a_layer_writes_nothing_outside_through_another_ones_link(tmp_path):
    (tmp_path / "outside").mkdir()
    first = with_entries(link("out", "../outside"))
    with pytest.raises(CodeRefused, match="leaves its folder"):
        unpack(first, tmp_path / "opt", zipped({"out/file": "x"}))
    inside = with_entries(link("in", "near"))
    unpack(inside, tmp_path / "opt", zipped({"in/other": "x"}))
    assert (tmp_path / "opt/near/other").read_text() == "x"
    assert list((tmp_path / "outside").iterdir()) == []


def test_the_order_of_layers_names_the_folder():
    one, two = digest(b"1"), digest(b"2")
    assert len({folder_name(one), folder_name(two), folder_name(one, two), folder_name(two, one)}) == 4
