"""``make demo`` works: the example runs to its end in both languages, and says so when something is wrong."""

import os
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]


def run(*command: str, **environment: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, *command],
        env={**os.environ, **environment},
        capture_output=True,
        text=True,
        timeout=170,
        check=False,
    )


def test_the_demo_runs_in_both_languages(tmp_path: Path):
    done = run(str(ROOT / "tools" / "demo.py"), "--folder", str(tmp_path))
    assert done.returncode == 0, done.stdout + done.stderr
    assert "Every order ended as it should." in done.stdout
    for runtime in ("nodejs", "python"):
        assert f"=== Inventory in {runtime}" in done.stdout
    # Twelve timelines, each from its first to its last event.
    assert done.stdout.count("  ExecutionStarted") == 12
    assert done.stdout.count("  ExecutionSucceeded") == 10
    assert done.stdout.count("  ExecutionFailed") == 2
    assert "Traceback" not in (tmp_path / "server.log").read_text("utf-8")


def test_a_server_that_is_not_there_is_a_reason():
    example = str(ROOT / "examples" / "order-inventory" / "run.py")
    account = {"AWS_ACCESS_KEY_ID": "test", "AWS_SECRET_ACCESS_KEY": "test", "AWS_DEFAULT_REGION": "us-east-1"}
    done = run(example, "--endpoint-url", "http://127.0.0.1:1", **account, AWS_MAX_ATTEMPTS="1")
    assert done.returncode == 1
    assert "order-inventory: Could not connect" in done.stderr
