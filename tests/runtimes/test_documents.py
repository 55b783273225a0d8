"""What Lambda itself says."""

import json

import pytest

from waypost.runtimes import documents


@pytest.mark.parametrize(
    ("status", "reason"),
    [
        (0, "Runtime exited without providing a reason"),
        (1, "Runtime exited with error: exit status 1"),
        (-9, "Runtime exited with error: signal: killed"),
        (-11, "Runtime exited with error: signal: segmentation fault"),
        (-6, "Runtime exited with error: signal: aborted"),
        (-40, "Runtime exited with error: signal: signal 40"),
    ],
)
def test_how_a_runtime_ended(status, reason):
    document, line = documents.exited("r-1", status)
    assert json.loads(document) == {"errorType": "Runtime.ExitError", "errorMessage": f"RequestId: r-1 Error: {reason}"}
    assert line == f"RequestId: r-1 Error: {reason}\nRuntime.ExitError"


def test_a_timeout():
    document, line = documents.timed_out("r-1", 3000)
    assert json.loads(document) == {
        "errorType": "Sandbox.Timedout",
        "errorMessage": "RequestId: r-1 Error: Task timed out after 3.00 seconds",
    }
    assert line == "Task timed out after 3.00 seconds"


def test_the_report():
    line = documents.report("r-1", duration_ms=12.345, init_ms=100.2, memory_mb=128, used_mb=40)
    assert line == (
        "REPORT RequestId: r-1\tDuration: 12.35 ms\tBilled Duration: 113 ms\tMemory Size: 128 MB\t"
        "Max Memory Used: 40 MB\tInit Duration: 100.20 ms\t"
    )
    line = documents.report("r", duration_ms=1, init_ms=None, memory_mb=128, used_mb=4, status="error", error_type="X")
    assert line.endswith("Max Memory Used: 4 MB\tStatus: error\tError Type: X\t")


def test_names_and_instants():
    assert documents.log_stream(1_700_000_000_000, "$LATEST", "0f") == "2023/11/14/[$LATEST]0f"
    assert documents.timestamp(1_700_000_000_007) == "2023-11-14T22:13:20.007Z"
    assert documents.error_type_of(b'{"errorType": "A"}') == "A"
    assert (
        documents.error_type_of(b"[1]")
        == documents.error_type_of(b"{")
        == documents.error_type_of(b'{"errorType": 1}')
        == ""
    )
