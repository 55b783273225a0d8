"""The command line and the life of a server process, from outside."""

import json
import os
import socket
import sqlite3
import subprocess
import sys
import threading
import urllib.error
import urllib.request
from pathlib import Path

import pytest
from tests.conftest import LiveServer, start_server

from waypost import __version__
from waypost.config import Config, ConfigRefused, load


def run(
    *arguments: str, environment: dict[str, str] | None = None, cwd: Path | None = None
) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "waypost", *arguments],
        capture_output=True,
        text=True,
        timeout=30,
        env={**os.environ, **(environment or {})},
        cwd=cwd,
    )


def refused(result: subprocess.CompletedProcess[str]) -> str:
    assert result.returncode == 2, result.stderr
    assert result.stderr.count("\n") == 1, f"one clear line, not:\n{result.stderr}"
    return result.stderr


def test_a_taken_port_is_one_clear_line(tmp_path: Path) -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = taken.getsockname()[1]
        line = refused(run("serve", "--port", str(port), "--data", str(tmp_path)))
    assert line == f"waypost: cannot listen on 127.0.0.1:{port}: Address already in use\n"


def test_a_folder_in_use_is_one_clear_line(server: LiveServer) -> None:
    line = refused(run("serve", "--port", "0", "--data", str(server.data)))
    assert f"the data folder {server.data} is in use by another Waypost server (process {server.process.pid})" in line


def test_an_unwritable_folder_is_one_clear_line(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    assert "cannot write to the data folder" in refused(run("serve", "--port", "0", "--data", str(tmp_path / "file")))


def test_a_newer_schema_is_one_clear_line(tmp_path: Path) -> None:
    start_server(tmp_path / "data").stop()
    with sqlite3.connect(tmp_path / "data" / "waypost.db") as db:
        db.execute("UPDATE meta SET value = '9999' WHERE name = 'schema_version'")
    db.close()
    assert "schema version 9999" in refused(run("serve", "--port", "0", "--data", str(tmp_path / "data")))


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["--port", "abc"], "--port must be a whole number"),
        (["--port", "70000"], "--port must be between 0 and 65535"),
        (["--log-level", "loud"], "--log-level must be debug"),
        (["--config", "missing.toml"], "cannot read the configuration file missing.toml"),
        (["--host", "0.0.0.0"], "is not a loopback address"),
    ],
)
def test_a_bad_setting_is_one_clear_line(tmp_path: Path, arguments: list[str], words: str) -> None:
    assert words in refused(run("serve", "--data", str(tmp_path / "data"), *arguments, cwd=tmp_path))


def test_flags_win_over_environment_over_file(tmp_path: Path) -> None:
    file = tmp_path / "waypost.toml"
    file.write_text('port = 1\nhost = "::1"\ndata = "here"\n')
    config = load({"port": 3}, {"WAYPOST_PORT": "2", "WAYPOST_HOST": "localhost"}, str(file))
    assert (config.port, config.host, config.data) == (3, "localhost", "here")
    assert load({}, {}, str(file)).port == 1
    file.write_text("prot = 1\n")
    with pytest.raises(ConfigRefused, match="sets prot, which is not a setting"):
        load({}, {}, str(file))
    file.write_text("port = \n")
    with pytest.raises(ConfigRefused, match="is not TOML"):
        load({}, {}, str(file))
    assert Config().port == 4566


def test_env_prints_exports_that_a_shell_takes() -> None:
    result = subprocess.run(
        ["sh", "-c", f'eval "$({sys.executable} -m waypost env --port 4599)" && echo $AWS_ENDPOINT_URL $AWS_REGION'],
        capture_output=True,
        text=True,
        check=True,
    )
    assert result.stdout == "http://127.0.0.1:4599 us-east-1\n"


def test_health_and_status(server: LiveServer) -> None:
    health = server.get("health")
    assert health["status"] == "ready"
    assert {"sqs", "states", "lambda", "iam", "sts"} <= set(health["services"])
    port = server.url.rsplit(":", 1)[1]
    status = json.loads(run("status", "--port", port).stdout)
    assert status["process"] == server.process.pid
    assert status["store"]["kind"] in {"sqlite", "postgresql"}
    (node,) = status["nodes"]
    assert (node["id"], node["address"], node["version"]) == (status["node"], server.url, __version__)
    assert (node["leases"], status["leases"]) == (0, {})
    assert status["backlog"].keys() == {"jobs_due", "oldest_due_ms", "jobs_promised"}


def test_status_without_a_server_says_so() -> None:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    result = run("status", "--port", str(port))
    assert result.returncode == 1
    assert "no Waypost server answers" in result.stderr


def test_unknown_pages_and_methods(server: LiveServer) -> None:
    for path, method, status in (("nope", "GET", 404), ("health", "POST", 405)):
        with pytest.raises(urllib.error.HTTPError) as caught:
            urllib.request.urlopen(urllib.request.Request(f"{server.url}/_waypost/{path}", method=method))
        assert caught.value.code == status
        caught.value.close()


def test_reset_forgets_everything_but_not_for_a_browser(tmp_path: Path) -> None:
    running = start_server(tmp_path / "data")
    try:
        running.client("sqs").create_queue(QueueName="q")
        request = urllib.request.Request(
            f"{running.url}/_waypost/reset", method="POST", headers={"Origin": "http://evil"}
        )
        with pytest.raises(urllib.error.HTTPError) as caught:
            urllib.request.urlopen(request)
        assert caught.value.code == 403
        caught.value.close()
        assert "QueueUrls" in running.client("sqs").list_queues()
        port = running.url.rsplit(":", 1)[1]
        assert run("reset", "--port", port).returncode == 2, "it asks before it forgets"
        result = run("reset", "--port", port, "--yes")
        assert (result.returncode, result.stdout) == (0, "empty\n")
        assert "QueueUrls" not in running.client("sqs").list_queues()
        running.client("sqs").create_queue(QueueName="q")
    finally:
        assert running.stop() == 0
    result = run("reset", "--port", port, "--data", str(tmp_path / "data"), "--yes")
    assert (result.returncode, result.stdout) == (0, "empty\n")
    assert not (tmp_path / "data" / "waypost.db").exists()


def test_sigterm_answers_who_waits_and_keeps_what_was_acknowledged(tmp_path: Path) -> None:
    running = start_server(tmp_path / "data")
    sqs = running.client("sqs")
    url = sqs.create_queue(QueueName="q")["QueueUrl"]
    other = sqs.create_queue(QueueName="empty")["QueueUrl"]
    sqs.send_message(QueueUrl=url, MessageBody="kept")
    answers: list[dict[str, object]] = []
    waiting = threading.Thread(target=lambda: answers.append(sqs.receive_message(QueueUrl=other, WaitTimeSeconds=20)))
    waiting.start()
    while running.get("status")["parked"] < 1:
        pass
    assert running.stop() == 0
    waiting.join(timeout=10)
    assert len(answers) == 1
    assert "Messages" not in answers[0]
    again = start_server(tmp_path / "data")
    moved = url.replace(running.url, again.url)
    assert again.client("sqs").receive_message(QueueUrl=moved)["Messages"][0]["Body"] == "kept"
    assert again.stop() == 0


def test_accounts_and_regions_are_separate(server: LiveServer) -> None:
    url = server.client("sqs", account="111111111111").create_queue(QueueName="mine")["QueueUrl"]
    assert url == f"{server.url}/111111111111/mine"
    assert "QueueUrls" not in server.client("sqs", account="222222222222").list_queues(QueueNamePrefix="mine")
    assert "QueueUrls" not in server.client("sqs", account="111111111111", region="eu-west-1").list_queues(
        QueueNamePrefix="mine"
    )
    assert server.client("sts", account="not-twelve-digits").get_caller_identity()["Account"] == "000000000000"
    assert server.client("sts", account="111111111111").get_caller_identity()["Arn"] == "arn:aws:iam::111111111111:root"
