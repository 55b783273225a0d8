"""The benchmark of churn runs, on little."""

import subprocess
import sys
from pathlib import Path

import pytest
from tests.stores import cluster

ROOT = Path(__file__).parents[2]


@pytest.mark.parametrize("more", [["--backlog", "100", "--hold"], ["--backlog", "32", "--fifo", "5"]])
def test_churn_measures_and_judges(more: list[str]) -> None:
    cluster()  # skips where there is no PostgreSQL
    done = subprocess.run(
        [sys.executable, "-m", "benchmarks.churn", "--cycles", "200", *more],
        cwd=ROOT, capture_output=True, text=True, timeout=120, check=False,
    )  # fmt: skip
    # So few cycles say nothing of growth: it judges, either way.
    assert done.returncode in {0, 1}, done.stdout + done.stderr
    assert "buffers/claim" in done.stdout
    assert done.stdout.splitlines()[-1] == ("flat", "it grew")[done.returncode]
    assert ("the snapshot is let go" in done.stdout) == ("--hold" in more)
