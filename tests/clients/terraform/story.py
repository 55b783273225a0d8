"""One story with Terraform's AWS provider: make everything, plan, change and import, plan, destroy.

The provider takes 15 seconds to start, and after each change of a queue it waits 25 seconds for AWS to agree with
itself. Nothing shortens that, so the story is told beside the other tests, with what they leave of the processor.
"""

import contextlib
import json
import os
import re
import shutil
import signal
import subprocess
import sys
import threading
import urllib.request
import zipfile
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest
from tests.conftest import LiveServer, start_server

HERE = Path(__file__).parent
PAGE = Path(__file__).parents[3] / "docs/clients.md"
PROVIDER = "registry.terraform.io/hashicorp/aws"
VERSION = "5.100.0"
MIRROR = "WAYPOST_TERRAFORM_MIRROR"
"""Names a folder with the provider, in the layout of ``terraform providers mirror``."""
MIRRORS = (
    "~/.terraform.d/plugins", "/usr/local/share/terraform/plugins", "/usr/share/terraform/plugins", "/opt/tf-plugins",
)  # fmt: skip
"""Where Terraform itself looks, and where images put it."""
IMPORTED = (
    "aws_sqs_queue.fifo", "aws_sqs_queue.inline", "aws_sqs_queue_policy.orders", "aws_sqs_queue_redrive_policy.orders",
    "aws_sqs_queue_redrive_allow_policy.dead", "aws_sns_topic.fifo", "aws_sns_topic.inline",
    "aws_sns_topic_policy.orders", "aws_sns_topic_data_protection_policy.orders", "aws_sns_topic_subscription.body",
)  # fmt: skip
"""What Terraform forgets and then finds again by its id."""
CHANGED = {
    "aws_sqs_queue.orders", "aws_sqs_queue.fifo", "aws_sqs_queue.dead_inline", "aws_sqs_queue_redrive_policy.orders",
    "aws_sns_topic.orders", "aws_sns_topic_subscription.text",
    "aws_sns_topic.fifo", "aws_sns_topic_subscription.queue", "aws_sns_topic_subscription.web",
    "aws_sns_platform_application.phones", "aws_sns_sms_preferences.texts",
}  # fmt: skip
"""What looks different once ``changed`` is true."""

FILLED_IN = "aws_sns_topic_subscription.body"
"""The provider knows no ``endpoint_auto_confirms`` of what it imports, on AWS either, and writes its default."""


class Terraform:
    """Terraform in a folder of its own."""

    def __init__(self, folder: Path, server: LiveServer, web: str) -> None:
        program = shutil.which("terraform")
        if program is None:
            pytest.skip("this host has no terraform")
        self.program, self.folder, self.server = program, folder, server
        # Proxies and certificates are the host's; credentials and plug-ins are not.
        host = {name: value for name, value in os.environ.items() if not name.startswith(("AWS_", "TF_"))}
        self.environment = {
            **host, "HOME": str(folder), "CHECKPOINT_DISABLE": "1", "TF_IN_AUTOMATION": "1", "TF_INPUT": "0",
            "TF_CLI_CONFIG_FILE": str(folder / "cli.tfrc"), "TF_VAR_web": web,
        }  # fmt: skip
        self._stopping = False
        self._process: subprocess.Popen[str] | None = None
        shutil.copy(HERE / "main.tf", folder)
        with zipfile.ZipFile(folder / "audit.zip", "w") as archive:
            archive.writestr(zipfile.ZipInfo("audit.py"), "def handler(event, context):\n    return 1\n")
        (folder / "cli.tfrc").write_text(installation())

    def run(self, *arguments: str, codes: tuple[int, ...] = (0,), **environment: str) -> str:
        """What Terraform says on stdout."""
        assert not self._stopping
        with subprocess.Popen(
            ["nice", self.program, *arguments], cwd=self.folder, env={**self.environment, **environment}, text=True,
            stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, start_new_session=True,
        ) as self._process:  # fmt: skip
            said = self._process.communicate()[0]
        # Of JSON, only what went wrong.
        told = "\n".join(line for line in said.splitlines() if not line.startswith('{"@level":"info"'))
        assert self._process.returncode in codes, f"terraform {' '.join(arguments)}: {told}"
        return said

    def apply(self, *arguments: str) -> list[dict[str, Any]]:
        """What it reports, as it reports it to machines."""
        said = self.run("apply", "-json", "-auto-approve", "-parallelism=50", *arguments)
        return [json.loads(line) for line in said.splitlines()]

    def plan(self, *arguments: str, **environment: str) -> None:
        """Fails where Terraform would change anything: that is drift."""
        self.run("plan", "-no-color", "-detailed-exitcode", *arguments, **environment)

    def ids(self) -> dict[str, str]:
        """The id of each resource by its address."""
        state = json.loads((self.folder / "terraform.tfstate").read_text())
        return {
            f"{resource['type']}.{resource['name']}": resource["instances"][0]["attributes"]["id"]
            for resource in state["resources"]
            if resource["mode"] == "managed"
        }

    def stop(self) -> None:
        """Let nothing go on, now that nobody waits for it."""
        self._stopping = True
        if self._process is not None and self._process.poll() is None:
            with contextlib.suppress(ProcessLookupError):
                os.killpg(self._process.pid, signal.SIGKILL)


def installation() -> str:
    """Where Terraform gets the provider from: a mirror on this host, else its registry, once."""
    named = os.environ.get(MIRROR)
    for place in (named,) if named else MIRRORS:
        mirror = Path(place).expanduser()
        found = mirror / PROVIDER
        if (found / VERSION).exists() or list(found.glob(f"terraform-provider-aws_{VERSION}_*.zip")):
            return f'provider_installation {{\n  filesystem_mirror {{ path = "{mirror}" }}\n}}\n'
    cache = Path(sys.prefix) / "terraform-plugins"
    cache.mkdir(exist_ok=True)
    return f'plugin_cache_dir = "{cache}"\n'


def providers(server: LiveServer) -> tuple[str, str]:
    """The two ways of the page about clients to point the provider at a server: by its block, by the environment."""
    blocks: list[str] = re.findall(r"^```hcl\n(.*?)^```", PAGE.read_text("utf-8"), re.MULTILINE | re.DOTALL)
    assert len(blocks) == 2
    assert VERSION in blocks[0]
    return blocks[0].replace("http://127.0.0.1:4566", server.url), blocks[1]


@contextlib.contextmanager
def confirming_web_server() -> Iterator[str]:
    """A web server that visits the links by which subscriptions are confirmed; answers its address."""

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            letter = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
            if letter["Type"] == "SubscriptionConfirmation":
                with urllib.request.urlopen(letter["SubscribeURL"], timeout=60) as answer:
                    answer.read()
            self.send_response(200)
            self.send_header("Content-Length", "0")
            self.end_headers()

        def log_message(self, *_arguments: Any) -> None:
            pass

    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as web:
        threading.Thread(target=web.serve_forever, daemon=True).start()
        yield f"http://127.0.0.1:{web.server_address[1]}/"
        web.shutdown()


class Story:
    """The story; ``tell`` takes about four minutes, most of them waiting."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self._terraform: Terraform | None = None

    def tell(self) -> None:
        """Raises AssertionError where something is not as it should be; skips where there is no Terraform."""
        self.folder.mkdir()
        inboxes = ("--push-gateway", "inbox", "--sms-gateway", "inbox", "--smtp", "inbox")
        server = start_server(self.folder.parent / "data", *inboxes)
        try:
            with confirming_web_server() as web:
                self._terraform = Terraform(self.folder, server, web)
                tell(self._terraform, server)
        finally:
            server.stop()
        assert "Traceback" not in server.log.read_text()

    def stop(self) -> None:
        if self._terraform is not None:
            self._terraform.stop()


def tell(terraform: Terraform, server: LiveServer) -> None:
    block, bare = providers(server)
    (terraform.folder / "provider.tf").write_text(block)
    initialised = terraform.run("init", "-no-color", codes=(0, 1))
    if "successfully initialized" not in initialised:
        pytest.skip(f"Terraform's AWS provider cannot be had here ({MIRROR} names a mirror): {initialised[-500:]}")

    made = terraform.apply()
    assert changes(made)["create"] == set(terraform.ids())
    look(server, changed=False)
    terraform.plan()

    # Forgets some, finds them again by their ids, and changes some in place: the same ones that a plan would change.
    ids = terraform.ids()
    terraform.run("state", "rm", *IMPORTED)
    assert not terraform.ids().keys() & set(IMPORTED)
    (terraform.folder / "imports.tf").write_text(
        "".join(f'import {{\n  to = {address}\n  id = "{ids[address]}"\n}}\n' for address in IMPORTED)
    )
    done = changes(terraform.apply("-var=changed=true"))
    assert done.get("import") == set(IMPORTED) - CHANGED - {FILLED_IN}
    assert done.get("update") == CHANGED | {FILLED_IN}
    assert not done.keys() & {"create", "delete", "replace"}
    assert terraform.ids() == ids
    look(server, changed=True)

    # The second way to name the server: nothing in the files, all in the environment.
    (terraform.folder / "provider.tf").write_text(bare + block[: block.index("provider ")])
    terraform.plan("-var=changed=true", **server.environment())
    terraform.run("destroy", "-no-color", "-auto-approve", "-parallelism=50", **server.environment())
    assert terraform.ids() == {}
    nothing_is_left(server)


def changes(reported: list[dict[str, Any]]) -> dict[str, set[str]]:
    """What an apply was to do, by action."""
    found: dict[str, set[str]] = {}
    for event in reported:
        if event["type"] == "planned_change":
            change = event["change"]
            found.setdefault(change["action"], set()).add(change["resource"]["addr"])
    return found


def look(server: LiveServer, *, changed: bool) -> None:
    """What Terraform wished for is what there is, and works."""
    sqs, sns = server.client("sqs"), server.client("sns")
    url = sqs.get_queue_url(QueueName="tf-orders")["QueueUrl"]
    queue = sqs.get_queue_attributes(QueueUrl=url, AttributeNames=["All"])["Attributes"]
    assert queue["VisibilityTimeout"] == ("60" if changed else "45")
    assert json.loads(queue["RedrivePolicy"])["maxReceiveCount"] == (5 if changed else 4)
    assert "sns.amazonaws.com" in queue["Policy"]
    assert sqs.list_queue_tags(QueueUrl=url)["Tags"] == (
        {"Team": "b", "New": "1"} if changed else {"Team": "a", "Old": "1"}
    )
    topic = "arn:aws:sns:us-east-1:000000000000:tf-orders"
    shown = sns.get_topic_attributes(TopicArn=topic)["Attributes"]
    assert shown["DisplayName"] == ("New orders" if changed else "Orders")
    assert (shown["SubscriptionsConfirmed"], shown["SubscriptionsPending"]) == ("4", "1")
    assert shown["SQSSuccessFeedbackSampleRate"] == ("50" if changed else "100")
    assert sns.get_sms_attributes()["attributes"]["DefaultSMSType"] == ("Transactional" if changed else "Promotional")
    for colour in ("red", "green"):
        sns.publish(
            TopicArn=topic, Message=colour, MessageAttributes={
                "colour": {"DataType": "String", "StringValue": colour},
                "price": {"DataType": "Number", "StringValue": "100"},
            },
        )  # fmt: skip
    (message,) = sqs.receive_message(QueueUrl=url, MaxNumberOfMessages=10, WaitTimeSeconds=20)["Messages"]
    body = json.loads(message["Body"])["Message"] if changed else message["Body"]
    assert body == ("green" if changed else "red")
    sqs.delete_message(QueueUrl=url, ReceiptHandle=message["ReceiptHandle"])


def nothing_is_left(server: LiveServer) -> None:
    sqs, sns = server.client("sqs"), server.client("sns")
    assert "QueueUrls" not in sqs.list_queues()
    assert sns.list_topics()["Topics"] == sns.list_subscriptions()["Subscriptions"] == []
    assert sns.list_platform_applications()["PlatformApplications"] == []
