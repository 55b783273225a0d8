"""Deliveries of a whole server, with stock clients: what a crash leaves behind, functions, and the server's pages."""

import asyncio
import json
import subprocess
import sys
import urllib.error
import urllib.request
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from xml.etree import ElementTree as ET

import pytest
from tests.conftest import LiveServer, start_server
from tests.outside import Request, WebServer, certificate
from tests.services.lambdas.test_lambda_live import CALL_BACK, RUNTIME, TRUST, packed
from tests.stores import KINDS, new_database

CHANNELS = ("--sms-gateway", "inbox", "--push-gateway", "inbox", "--smtp", "inbox")


@pytest.fixture(scope="module", params=KINDS)
def node(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[LiveServer]:
    """A server whose mails, texts and notifications stay in its inbox."""
    where = ("--store", new_database()) if request.param == "postgres" else ()
    running = start_server(tmp_path_factory.mktemp("node") / "data", *CHANNELS, *where)
    yield running
    code = running.stop()
    log = running.log.read_text()
    assert code == 0, log
    assert "Traceback" not in log, log


async def ask(url: str) -> bytes:
    def get() -> bytes:
        with urllib.request.urlopen(url, timeout=60) as response:
            return response.read()

    return await asyncio.to_thread(get)


async def subscribe(sns: Any, topic: str, web: WebServer) -> str:
    """Subscribe, and confirm as an endpoint does: by visiting the address it is given."""
    await asyncio.to_thread(sns.subscribe, TopicArn=topic, Protocol="http", Endpoint=f"{web.url}/hook")
    (asked,) = await web.received(1)
    answer = ET.fromstring(await ask(json.loads(asked.body)["SubscribeURL"]))
    web.requests.clear()
    return answer.findtext(".//{*}SubscriptionArn") or ""


async def test_an_endpoint_confirms_reads_and_takes_leave_by_visiting(node: LiveServer, web: WebServer) -> None:
    sns = node.client("sns")
    topic = sns.create_topic(Name="visits")["TopicArn"]
    arn = await subscribe(sns, topic, web)
    assert sns.get_subscription_attributes(SubscriptionArn=arn)["Attributes"]["PendingConfirmation"] == "false"
    await asyncio.to_thread(sns.publish, TopicArn=topic, Message="hello")
    (request,) = await web.received(1)
    document = json.loads(request.body)
    assert document["Message"] == "hello"
    assert b"BEGIN CERTIFICATE" in await ask(document["SigningCertURL"])
    await ask(document["UnsubscribeURL"])
    (ended,) = sns.list_subscriptions_by_topic(TopicArn=topic)["Subscriptions"]
    assert ended["SubscriptionArn"] == "Deleted"
    page = f"{node.url}/_waypost/sns/deliveries?topic={topic}"
    assert json.loads(await ask(page)) == {"Subscriptions": []}


async def test_deliveries_are_counted_on_a_page(node: LiveServer, web: WebServer) -> None:
    sns = node.client("sns")
    topic = sns.create_topic(Name="counted")["TopicArn"]
    arn = await subscribe(sns, topic, web)
    web.usual = 404
    await asyncio.to_thread(sns.publish, TopicArn=topic, Message="hello")
    await web.received(1)
    async with asyncio.timeout(60):
        while True:
            (one,) = json.loads(await ask(f"{node.url}/_waypost/sns/deliveries?topic={topic}"))["Subscriptions"]
            if one["Outcomes"]:
                break
    assert one["SubscriptionArn"] == arn
    assert (one["Outcomes"]["failed"]["Count"], one["Outcomes"]["failed"]["LastError"]) == (1, "HTTP 404")


async def test_the_status_of_deliveries_is_read_from_logs(node: LiveServer, web: WebServer) -> None:
    account = "000000000055"
    sns, logs = node.client("sns", account=account), node.client("logs", account=account)
    topic = sns.create_topic(
        Name="logged", Attributes={"HTTPSuccessFeedbackRoleArn": f"arn:aws:iam::{account}:role/feedback"}
    )["TopicArn"]
    await subscribe(sns, topic, web)
    message_id = (await asyncio.to_thread(sns.publish, TopicArn=topic, Message="hello"))["MessageId"]
    group = f"sns/us-east-1/{account}/logged"
    async with asyncio.timeout(60):
        while not (await asyncio.to_thread(logs.describe_log_groups, logGroupNamePrefix=group))["logGroups"]:
            pass  # a job writes it, a moment after the delivery
    (event,) = logs.filter_log_events(logGroupName=group)["events"]
    assert json.loads(event["message"])["notification"]["messageId"] == message_id


@pytest.mark.parametrize("kind", KINDS)
async def test_a_kill_between_publish_and_delivery_loses_nothing(web: WebServer, kind: str, tmp_path: Path) -> None:
    never = asyncio.Event()

    async def hang(_request: Request) -> tuple[int, dict[str, str], bytes]:
        await never.wait()
        return 200, {}, b""

    where = ("--store", new_database()) if kind == "postgres" else ()
    node = await asyncio.to_thread(start_server, tmp_path / "data", *where)
    sns = node.client("sns")
    topic = sns.create_topic(Name="t")["TopicArn"]
    await subscribe(sns, topic, web)
    web.usual = hang
    published = {
        (await asyncio.to_thread(sns.publish, TopicArn=topic, Message=str(number)))["MessageId"] for number in range(30)
    }
    await web.received(1)
    node.kill()
    never.set()
    web.usual = 200
    web.requests.clear()
    again = await asyncio.to_thread(start_server, tmp_path / "data", *where)
    # Some of the killed server's own may arrive yet, so some come twice.
    while {request.headers["x-amz-sns-message-id"] for request in web.requests} != published:
        await web.received(len(web.requests) + 1)
    assert await asyncio.to_thread(again.stop) == 0


@pytest.mark.parametrize("kind", KINDS)
async def test_who_was_away_through_a_kill_gets_everything_once(web: WebServer, kind: str, tmp_path: Path) -> None:
    where = ("--store", new_database()) if kind == "postgres" else ()
    node = await asyncio.to_thread(start_server, tmp_path / "data", *where)
    sns = node.client("sns")
    topic = sns.create_topic(Name="t")["TopicArn"]
    arn = await subscribe(sns, topic, web)
    policy = {"healthyRetryPolicy": {"numRetries": 100, "minDelayTarget": 1, "maxDelayTarget": 1}}
    sns.set_subscription_attributes(
        SubscriptionArn=arn, AttributeName="DeliveryPolicy", AttributeValue=json.dumps(policy)
    )
    await web.close()

    async def publish(client: Any, number: int) -> str:
        return (await asyncio.to_thread(client.publish, TopicArn=topic, Message=str(number)))["MessageId"]

    published = [await publish(sns, number) for number in range(20)]
    node.kill()
    again = await asyncio.to_thread(start_server, tmp_path / "data", *where)
    published += [await publish(again.client("sns"), number) for number in range(20, 30)]
    await web.start()
    await web.received(30)
    assert sorted(request.headers["x-amz-sns-message-id"] for request in web.requests) == sorted(published)
    assert await asyncio.to_thread(again.stop) == 0


async def test_a_subscribed_function_runs(node: LiveServer) -> None:
    account = "000000000077"
    lambda_, iam, sns = (node.client(name, account=account) for name in ("lambda", "iam", "sns"))
    role = iam.create_role(RoleName="f", AssumeRolePolicyDocument=json.dumps(TRUST))["Role"]["Arn"]
    heard: asyncio.Future[dict[str, Any]] = asyncio.get_running_loop().create_future()

    async def listen(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        heard.set_result(json.loads(await reader.read()))
        writer.close()

    server = await asyncio.start_server(listen, "127.0.0.1", 0)
    port = server.sockets[0].getsockname()[1]
    code = CALL_BACK.replace('event["port"]', str(port))
    function = lambda_.create_function(
        FunctionName="f", Runtime=RUNTIME, Role=role, Handler="index.handler", Code={"ZipFile": packed(code)}
    )["FunctionArn"]
    topic = sns.create_topic(Name="t")["TopicArn"]
    sns.subscribe(TopicArn=topic, Protocol="lambda", Endpoint=function)
    await asyncio.to_thread(sns.publish, TopicArn=topic, Message="hello", Subject="S")
    async with asyncio.timeout(120):
        event = (await heard)["event"]
    (record,) = event["Records"]
    assert (record["EventSource"], record["Sns"]["Message"], record["Sns"]["Subject"]) == ("aws:sns", "hello", "S")
    server.close()
    await server.wait_closed()


def post(url: str, body: bytes, **headers: str) -> Any:
    request = urllib.request.Request(url, data=body, headers=headers, method="POST")
    try:
        with urllib.request.urlopen(request, timeout=60) as response:
            return response.status, json.load(response)
    except urllib.error.HTTPError as error:
        with error:
            return error.code, json.load(error)


def test_texts_lie_in_the_inbox_and_phones_answer(node: LiveServer) -> None:
    sns = node.client("sns", account="000000000078", region="eu-west-1")
    sns.publish(PhoneNumber="+15550001111", Message="hello")
    place = "account=000000000078&region=eu-west-1"
    messages: list[Any] = []
    while not messages:
        messages = node.get(f"inbox?{place}&channel=sms&recipient=%2B15550001111")["Messages"]
    assert messages[0]["Message"] == "hello"
    assert node.get("inbox?channel=sms&recipient=%2B15550001111")["Messages"] == []
    answer = {"account": "000000000078", "region": "eu-west-1", "phone": "+15550001111", "message": "STOP"}
    assert post(f"{node.url}/_waypost/sms", json.dumps(answer).encode()) == (200, {"OptedOut": True})
    assert sns.check_if_phone_number_is_opted_out(phoneNumber="+15550001111")["isOptedOut"]


def test_pages_say_what_they_do_not_understand(node: LiveServer) -> None:
    page = f"{node.url}/_waypost/sms"
    assert post(page, b"{}", origin="http://evil.example")[0] == 403
    assert post(page, b"no JSON")[0] == 400
    assert post(page, b'{"phone": "call me", "message": "STOP"}')[0] == 400
    with pytest.raises(urllib.error.HTTPError, match="400"):
        node.get("inbox?colour=red")
    with pytest.raises(urllib.error.HTTPError, match="400"):
        node.get("inbox?after=now")


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (("--smtp", "mail.example.com"), "--smtp: a mail server is smtp://"),
        (("--smtp", "smtp://me:pw@mail.example.com"), "--smtp: a password is not sent in the clear"),
        (("--sms-gateway", "localhost"), "--sms-gateway must be empty, inbox, or an http or https address"),
        (("--push-gateway", "ftp://x"), "--push-gateway must be empty, inbox, or an http or https address"),
        (("--mail-sender", "nobody"), "--mail-sender must be a mail address"),
        (("--trusted-ca", "/nowhere.pem"), "--trusted-ca: cannot read /nowhere.pem"),
    ],
)
def test_settings_that_lead_nowhere_are_refused_at_start(
    tmp_path: Path, arguments: tuple[str, ...], words: str
) -> None:
    done = subprocess.run(
        [sys.executable, "-m", "waypost", "serve", "--port", "0", "--data", str(tmp_path / "data"), *arguments],
        capture_output=True,
        text=True,
        timeout=60,
    )
    assert done.returncode == 2
    assert words in done.stderr


async def test_a_server_trusts_the_authorities_it_is_told_of(tmp_path: Path) -> None:
    tls, trusted = certificate(tmp_path)
    secure = await WebServer().start(tls)
    node = await asyncio.to_thread(start_server, tmp_path / "data", "--trusted-ca", str(trusted))
    sns = node.client("sns")
    topic = sns.create_topic(Name="t")["TopicArn"]
    await asyncio.to_thread(sns.subscribe, TopicArn=topic, Protocol="https", Endpoint=secure.url)
    assert (await secure.received(1))[0].headers["x-amz-sns-message-type"] == "SubscriptionConfirmation"
    assert await asyncio.to_thread(node.stop) == 0
    await secure.close()
