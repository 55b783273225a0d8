"""The benchmark cannot rot: tiny sizes, Waypost and the floor only, through the same entry as ``make bench``."""

import argparse
import asyncio
import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import benchmarks.run
import pytest
from benchmarks.scenarios import Gap
from tools.postgres import PostgresMissing, binaries

ROOT = Path(__file__).resolve().parents[2]


def quick(folder: Path, server: str) -> dict[str, Any]:
    """A quick run of one server; answers its document."""
    document = folder / "quick.json"
    run = subprocess.run(
        [sys.executable, "-m", "benchmarks", "--quick", "--servers", server, "--folder", str(folder),
         "--json", str(document)],
        cwd=ROOT, capture_output=True, text=True, timeout=240, check=False,
    )  # fmt: skip
    assert run.returncode == 0, run.stdout + run.stderr
    assert "MISSED" in run.stdout or "met" in run.stdout
    found: dict[str, Any] = json.loads(document.read_text("utf-8"))
    assert found["notes"] == {}
    return found


def test_a_quick_run_measures_everything(tmp_path: Path):
    found = quick(tmp_path, "waypost")
    for figure in (
        "start.empty_s", "sqs.cycles_per_s", "sqs.of_floor", "sqs_200.requests_per_s", "batch.messages_per_s",
        "ten_pass.executions_per_s", "ten_pass.alone_p50_ms", "callback.p50_ms", "callback.per_s",
        "invoke.warm_p50_ms", "invoke.cold_ms", "mapping.p50_ms", "start.200_s", "fifo.sends_per_s",
        "fifo.batch_messages_per_s", "fifo.cycles_per_s", "fifo.many_of_one", "fan_out.per_s", "fan_out.raw.of_floor",
        "fan_out.filtered.per_s", "fan_out.batch.per_s", "receives.messages_per_s", "counts.of_empty",
        "parked.messages_per_s", "parked.p99_ms", "parked.operations_per_message",
    ):  # fmt: skip
        assert found["results"]["waypost"][figure] > 0, figure
    assert found["results"]["floor"]["http.requests_per_s"] > 0


def test_a_quick_run_measures_everything_on_postgresql(tmp_path: Path):
    try:
        binaries()
    except PostgresMissing as missing:
        pytest.skip(str(missing))
    found = quick(tmp_path, "waypost-postgres")
    for figure in (
        "start.empty_s", "start.200_s", "sqs.cycles_per_s", "sqs.of_embedded", "sqs.database_cores",
        "batch.of_embedded", "ten_pass.of_embedded", "ten_pass.alone_p50_ms", "callback.p50_ms",
        "callback.of_embedded", "invoke.warm_p50_ms", "mapping.p50_ms", "sqs_200.of_empty", "nodes.two_of_one",
        "nodes.two_of_one_callback", "nodes.one.database_ms", "nodes.two_at_4", "wake.across_p50_ms",
        "wake.callback.p50_ms", "take_over.all_s", "take_over.jobs", "fifo.of_embedded", "fifo.many_of_one",
        "fan_out.of_embedded", "receives.messages_per_s", "counts.of_empty", "parked.p99_ms",
    ):  # fmt: skip
        assert found["results"]["waypost-postgres"][figure] > 0, figure
    assert found["postgresql"]["fsync"] == "on"
    assert any("4 cores" in remark for remark in found["remarks"])


def test_a_machine_without_postgresql_is_told_so(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
):
    def missing() -> None:
        raise PostgresMissing("no PostgreSQL here")

    monkeypatch.setattr(benchmarks.run, "Database", missing)
    asked = argparse.Namespace(
        quick=True, servers=["waypost-postgres"], only=None, folder=str(tmp_path), json=str(tmp_path / "quick.json"),
        keep=False, check=True,
    )  # fmt: skip
    assert asyncio.run(benchmarks.run.run(asked)) == 0
    assert "waypost-postgres, server: skipped: no PostgreSQL here" in capsys.readouterr().out


def test_a_request_with_a_gap_tells_its_length():
    fill = Gap(b"POST / HTTP/1.1\r\nContent-Length: 9\r\n\r\n<" + Gap.MARK.encode() + b">")
    for value in (b"a", b"bc", b"de"):
        assert fill(value) == b"POST / HTTP/1.1\r\nContent-Length: %d\r\n\r\n<%s>" % (len(value) + 2, value)
