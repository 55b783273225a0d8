"""Python functions, in real processes with AWS's own client."""

import asyncio
import base64
import json
import os
from pathlib import Path

import msgspec
import pytest
from tests.runtimes.hosting import PYTHON, Host, Watched, has, hosted

OTHERS = [
    pytest.param(name, marks=() if has(name) else pytest.mark.skip(f"this host has no {name}"))
    for name in ("python3.10", "python3.11", "python3.12", "python3.13", "python3.14")
    if name != PYTHON
]


def value(outcome):
    assert outcome.function_error == "", outcome.payload
    return json.loads(outcome.payload)


def failure(outcome):
    assert outcome.function_error == "Unhandled"
    return json.loads(outcome.payload)


@hosted()
async def test_a_function_gets_its_event_and_context(host: Host):
    spec = host.python(
        """
def handler(event, context):
    left = context.get_remaining_time_in_millis()
    return {
        "event": event, "id": context.aws_request_id, "arn": context.invoked_function_arn,
        "name": context.function_name,
        "version": context.function_version, "memory": context.memory_limit_in_mb, "group": context.log_group_name,
        "stream": context.log_stream_name, "left": 15_000 < left <= 20_000, "custom": context.client_context.custom,
    }
"""
    )
    outcome = await host.invoke(
        spec,
        b'{"n": 1.5, "t": "\xc3\xa4"}',
        request_id="11111111-2222-3333-4444-555555555555",
        invoked_arn=spec.arn + ":live",
        client_context=base64.b64encode('{"custom": {"k": "ü😀"}}'.encode()).decode(),
    )
    ((group, stream),) = host.streams
    assert value(outcome) == {
        "event": {"n": 1.5, "t": "ä"},
        "id": "11111111-2222-3333-4444-555555555555",
        "arn": spec.arn + ":live",
        "name": "f",
        "version": "$LATEST",
        "memory": "128",
        "group": group,
        "stream": stream,
        "left": True,
        "custom": {"k": "ü😀"},
    }
    assert group == "/aws/lambda/f"
    assert outcome.init_ms is not None
    assert outcome.duration_ms > 0


@hosted()
async def test_an_empty_payload_is_an_empty_object(host: Host):
    assert value(await host.invoke(host.python("def handler(event, context): return event"), b"")) == {}


@hosted()
async def test_the_environment_is_that_of_lambda_and_nothing_else(host: Host, monkeypatch):
    monkeypatch.setenv("SECRET_OF_THE_SERVER", "leaked")
    monkeypatch.setenv("PYTHONPATH", "/leaked")
    spec = host.python(
        "import os\ndef handler(event, context): return dict(os.environ)",
        environment={"TABLE": "orders", "TZ": "Europe/Berlin"},
    )
    variables = value(await host.invoke(spec, trace="Root=1-5759e988-bd862e3fe1be46a994272793;Sampled=0"))
    ((_, stream),) = host.streams
    assert variables.pop("AWS_LAMBDA_RUNTIME_API").startswith("127.0.0.1:")
    home = variables.pop("HOME")
    assert variables.pop("TMPDIR") == home
    assert variables.pop("PATH") == os.environ["PATH"]
    assert variables.pop("LAMBDA_RUNTIME_DIR").endswith("waypost/runtimes")
    root = variables.pop("LAMBDA_TASK_ROOT")
    assert root.startswith(str(host.folder / "code"))
    assert variables.pop("LD_LIBRARY_PATH") == f"{root}:{root}/lib"
    variables.pop("LC_CTYPE", None)  # Python's own, where the locale is not installed
    assert variables == {
        "TABLE": "orders",
        "TZ": "Europe/Berlin",
        "LANG": "en_US.UTF-8",
        "AWS_ACCESS_KEY_ID": "AK",
        "AWS_SECRET_ACCESS_KEY": "SK",
        "AWS_SESSION_TOKEN": "ST",
        "AWS_REGION": "eu-west-1",
        "AWS_DEFAULT_REGION": "eu-west-1",
        "AWS_ENDPOINT_URL": "http://127.0.0.1:9",
        "AWS_DISABLE_HOST_PREFIX_INJECTION": "true",
        "AWS_EXECUTION_ENV": f"AWS_Lambda_{PYTHON}",
        "AWS_LAMBDA_FUNCTION_MEMORY_SIZE": "128",
        "AWS_LAMBDA_FUNCTION_NAME": "f",
        "AWS_LAMBDA_FUNCTION_VERSION": "$LATEST",
        "AWS_LAMBDA_INITIALIZATION_TYPE": "on-demand",
        "AWS_LAMBDA_LOG_GROUP_NAME": "/aws/lambda/f",
        "AWS_LAMBDA_LOG_STREAM_NAME": stream,
        "_HANDLER": "index.handler",
        "_X_AMZN_TRACE_ID": "Root=1-5759e988-bd862e3fe1be46a994272793;Sampled=0",
    }


@hosted()
async def test_a_function_sees_its_code_and_the_sdk_but_not_the_server(host: Host):
    spec = host.spec(
        {
            "app/main.py": """
import importlib.util, os, sys, tempfile
from lib import near
NAMES = ("waypost", "uvicorn", "msgspec", "boto3", "botocore", "six")
def handler(event, context):
    with open(os.path.join(tempfile.gettempdir(), "x"), "w") as file:
        file.write("written")
    return {
        "near": near.NAME, "cwd": os.getcwd() == os.environ["LAMBDA_TASK_ROOT"],
        "tmp": tempfile.gettempdir() == os.environ["HOME"],
        "modules": [name for name in NAMES if importlib.util.find_spec(name)],
        "six": __import__("six").__version__, "quit": exit.__class__.__name__,
    }
""",
            "lib/near.py": "NAME = 'near'",
            "six.py": "__version__ = 'mine'",
        },
        handler="app/main.handler",
    )
    assert value(await host.invoke(spec)) == {
        "near": "near",
        "cwd": True,
        "tmp": True,
        "modules": ["boto3", "botocore", "six"],
        "six": "mine",
        "quit": "Quitter",
    }


@hosted()
async def test_boto3_speaks_to_the_server_as_the_functions_role(host: Host):
    heard = asyncio.get_running_loop().create_future()

    async def serve(reader, writer):
        head = await reader.readuntil(b"\r\n\r\n")
        writer.write(b'HTTP/1.1 200 OK\r\nContent-Length: 16\r\nConnection: close\r\n\r\n{"QueueUrls":[]}')
        await writer.drain()
        writer.close()
        heard.set_result(head.decode())

    server = await asyncio.start_server(serve, "127.0.0.1", 0)
    url = f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}"
    spec = host.python(
        "import boto3\n"
        "def handler(event, context):\n"
        "    return boto3.client('sqs').list_queues()['ResponseMetadata']['HTTPStatusCode']",
        memory_mb=256,
    )
    assert value(await host.invoke(spec, endpoint_url=url)) == 200
    head = await heard
    assert "X-Amz-Target: AmazonSQS.ListQueues" in head
    assert "Credential=AK/" in head
    assert "/eu-west-1/sqs/" in head
    assert "X-Amz-Security-Token: ST" in head
    server.close()


@hosted()
async def test_an_environment_stays_warm(host: Host):
    spec = host.python("count = 0\ndef handler(event, context):\n    global count\n    count += 1\n    return count")
    first, second = await host.invoke(spec), await host.invoke(spec)
    assert (value(first), value(second)) == (1, 2)
    assert first.init_ms is not None
    assert second.init_ms is None
    assert host.fetched == 1


@hosted()
async def test_logs_are_lines_with_start_end_and_report(host: Host):
    spec = host.python(
        """
import logging, os, sys
print("at init")
def handler(event, context):
    print("printed")
    print("to stderr", file=sys.stderr)
    logging.getLogger().warning("first line\\nsecond line")
    os.system("echo from a child")
    sys.stdout.write("no end of line")
"""
    )
    outcome = await host.invoke(spec, request_id="r-1")
    start, printed, stderr, warning, child, rest, end, report = host.lines[-8:]
    assert host.lines[0].startswith("INIT_START Runtime Version: python:3.")
    assert host.lines[1] == "at init"
    assert start == "START RequestId: r-1 Version: $LATEST"
    assert (printed, stderr, child, rest) == ("printed", "to stderr", "from a child", "no end of line")
    assert warning.startswith("[WARNING]\t20")
    assert warning.endswith("Z\tr-1\tfirst line\nsecond line")
    assert end == "END RequestId: r-1"
    fields = dict(field.split(": ") for field in report.removeprefix("REPORT ").rstrip("\t").split("\t"))
    assert list(fields) == [
        "RequestId", "Duration", "Billed Duration", "Memory Size", "Max Memory Used", "Init Duration",
    ]  # fmt: skip
    assert fields["Memory Size"] == "128 MB"
    assert 5 < int(fields["Max Memory Used"].split()[0]) < 60
    assert outcome.log.decode() == "".join(line + "\n" for line in host.lines[-8:])

    again = await host.invoke(spec, request_id="r-2")
    assert "Init Duration" not in again.log.decode()
    assert again.log.startswith(b"START RequestId: r-2")
    assert len(host.streams) == 1


@hosted()
async def test_the_tail_of_a_long_log_is_4_kb(host: Host):
    outcome = await host.invoke(host.python("def handler(event, context): print('x' * 99_999)"))
    assert len(outcome.log) == 4096
    assert b"x\nEND RequestId: " in outcome.log


@hosted()
async def test_an_exception_is_a_document_and_the_environment_lives_on(host: Host):
    spec = host.python("class Sad(Exception): pass\ndef handler(event, context):\n    raise Sad('no ' + event['what'])")
    outcome = await host.invoke(spec, b'{"what": "stock"}', request_id="r-1")
    document = failure(outcome)
    assert document["errorMessage"] == "no stock"
    assert document["errorType"] == "Sad"
    assert document["requestId"] == "r-1"
    assert "index.py" in document["stackTrace"][0]
    assert host.log_has("[ERROR] Sad: no stock\nTraceback (most recent call last):")
    again = await host.invoke(spec, b'{"what": "luck"}')
    assert failure(again)["errorMessage"] == "no luck"
    assert again.init_ms is None


@pytest.mark.parametrize(
    ("source", "handler", "error_type", "message"),
    [
        (
            "import nowhere",
            "index.handler",
            "Runtime.ImportModuleError",
            "Unable to import module 'index': No module named 'nowhere'",
        ),
        (
            "",
            "absent.handler",
            "Runtime.ImportModuleError",
            "Unable to import module 'absent': No module named 'absent'",
        ),
        ("def handler(:", "index.handler", "Runtime.UserCodeSyntaxError", "Syntax error in module 'index': "),
        ("", "index.handler", "Runtime.HandlerNotFound", "Handler 'handler' missing on module 'index'"),
        ("", "handler", "Runtime.MalformedHandlerName", "Bad handler 'handler': "),
        ("1 / 0", "index.handler", "ZeroDivisionError", "division by zero"),
    ],
)
@hosted()
async def test_a_function_that_cannot_start(host: Host, source, handler, error_type, message):
    outcome = await host.invoke(host.python(source, handler=handler), request_id="r-1")
    document = failure(outcome)
    assert document["errorType"] == error_type
    assert document["errorMessage"].startswith(message)
    assert host.log_has("INIT_REPORT Init Duration: ")
    assert f"Status: error\tError Type: {error_type}" in host.lines[-1]
    assert outcome.log.decode().endswith(host.lines[-1] + "\n")
    assert b"START RequestId: r-1" in outcome.log
    assert host.runtimes.environments == 0


@pytest.mark.parametrize(
    ("statement", "reason"),
    [
        ("sys.exit(0)", "Runtime exited without providing a reason"),
        ("os._exit(3)", "Runtime exited with error: exit status 3"),
        ("os.kill(os.getpid(), 9)", "Runtime exited with error: signal: killed"),
        ("os.abort()", "Runtime exited with error: signal: aborted"),
    ],
)
@hosted()
async def test_a_runtime_that_exits(host: Host, statement, reason):
    spec = host.python(f"import os, sys\ndef handler(event, context):\n    if event: {statement}\n    return 'alive'")
    outcome = await host.invoke(spec, b"[1]", request_id="r-1")
    assert failure(outcome) == {"errorType": "Runtime.ExitError", "errorMessage": f"RequestId: r-1 Error: {reason}"}
    assert f"RequestId: r-1 Error: {reason}\nRuntime.ExitError" in host.lines
    assert host.lines[-1].endswith("Status: error\tError Type: Runtime.ExitError\t")
    assert host.runtimes.environments == 0
    replaced = await host.invoke(spec, b"[]")
    assert value(replaced) == "alive"
    assert replaced.init_ms is not None


@hosted()
async def test_a_runtime_that_exits_while_it_starts(host: Host):
    outcome = await host.invoke(host.python("import os; os._exit(7)"))
    assert failure(outcome)["errorType"] == "Runtime.ExitError"
    assert failure(outcome)["errorMessage"].endswith("Error: Runtime exited with error: exit status 7")


@hosted()
async def test_a_timeout_kills_everything_the_function_started(host: Host):
    spec = host.python(
        """
import os, subprocess, threading
def handler(event, context):
    child = subprocess.Popen(["sleep", "600"])
    print("child", child.pid)
    threading.Event().wait()
""",
        timeout_ms=300,
    )
    running = asyncio.ensure_future(host.invoke(spec, request_id="r-1"))
    child = Watched(int((await host.saw("child ")).split()[1]))
    outcome = await running
    assert failure(outcome) == {
        "errorType": "Sandbox.Timedout",
        "errorMessage": "RequestId: r-1 Error: Task timed out after 0.30 seconds",
    }
    assert host.log_has("Z r-1 Task timed out after 0.30 seconds")
    assert host.lines[-1].endswith("\tStatus: timeout\t")
    assert outcome.duration_ms >= 299
    child.end()


@hosted()
async def test_a_response_over_the_limit(host: Host):
    spec = host.python("def handler(event, context): return 'x' * event")
    limit = 6_291_556
    assert len((await host.invoke(spec, str(limit - 2).encode())).payload) == limit
    outcome = await host.invoke(spec, str(limit - 1).encode())
    assert failure(outcome) == {
        "errorType": "Function.ResponseSizeTooLarge",
        "errorMessage": "Response payload size exceeded maximum allowed payload size (6291556 bytes).",
    }
    assert len((await host.invoke(spec, b"10")).payload) == 12


@hosted()
async def test_a_large_event_arrives_whole(host: Host):
    event = json.dumps(["x" * 6_000_000]).encode()
    assert (
        value(await host.invoke(host.python("def handler(event, context): return len(event[0])"), event)) == 6_000_000
    )


@hosted()
async def test_a_value_that_is_not_json(host: Host):
    document = failure(await host.invoke(host.python("def handler(event, context): return object()")))
    assert document["errorType"] == "Runtime.MarshalError"
    assert document["errorMessage"].startswith("Unable to marshal response: ")


@hosted()
async def test_memory_is_bounded(host: Host):
    spec = host.python("def handler(event, context): return len(bytearray(event * 1024 * 1024))")
    assert value(await host.invoke(spec, b"64")) == 64 * 1024 * 1024
    assert failure(await host.invoke(spec, b"256"))["errorType"] == "MemoryError"


@hosted()
async def test_a_file_over_the_ephemeral_storage_is_refused(host: Host):
    spec = host.python(
        "import os\n"
        "def handler(event, context):\n"
        "    with open(os.environ['TMPDIR'] + '/x', 'wb') as file: file.truncate(event)\n"
        "    return event",
        ephemeral_mb=1,
    )
    assert value(await host.invoke(spec, b"1048576")) == 1_048_576
    assert failure(await host.invoke(spec, b"1048577"))["errorType"] == "OSError"


@pytest.mark.parametrize("runtime", OTHERS)
@hosted()
async def test_another_version_of_python(host: Host, runtime):
    """There the client's compiled part does not fit, and its transport is ours: all that it does must work."""
    spec = host.python(
        """
import logging, sys
def handler(event, context):
    if event == "fail":
        raise KeyError("gone")
    logging.getLogger().error("seen")
    return {"version": "python%d.%d" % sys.version_info[:2], "event": event, "id": context.aws_request_id}
""",
        runtime=runtime,
    )
    big = "x" * 1_000_000
    outcome = await host.invoke(spec, json.dumps(big).encode(), request_id="r-1")
    assert value(outcome) == {"version": runtime, "event": big, "id": "r-1"}
    assert host.log_has("Z\tr-1\tseen")
    assert failure(await host.invoke(spec, b'"fail"'))["errorType"] == "KeyError"
    broken = host.python("import nowhere", runtime=runtime, name="broken")
    assert failure(await host.invoke(broken))["errorType"] == "Runtime.ImportModuleError"
    exits = host.python("import os\ndef handler(event, context): os._exit(1)", runtime=runtime, name="exits")
    assert failure(await host.invoke(exits))["errorType"] == "Runtime.ExitError"


@hosted()
async def test_what_this_host_cannot_run(host: Host):
    assert host.runtimes.missing(PYTHON) is None
    assert "needs Python 3.10 or newer" in host.runtimes.missing("python3.8")
    assert "this host has no python3.99" in host.runtimes.missing("python3.99")
    assert "runs python3.x and nodejs*.x" in host.runtimes.missing("java21")


@hosted()
async def test_layers_are_found_where_lambda_has_them(host: Host):
    wanted = PYTHON.removeprefix("python")
    first = host.spec(
        {"python/shared.py": "WHO = 'first'", "python/mine.py": "WHO = 'layer'", "lib/x": "", "bin/x": ""}
    )
    second = host.spec(
        {"python/shared.py": "WHO = 'second'", f"python/lib/python{wanted}/site-packages/deep.py": "WHO = 'deep'"}
    )
    spec = host.spec(
        {
            "index.py": """
import os, shared, mine, deep
def handler(event, context):
    return [shared.WHO, mine.WHO, deep.WHO, os.environ["PATH"], os.environ["LD_LIBRARY_PATH"]]
""",
            "mine.py": "WHO = 'function'",
        },
        layers=(first.code_sha256, second.code_sha256),
    )
    *found, path, libraries = value(await host.invoke(spec))
    assert found == ["second", "function", "deep"]
    assert Path(path.rpartition(":")[2], "x").exists()
    assert Path(libraries.rpartition(":")[2], "x").exists()
    swapped = msgspec.structs.replace(spec, layers=spec.layers[::-1], revision="two")
    assert value(await host.invoke(swapped))[0] == "first"
