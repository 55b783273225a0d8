"""The benchmark cannot rot: tiny sizes, Waypost and the floor only, through the same entry as ``make bench``."""

import json
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]


def test_a_quick_run_measures_everything(tmp_path: Path):
    document = tmp_path / "quick.json"
    run = subprocess.run(
        [sys.executable, "-m", "benchmarks", "--quick", "--folder", str(tmp_path), "--json", str(document)],
        cwd=ROOT, capture_output=True, text=True, timeout=120, check=False,
    )  # fmt: skip
    assert run.returncode == 0, run.stdout + run.stderr
    assert "MISSED" in run.stdout or "met" in run.stdout
    found = json.loads(document.read_text("utf-8"))
    assert found["notes"] == {}
    for figure in (
        "start.empty_s", "sqs.cycles_per_s", "sqs.of_floor", "sqs_200.requests_per_s", "ten_pass.executions_per_s",
        "ten_pass.alone_p50_ms", "callback.p50_ms", "invoke.warm_p50_ms",
        "invoke.cold_ms", "mapping.p50_ms", "start.200_s",
    ):  # fmt: skip
        assert found["results"]["waypost"][figure] > 0, figure
    assert found["results"]["floor"]["http.requests_per_s"] > 0
