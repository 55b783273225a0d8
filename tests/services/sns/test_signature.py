"""Signatures: the key that all nodes share, its certificate, and what validators of others say of both."""

import asyncio
import base64
import json
import threading
import urllib.request
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

import hypothesis.strategies as st
import pytest
from cryptography import x509
from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import padding, rsa
from hypothesis import HealthCheck, given, settings
from tests.conftest import LiveServer
from tests.services.sns import validators
from tests.services.sns.world import BASE, World
from tests.store.two_nodes import World as TwoNodes
from tests.stores import KINDS, new_store, sql

from waypost.admin import CERTIFICATE, Admin
from waypost.aws.errors import AwsError
from waypost.aws.message import HttpRequest
from waypost.clock import SystemClock
from waypost.ids import RandomIds
from waypost.registry import Registry
from waypost.service import Caller, Context, Service
from waypost.services.sns import signing
from waypost.services.sns.rules import envelope
from waypost.services.sns.rules.envelope import Document
from waypost.services.sns.rules.messages import Attribute
from waypost.services.sns.rules.signature import string_to_sign
from waypost.services.sns.topic import Published
from waypost.work.engine import Engine

TOPIC = "arn:aws:sns:us-east-1:123456789012:topic"
SUBSCRIPTION = f"{TOPIC}:c5dd8602-0a19-40c5-86dc-d67f42f5693c"
ID = "22b80b92-fdea-4c2c-8f9d-bdfb0c7bf324"
START_MS = 1_700_000_000_000
DAY_MS = 86_400_000
HASHES = {"1": hashes.SHA1(), "2": hashes.SHA256()}


class Signer:
    """A node that signs: a store, a clock moved by hand, and the address it is reached by."""

    def __init__(self, kind: str, path: str = ":memory:") -> None:
        self.store = new_store(kind, path)
        self.now_ms = START_MS
        self.base_url = "http://localhost:4566"

    @property
    def context(self) -> Context:
        return Context(
            "123456789012", "us-east-1", "r", self.now_ms, self.now_ms, Caller("", "", "", ""), RandomIds(1),
            Registry([]), self.base_url,
        )  # fmt: skip

    def sign(self, document: Document, version: str = "1") -> Document:
        return self.store.run(lambda tx: signing.sign(tx, self.context, document, version))

    def certificate(self, url: str) -> x509.Certificate:
        path = url.removeprefix(self.base_url)
        answer = self.store.run(lambda tx: signing.get_certificate(tx, self.context, {"Path": path}))
        return x509.load_pem_x509_certificate(answer["Certificate"].encode())


@pytest.fixture(params=KINDS)
def signer(request: pytest.FixtureRequest) -> Iterator[Signer]:
    made = Signer(request.param)
    yield made
    made.store.close_now()


def published(**more: Any) -> Published:
    return Published(**{
        "message_id": ID, "topic_arn": TOPIC, "message": "hello", "texts": None, "subject": None, "attributes": {},
        "at_ms": START_MS, **more,
    })  # fmt: skip


def notification(**more: Any) -> Document:
    message = published(**more)
    return envelope.notification(message, message.message)


def confirmation(base_url: str = "http://localhost") -> Document:
    return envelope.confirmation(message_id=ID, token="t0ken", topic_arn=TOPIC, at_ms=START_MS, base_url=base_url)


def unsubscribed(base_url: str = "http://localhost") -> Document:
    return envelope.unsubscribed(
        message_id=ID, token="t", topic_arn=TOPIC, subscription_arn=SUBSCRIPTION, at_ms=START_MS, base_url=base_url
    )


def check(certificate: x509.Certificate, document: Document) -> None:
    """Raise ``InvalidSignature`` where the certificate's key did not sign this."""
    key = certificate.public_key()
    assert isinstance(key, rsa.RSAPublicKey)
    text = string_to_sign(document).encode()
    key.verify(base64.b64decode(document["Signature"]), text, padding.PKCS1v15(), HASHES[document["SignatureVersion"]])


# --- what is signed, and with what


@pytest.mark.parametrize("version", ["1", "2"])
@pytest.mark.parametrize("document", [notification(), notification(subject="Grüße"), confirmation(), unsubscribed()])
def test_a_signature_is_of_the_key_whose_certificate_it_names(signer: Signer, document: Document, version: str) -> None:
    signed = signer.sign(document, version)
    assert list(signed) == [*document, "SignatureVersion", "Signature", "SigningCertURL"]
    assert signed["SignatureVersion"] == version
    assert signed["SigningCertURL"].startswith("http://localhost:4566/SimpleNotificationService-")
    certificate = signer.certificate(signed["SigningCertURL"])
    check(certificate, signed)
    for name in document:
        if name != "Type":
            with pytest.raises(InvalidSignature):
                check(certificate, signed | {name: signed[name] + " "})


def test_the_certificate_is_valid_and_named_as_aws_names_its_own(signer: Signer) -> None:
    url = signer.sign(notification())["SigningCertURL"]
    certificate = signer.certificate(url)
    assert certificate.subject.rfc4514_string() == "CN=sns.amazonaws.com"
    certificate.verify_directly_issued_by(certificate)
    assert certificate.not_valid_before_utc.timestamp() * 1000 <= START_MS
    assert certificate.not_valid_after_utc.timestamp() * 1000 > START_MS + 365 * DAY_MS
    assert url.endswith(f"-{certificate.fingerprint(hashes.SHA256()).hex()[:32]}.pem")


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None, max_examples=30)
@given(text=st.text(st.characters(exclude_categories=["Cs"])), version=st.sampled_from("12"))
def test_any_text_can_be_signed(signer: Signer, text: str, version: str) -> None:
    signed = signer.sign(notification(message=text, subject=text), version)
    check(signer.certificate(signed["SigningCertURL"]), signed)


# --- one key for all


@pytest.mark.parametrize("kind", KINDS)
def test_a_restart_keeps_the_key(kind: str, tmp_path: Any) -> None:
    signed = []
    for _ in range(2):
        signer = Signer(kind, str(tmp_path / "waypost.db"))
        signed.append(signer.sign(notification()))
        assert sql(signer.store, "SELECT count(*) FROM sns_signing_key")[0][0] == 1
        signer.store.close_now()
    assert signed[0] == signed[1]


@pytest.mark.skipif("postgres" not in KINDS, reason="two nodes need PostgreSQL")
async def test_nodes_that_sign_first_at_a_time_agree() -> None:
    world = TwoNodes()
    try:
        contexts = [node.engine.context("123456789012", "us-east-1") for node in world.nodes]
        signed = await asyncio.gather(
            *(
                node.store.transact(lambda tx, ctx=ctx: signing.sign(tx, ctx, notification(), "2"))
                for _ in range(4)
                for node, ctx in zip(world.nodes, contexts, strict=True)
            )
        )
        assert len({document["Signature"] for document in signed}) == 1
        assert len({document["SigningCertURL"] for document in signed}) == 1
    finally:
        await world.close()


def test_an_emptied_store_signs_with_a_key_that_it_has(signer: Signer) -> None:
    first = signer.sign(notification())
    signer.store.run(signer.store.empty)
    second = signer.sign(notification())
    assert second["SigningCertURL"] != first["SigningCertURL"]
    check(signer.certificate(second["SigningCertURL"]), second)
    with pytest.raises(AwsError) as caught:
        signer.certificate(first["SigningCertURL"])
    assert caught.value.status == 404


def test_a_key_is_followed_by_the_next_before_its_certificate_ends(signer: Signer) -> None:
    first = signer.sign(notification())
    signer.now_ms += signing.KEY_MS - 1
    assert signer.sign(notification()) == first
    signer.now_ms += 1
    second = signer.sign(notification())
    assert second["SigningCertURL"] != first["SigningCertURL"]
    check(signer.certificate(second["SigningCertURL"]), second)
    certificate = signer.certificate(first["SigningCertURL"])
    check(certificate, first)
    assert certificate.not_valid_after_utc.timestamp() * 1000 > signer.now_ms + 360 * DAY_MS


# --- as subscribers get it


@pytest.mark.parametrize("version", ["1", "2"])
def test_what_queues_get_is_signed_as_the_topic_says(world: World, version: str) -> None:
    topic = world.topic(SignatureVersion=version)
    queues = [world.queue(f"q{index}") for index in range(3)]
    for queue in queues:
        world.subscribe(topic, queue)
    world.publish(topic, "hello", Subject="Hi", MessageAttributes={"a": {"DataType": "String", "StringValue": "b"}})
    envelopes = [json.loads(body) for queue in queues for body in world.bodies(queue)]
    assert len(envelopes) == 3
    assert len({document["UnsubscribeURL"] for document in envelopes}) == 3
    assert len({document["Signature"] for document in envelopes}) == 1
    for document in envelopes:
        assert document["SignatureVersion"] == version
        path = document["SigningCertURL"].removeprefix(BASE)
        answer = world("waypost:GetSigningCertificate", Path=path)
        check(x509.load_pem_x509_certificate(answer["Certificate"].encode()), document)


def test_raw_messages_and_those_of_fifo_topics_cost_no_signature(world: World) -> None:
    topic, fifo = world.topic(), world.fifo(ContentBasedDeduplication="true")
    world.subscribe(topic, world.queue("raw"), RawMessageDelivery="true")
    world.subscribe(fifo, world.queue("q.fifo"))
    world.publish(topic)
    world.publish(fifo, MessageGroupId="g")
    assert world.count("sns_signing_key") == 0


# --- the certificate's page


async def test_the_page_of_a_certificate(signer: Signer) -> None:
    async def nothing() -> dict[str, Any]:
        return {}

    registry = Registry([Service("sns", "sns", signing.OPERATIONS)])
    engine = Engine(signer.store, SystemClock(), RandomIds(1), registry, {})
    admin = Admin(registry, engine, nothing, nothing, lambda: None)
    signed = await signer.store.transact(lambda tx: signing.sign(tx, signer.context, notification(), "1"))
    path = signed["SigningCertURL"].removeprefix(signer.base_url)
    response = await admin.respond(HttpRequest("GET", path, "", {}, b""))
    assert response.status == 200
    check(x509.load_pem_x509_certificate(response.body), signed)
    assert b"PRIVATE" not in response.body
    for other in (f"{CERTIFICATE}{'0' * 32}.pem", f"{CERTIFICATE}.pem", CERTIFICATE, f"{CERTIFICATE}../x"):
        assert (await admin.respond(HttpRequest("GET", other, "", {}, b""))).status == 404
    assert (await admin.respond(HttpRequest("POST", path, "", {}, b""))).status == 405


# --- what others' validators say


@pytest.fixture
def site(signer: Signer) -> Iterator[Signer]:
    """The signer, its certificates served on this host."""
    pages: dict[str, bytes] = {}

    class Page(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            self.send_response(200)
            self.end_headers()
            self.wfile.write(pages[self.path])

        def log_message(self, *_: Any) -> None: ...

    server = ThreadingHTTPServer(("127.0.0.1", 0), Page)
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    signer.base_url = f"http://127.0.0.1:{server.server_address[1]}"
    path = signer.sign(notification())["SigningCertURL"].removeprefix(signer.base_url)
    answer = signer.store.run(lambda tx: signing.get_certificate(tx, signer.context, {"Path": path}))
    pages[path] = answer["Certificate"].encode()
    yield signer
    server.shutdown()
    thread.join()
    server.server_close()


MESSAGES = [
    published(),
    published(subject="Grüße", message='{"a": "b\\n\u2028"}\n'),
    published(message="x" * 200_000, attributes={"n": Attribute("Binary", None, b"\x00")}),
]


def enveloped(signer: Signer, message: Published, version: str) -> str:
    signed = signer.sign(envelope.notification(message, message.message), version)
    return envelope.enclose(signed, message.attributes).to(signer.base_url, SUBSCRIPTION)


def forged(text: str) -> str:
    document = json.loads(text)
    return json.dumps(document | {"Message": document["Message"] + "."})


def test_awss_validator_for_node_accepts_what_we_sign(site: Signer) -> None:
    texts = [enveloped(site, message, version) for message in MESSAGES for version in "12"]
    for message in MESSAGES:
        document = site.sign(envelope.notification(message, message.message), "1")
        event = envelope.lambda_event(
            document, message.attributes, base_url=site.base_url, subscription_arn=SUBSCRIPTION
        )
        texts.append(json.dumps(event["Records"][0]["Sns"]))
    # The validator insists on https; the process around it goes to the same place by http.
    texts = [text.replace("http://127.0.0.1", "https://127.0.0.1") for text in texts]
    assert validators.by_node(texts) == [None] * len(texts)
    assert validators.by_node([forged(text) for text in texts]) == ["The message signature is invalid."] * len(texts)


def test_awss_validator_for_node_accepts_confirmations(site: Signer) -> None:
    # It forgets the token of an UnsubscribeConfirmation, which AWS's documentation has signed: it refuses AWS's, too.
    texts = []
    for version in "12":
        document = site.sign(confirmation(site.base_url), version)
        url = document["SigningCertURL"].replace("http:", "https:")
        texts.append(envelope.write(document | {"SigningCertURL": url}))
    assert validators.by_node(texts) == [None, None]
    assert validators.by_node([forged(text) for text in texts]) == ["The message signature is invalid."] * 2


def test_a_validator_for_python_accepts_what_we_sign(site: Signer) -> None:
    texts = [enveloped(site, message, "1") for message in MESSAGES]
    texts += [envelope.write(site.sign(make(site.base_url))) for make in (confirmation, unsubscribed)]
    assert validators.by_python(texts) == [None] * len(texts)
    assert validators.by_python([forged(text) for text in texts]) == ["Invalid signature."] * len(texts)


# --- a server, stock clients, and the validators


def test_a_message_from_a_server_is_checked_by_both_validators(server: LiveServer) -> None:
    place = {"account": "444455556666"}
    sns, sqs = server.client("sns", **place), server.client("sqs", **place)
    topic = sns.create_topic(Name="checked")["TopicArn"]
    url = sqs.create_queue(QueueName="checked")["QueueUrl"]
    queue = sqs.get_queue_attributes(QueueUrl=url, AttributeNames=["QueueArn"])["Attributes"]["QueueArn"]
    sns.subscribe(TopicArn=topic, Protocol="sqs", Endpoint=queue)
    bodies = []
    for version in "12":
        sns.set_topic_attributes(TopicArn=topic, AttributeName="SignatureVersion", AttributeValue=version)
        sns.publish(TopicArn=topic, Message='{"price": "5 €"}', Subject="An order")
        bodies += [one["Body"] for one in sqs.receive_message(QueueUrl=url, WaitTimeSeconds=20)["Messages"]]
    assert [json.loads(body)["SignatureVersion"] for body in bodies] == ["1", "2"]
    certificate = json.loads(bodies[0])["SigningCertURL"]
    assert certificate.startswith(server.url)
    with urllib.request.urlopen(certificate, timeout=30) as response:
        assert response.headers["content-type"] == "application/x-pem-file"
        check(x509.load_pem_x509_certificate(response.read()), json.loads(bodies[1]))
    # The validator for Node.js insists on https; the process around it goes to the same place by http.
    assert validators.by_node([body.replace(server.url, f"https{server.url[4:]}") for body in bodies]) == [None, None]
    assert validators.by_python(bodies[:1]) == [None]
