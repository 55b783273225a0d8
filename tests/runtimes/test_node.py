"""Node.js functions, in real processes with the bootstrap of Waypost."""

import asyncio
import json

import pytest
from tests.runtimes.hosting import Host, Watched, hosted, need_node, need_sdk


@pytest.fixture(autouse=True, scope="module")
def _node():
    need_node()


def value(outcome):
    assert outcome.function_error == "", outcome.payload
    return json.loads(outcome.payload)


def failure(outcome):
    assert outcome.function_error == "Unhandled"
    return json.loads(outcome.payload)


@hosted()
async def test_a_function_gets_its_event_and_context(host: Host):
    spec = host.node(
        """
exports.handler = async (event, context) => {
  const left = context.getRemainingTimeInMillis();
  const { getRemainingTimeInMillis, done, fail, succeed, ...rest } = context;
  const { _X_AMZN_TRACE_ID: trace, AWS_REGION: region } = process.env;
  return { event, left: left > 15000 && left <= 20000, rest, trace, region };
};
"""
    )
    outcome = await host.invoke(
        spec,
        '{"t": "ä😀"}'.encode(),
        request_id="r-1",
        invoked_arn=spec.arn + ":live",
        client_context='{"custom": {"k": "\u00fc"}}',
        trace="Root=1-5759e988-bd862e3fe1be46a994272793;Sampled=0",
    )
    ((group, stream),) = host.streams
    assert value(outcome) == {
        "event": {"t": "ä😀"},
        "left": True,
        "rest": {
            "functionVersion": "$LATEST",
            "functionName": "f",
            "memoryLimitInMB": "128",
            "logGroupName": group,
            "logStreamName": stream,
            "clientContext": {"custom": {"k": "ü"}},
            "invokedFunctionArn": spec.arn + ":live",
            "awsRequestId": "r-1",
            "callbackWaitsForEmptyEventLoop": True,
        },
        "trace": "Root=1-5759e988-bd862e3fe1be46a994272793;Sampled=0",
        "region": "eu-west-1",
    }


@pytest.mark.parametrize(
    ("files", "handler"),
    [
        ({"index.js": "exports.handler = async (event) => event"}, "index.handler"),
        ({"index.cjs": "exports.handler = async (event) => event"}, "index.handler"),
        ({"index.mjs": "export const handler = async (event) => event"}, "index.handler"),
        (
            {"package.json": '{"type": "module"}', "index.js": "export const handler = async (event) => event"},
            "index.handler",
        ),
        ({"src/app/main.js": "exports.handler = async (event) => event"}, "src/app/main.handler"),
        ({"index.js": "exports.orders = { place: async (event) => event }"}, "index.orders.place"),
        (
            {
                "index.js": "const lib = require('lib'); exports.handler = async (event) => lib(event)",
                "node_modules/lib/index.js": "module.exports = (x) => x",
            },
            "index.handler",
        ),
        ({"node_modules/lib/index.js": "exports.handler = async (event) => event"}, "lib.handler"),
    ],
)
@hosted()
async def test_where_handlers_may_be(host: Host, files, handler):
    # A project around the data folder has no say in what kind of module a function is.
    host.folder.parent.joinpath("package.json").write_text('{"type": "module"}')
    assert value(await host.invoke(host.spec(files, runtime="nodejs20.x", handler=handler), b"[7]")) == [7]


@pytest.mark.parametrize(
    ("body", "answer"),
    [
        ("(event, context, callback) => callback(null, 'called')", "called"),
        ("(event, context, callback) => { setTimeout(() => callback(null, 'later'), 20) }", "later"),
        ("(event, context) => context.succeed('succeeded')", "succeeded"),
        ("(event, context) => context.done(null, 'done')", "done"),
        ("(event) => { 'nothing' }", None),
        ("(event) => 'a value without a promise'", None),
        ("async () => undefined", None),
        ("async () => { await new Promise(() => {}) }", None),
    ],
)
@hosted()
async def test_ways_to_answer(host: Host, body, answer):
    spec = host.node(f"exports.handler = {body}")
    assert value(await host.invoke(spec)) == answer
    assert value(await host.invoke(spec)) == answer


@hosted()
async def test_a_callback_waits_for_the_event_loop_unless_told_not_to(host: Host):
    source = """
exports.handler = (event, context, callback) => {
  context.callbackWaitsForEmptyEventLoop = event.wait;
  const order = [];
  setTimeout(() => { order.push('timer'); console.log('timer ran'); }, 60);
  callback(null, order);
};
"""
    assert value(await host.invoke(host.node(source), b'{"wait": true}')) == ["timer"]
    assert value(await host.invoke(host.node(source, name="g"), b'{"wait": false}')) == []


@hosted()
async def test_from_nodejs24_on_there_are_no_callbacks(host: Host):
    plain = host.node("exports.handler = (event) => 'a value without a promise'", runtime="nodejs24.x")
    assert value(await host.invoke(plain)) == "a value without a promise"
    spec = host.node(
        "exports.handler = (event, context, callback) => callback(null, 1)", runtime="nodejs24.x", name="g"
    )
    assert failure(await host.invoke(spec))["errorType"] == "Runtime.CallbackHandlerDeprecated"


@hosted()
async def test_console_lines_carry_time_request_and_level(host: Host):
    spec = host.node(
        """
console.log('at init');
exports.handler = async () => {
  console.log('order %s', 7, { a: 1 });
  console.error('two\\nlines');
  console.debug('d'); console.warn('w'); console.info('i'); console.trace('t');
  process.stdout.write('raw');
  process.stderr.write(' line\\n');
  console.log('Q'.repeat(300000));
};
"""
    )
    outcome = await host.invoke(spec, request_id="r-1")
    assert host.lines[0].startswith("INIT_START Runtime Version: nodejs:")
    assert [line.split("\t")[1:] for line in host.lines if "\t" in line][:7] == [
        ["undefined", "INFO", "at init"],
        ["r-1", "INFO", "order 7 { a: 1 }"],
        ["r-1", "ERROR", "two\nlines"],
        ["r-1", "DEBUG", "d"],
        ["r-1", "WARN", "w"],
        ["r-1", "INFO", "i"],
        ["r-1", "TRACE", "t"],
    ]
    assert "raw line" in host.lines
    assert sum(line.count("Q") for line in host.lines) == 300_000
    assert b"END RequestId: r-1\nREPORT RequestId: r-1" in outcome.log


@pytest.mark.parametrize(
    ("body", "error_type", "message"),
    [
        ("async () => { throw new RangeError('no stock') }", "RangeError", "no stock"),
        ("() => { throw new RangeError('no stock') }", "RangeError", "no stock"),
        ("(event, context, callback) => callback(new TypeError('bad'))", "TypeError", "bad"),
        ("(event, context) => context.fail(new TypeError('bad'))", "TypeError", "bad"),
        ("async () => { throw 'text' }", "string", "text"),
        ("async () => ({ big: 1n })", "Error", "Unable to stringify response body"),
    ],
)
@hosted()
async def test_an_error_is_a_document_and_the_environment_lives_on(host: Host, body, error_type, message):
    spec = host.node(f"exports.handler = {body}")
    for _ in range(2):
        outcome = await host.invoke(spec, request_id="r-1")
        document = failure(outcome)
        assert (document["errorType"], document["errorMessage"]) == (error_type, message)
        assert isinstance(document["trace"], list)
    assert outcome.init_ms is None
    assert host.log_has(f'r-1\tERROR\tInvoke Error \t{{"errorType":"{error_type}","errorMessage":"{message}"')


@pytest.mark.parametrize(
    ("files", "handler", "error_type", "message"),
    [
        (
            {"index.js": "require('nowhere')"},
            "index.handler",
            "Runtime.ImportModuleError",
            "Error: Cannot find module 'nowhere'",
        ),
        ({"index.js": ""}, "absent.handler", "Runtime.ImportModuleError", "Error: Cannot find module 'absent'"),
        ({"index.js": "exports.handler = ("}, "index.handler", "Runtime.UserCodeSyntaxError", "SyntaxError: "),
        ({"index.mjs": "export const handler = ("}, "index.handler", "Runtime.UserCodeSyntaxError", "SyntaxError: "),
        ({"index.js": ""}, "index.handler", "Runtime.HandlerNotFound", "index.handler is undefined or not exported"),
        (
            {"index.js": "exports.handler = 5"},
            "index.handler",
            "Runtime.HandlerNotFound",
            "index.handler is not a function",
        ),
        ({"index.js": ""}, "handler", "Runtime.MalformedHandlerName", "Bad handler"),
        (
            {"index.js": ""},
            "../index.handler",
            "Runtime.MalformedHandlerName",
            "'../index.handler' is not a valid handler name.",
        ),
        ({"index.js": "throw new RangeError('at init')"}, "index.handler", "RangeError", "at init"),
    ],
)
@hosted()
async def test_a_function_that_cannot_start(host: Host, files, handler, error_type, message):
    document = failure(await host.invoke(host.spec(files, runtime="nodejs20.x", handler=handler)))
    assert document["errorType"] == error_type
    assert document["errorMessage"].startswith(message)
    assert host.log_has(f'undefined\tERROR\tUncaught Exception \t{{"errorType":"{error_type}"')
    assert f"Status: error\tError Type: {error_type}" in host.lines[-1]
    assert host.runtimes.environments == 0


@pytest.mark.parametrize(
    ("statement", "error_type", "message"),
    [
        ("setTimeout(() => { throw new RangeError('late') })", "RangeError", "late"),
        ("Promise.reject(new RangeError('lost'))", "Runtime.UnhandledPromiseRejection", "RangeError: lost"),
        ("process.exit(0)", "Runtime.ExitError", "RequestId: r-1 Error: Runtime exited without providing a reason"),
        ("process.exit(4)", "Runtime.ExitError", "RequestId: r-1 Error: Runtime exited with error: exit status 4"),
        ("process.abort()", "Runtime.ExitError", "RequestId: r-1 Error: Runtime exited with error: signal: aborted"),
    ],
)
@hosted()
async def test_an_error_that_ends_the_environment(host: Host, statement, error_type, message):
    spec = host.node(
        "const never = () => new Promise(() => {});\n"
        f"exports.handler = async (event) => {{ if (event.die) {{ {statement}; await never() }} return 1 }}"
    )
    outcome = await host.invoke(spec, b'{"die": true}', request_id="r-1")
    document = failure(outcome)
    assert (document["errorType"], document["errorMessage"]) == (error_type, message)
    again = await host.invoke(spec)
    assert value(again) == 1
    assert again.init_ms is not None


@hosted()
async def test_an_endless_loop_is_killed(host: Host):
    spec = host.node(
        "exports.handler = async () => { console.log(`pid ${process.pid} `); for (;;); }", timeout_ms=300, memory_mb=256
    )
    running = asyncio.ensure_future(host.invoke(spec, request_id="r-1"))
    process = Watched(int((await host.saw("pid ")).split("pid ")[1]))
    assert failure(await running) == {
        "errorType": "Sandbox.Timedout",
        "errorMessage": "RequestId: r-1 Error: Task timed out after 0.30 seconds",
    }
    process.end()


@hosted()
async def test_a_heap_over_the_memory_size_ends_the_runtime(host: Host):
    spec = host.node("exports.handler = async () => { const a = []; for (;;) a.push(new Array(1000).fill({})) }")
    document = failure(await host.invoke(spec))
    assert document["errorType"] == "Runtime.ExitError"
    assert "Runtime exited with error: " in document["errorMessage"]
    assert host.log_has("heap out of memory")


@hosted()
async def test_large_events_and_responses(host: Host):
    spec = host.node("exports.handler = async (event) => event.length > 100 ? event.length : 'x'.repeat(event[0])")
    assert value(await host.invoke(spec, json.dumps([0] * 2_000_000).encode())) == 2_000_000
    assert len((await host.invoke(spec, b"[6291554]")).payload) == 6_291_556
    assert failure(await host.invoke(spec, b"[6291555]"))["errorType"] == "Function.ResponseSizeTooLarge"
    assert value(await host.invoke(spec, b"[3]")) == "xxx"


@hosted()
async def test_a_streaming_handler_is_answered_as_a_whole(host: Host):
    source = """
exports.handler = awslambda.streamifyResponse(async (event, stream, context) => {
  if (event.http) stream = awslambda.HttpResponseStream.from(stream, { statusCode: 201 });
  stream.write('one ');
  if (event.fail) throw new RangeError('broke off');
  stream.end('two');
});
"""
    spec = host.node(source)
    assert (await host.invoke(spec)).payload == b"one two"
    assert (await host.invoke(spec, b'{"http": true}')).payload == b'{"statusCode":201}' + bytes(8) + b"one two"
    assert failure(await host.invoke(spec, b'{"fail": true}'))["errorType"] == "RangeError"


@hosted()
async def test_another_version_than_asked_for_is_said_so(host: Host):
    await host.invoke(host.node("exports.handler = async () => 1", runtime="nodejs18.x"))
    note = host.lines[0]
    assert note.startswith("INIT_START Runtime Version: nodejs:18.") or "the function asks for nodejs18.x" in note


SDK = {
    "CommonJS": {
        "index.js": """
const { SFNClient, SendTaskSuccessCommand } = require('@aws-sdk/client-sfn');
const { SQSClient, ListQueuesCommand } = require('@aws-sdk/client-sqs');
"""
    },
    "ES module": {
        "index.mjs": """
import { SFNClient, SendTaskSuccessCommand } from '@aws-sdk/client-sfn';
import { SQSClient, ListQueuesCommand } from '@aws-sdk/client-sqs';
"""
    },
}


@pytest.mark.parametrize("kind", SDK)
@hosted()
async def test_the_sdk_comes_with_the_runtime(host: Host, kind):
    need_sdk()
    heads = []

    async def serve(reader, writer):
        try:
            while head := await reader.readuntil(b"\r\n\r\n"):
                heads.append(head.decode().lower())
                await reader.readexactly(int(heads[-1].split("content-length: ")[1].split("\r\n")[0]))
                writer.write(b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\n{}")
        except asyncio.IncompleteReadError:
            writer.close()

    server = await asyncio.start_server(serve, "127.0.0.1", 0)
    url = f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}"
    ((name, head),) = SDK[kind].items()
    export = "export const handler" if name.endswith(".mjs") else "exports.handler"
    source = (
        head
        + export
        + """ = async (event) => {
  await new SQSClient({}).send(new ListQueuesCommand({}));
  await new SFNClient({}).send(new SendTaskSuccessCommand({ taskToken: 't', output: '{}' }));
  return 'both';
};
"""
    )
    outcome = await host.invoke(host.node(source, file=name), endpoint_url=url)
    assert value(outcome) == "both"
    assert "x-amz-target: amazonsqs.listqueues" in heads[0]
    assert "x-amz-target: awsstepfunctions.sendtasksuccess" in heads[1]
    assert "credential=ak/" in heads[1]
    assert "x-amz-security-token: st" in heads[1]
    assert not host.log_has("Warning")
    await host.runtimes.close(0)
    server.close()


@pytest.mark.parametrize(
    "package",
    [
        "client-cloudwatch-logs", "client-dynamodb", "client-eventbridge", "client-iam", "client-lambda", "client-s3",
        "client-secrets-manager", "client-sfn", "client-sns", "client-sqs", "client-ssm", "client-sts", "lib-dynamodb",
    ],
)  # fmt: skip
def test_the_common_clients_are_there(package):
    need_sdk()
    from waypost.runtimes.install import default_folder

    assert (default_folder() / "nodejs/node_modules/@aws-sdk" / package / "package.json").exists()


@hosted()
async def test_layers_are_found_where_lambda_has_them(host: Host):
    first = host.spec({"nodejs/node_modules/shared/index.js": "module.exports = 'first'"})
    second = host.spec(
        {
            "nodejs/node_modules/shared/index.js": "module.exports = 'second'",
            "nodejs/node20/node_modules/versioned/index.js": "module.exports = 'twenty'",
        }
    )
    spec = host.node(
        "exports.handler = async () => [require('shared'), require('versioned')];",
        layers=(first.code_sha256, second.code_sha256),
    )
    assert value(await host.invoke(spec)) == ["second", "twenty"]
