"""The HTTP client and the SMTP client, against real servers."""

import asyncio
import base64
import hashlib
import re
import socket
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
from tests.outside import MailBox, Request, WebServer, certificate

from waypost.testing.clock import VirtualClock
from waypost.work.admission import CALLS_MAX, PAUSE_MS, UNKNOWN_MAX, Admission
from waypost.work.mail import MailServer, parse_mail_server
from waypost.work.perform import Crowded, HttpAnswer, HttpFailed, HttpPost, MailAnswer, MailFailed, Outside, SendMail


@pytest.fixture
async def web() -> AsyncIterator[WebServer]:
    server = await WebServer().start()
    yield server
    await server.close()


@pytest.fixture
async def outside() -> AsyncIterator[Outside]:
    made = Outside(VirtualClock())
    yield made
    await made.close()


def post(url: str, body: bytes = b"hello", timeout_ms: int = 60_000, **headers: str) -> HttpPost:
    return HttpPost(url, tuple((name.replace("_", "-"), value) for name, value in headers.items()), body, timeout_ms)


async def answered(outside: Outside, call: HttpPost) -> HttpAnswer:
    outcome = await outside.post(call)
    assert isinstance(outcome, HttpAnswer), outcome
    return outcome


async def failed(outside: Outside, call: HttpPost) -> str:
    outcome = await outside.post(call)
    assert isinstance(outcome, HttpFailed), outcome
    return outcome.error


def unused_port() -> int:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        return int(taken.getsockname()[1])


async def test_a_post_brings_what_it_says_and_nothing_else(outside: Outside, web: WebServer) -> None:
    web.answers = [(201, {"X-More": "yes"}, b"made")]
    outcome = await answered(outside, post(f"{web.url}/a?b=c", b"body", user_agent="me", x_amz_sns_topic_arn="arn:t"))
    assert (outcome.status, outcome.body, outcome.headers["x-more"]) == (201, b"made", "yes")
    assert web.requests == [
        Request(
            "POST",
            "/a?b=c",
            {
                "host": f"127.0.0.1:{web.port}",
                "user-agent": "me",
                "x-amz-sns-topic-arn": "arn:t",
                "content-length": "4",
            },
            b"body",
        )
    ]


async def test_a_connection_is_used_again(outside: Outside, web: WebServer) -> None:
    for _ in range(5):
        await answered(outside, post(web.url))
    assert len(web.connections) == 1


async def test_a_connection_that_closed_meanwhile_is_no_failure(outside: Outside, web: WebServer) -> None:
    await answered(outside, post(web.url))

    async def hang_up(_request: Request) -> tuple[int, dict[str, str], bytes]:
        for transport in web.connections:
            transport.abort()
        return 200, {}, b""

    web.answers = [hang_up]
    assert (await answered(outside, post(web.url))).status == 200
    assert len(web.requests) == 3


async def test_redirects_are_answers(outside: Outside, web: WebServer) -> None:
    web.answers = [(302, {"Location": f"{web.url}/elsewhere"}, b"")]
    assert (await answered(outside, post(web.url))).status == 302
    assert len(web.requests) == 1


async def test_of_a_long_answer_only_the_beginning_is_read(outside: Outside, web: WebServer) -> None:
    web.answers = [(200, {}, b"x" * 1_000_000)]
    assert (await answered(outside, post(web.url))).body == b"x" * 65_536
    assert (await answered(outside, post(web.url))).body == b"ok"


async def test_an_answer_that_does_not_come_is_not_waited_for(outside: Outside, web: WebServer) -> None:
    never = asyncio.Event()

    async def hang(_request: Request) -> tuple[int, dict[str, str], bytes]:
        await never.wait()
        return 200, {}, b""

    web.answers = [hang]
    assert await failed(outside, post(web.url, timeout_ms=50)) == "no answer within 50 ms"
    never.set()


@pytest.mark.parametrize(
    "url", ["http://no-such-host.invalid/", "nonsense", "http://[::1", "ftp://127.0.0.1/", "http://"]
)
async def test_an_address_that_leads_nowhere_is_a_failure(outside: Outside, url: str) -> None:
    assert await failed(outside, post(url))


async def test_a_port_where_nobody_listens_is_a_failure(outside: Outside) -> None:
    assert "onnect" in await failed(outside, post(f"http://127.0.0.1:{unused_port()}/"))


async def test_a_header_cannot_smuggle_another(outside: Outside, web: WebServer) -> None:
    assert await failed(outside, post(web.url, x_one="a\r\nx-two: b"))
    assert not web.requests


async def test_only_a_trusted_certificate_is_spoken_to(web: WebServer, outside: Outside, tmp_path: Path) -> None:
    tls, trusted = certificate(tmp_path)
    secure = await WebServer().start(tls)
    assert "certificate" in (await failed(outside, post(secure.url))).lower()
    trusting = Outside(VirtualClock(), trusted_ca=str(trusted))
    assert (await answered(trusting, post(secure.url))).status == 200
    assert len(secure.requests) == 1
    await trusting.close()
    await secure.close()


async def test_basic_credentials_are_given_when_they_are_asked_for(outside: Outside, web: WebServer) -> None:
    async def check(request: Request) -> tuple[int, dict[str, str], bytes]:
        right = "Basic " + base64.b64encode("kay:pä:ss".encode()).decode()
        if request.headers.get("authorization") == right:
            return 200, {}, b""
        return 401, {"WWW-Authenticate": 'Basic realm="here"'}, b""

    web.usual = check
    url = f"http://kay:p%C3%A4%3Ass@127.0.0.1:{web.port}/"
    assert (await answered(outside, post(url))).status == 200
    assert (await answered(outside, post(url))).status == 200
    assert ["authorization" in request.headers for request in web.requests] == [False, True, True]
    assert (await answered(outside, post(url.replace("kay", "eve")))).status == 401


async def test_digest_credentials_never_show_the_password(outside: Outside, web: WebServer) -> None:
    def md5(*parts: str) -> str:
        return hashlib.md5(":".join(parts).encode()).hexdigest()

    async def check(request: Request) -> tuple[int, dict[str, str], bytes]:
        given = dict(re.findall(r'(\w+)="?([^",]+)"?', request.headers.get("authorization", "")))
        if given:
            assert "secret" not in request.headers["authorization"]
            right = md5(
                md5("kay", "here", "secret"), "n1", given["nc"], given["cnonce"], "auth", md5("POST", given["uri"])
            )
            if given["response"] == right:
                return 200, {}, b""
        return 401, {"WWW-Authenticate": 'Digest realm="here", nonce="n1", qop="auth", algorithm=MD5'}, b""

    web.usual = check
    assert (await answered(outside, post(f"http://kay:secret@127.0.0.1:{web.port}/x"))).status == 200
    assert [request.body for request in web.requests] == [b"hello", b"hello"]


async def test_a_dead_endpoint_leaves_room_for_the_others(outside: Outside, web: WebServer) -> None:
    never = asyncio.Event()

    async def hang(_request: Request) -> tuple[int, dict[str, str], bytes]:
        await never.wait()
        return 200, {}, b""

    dead = await WebServer().start()
    dead.usual = hang
    waiting = [asyncio.ensure_future(outside.post(post(dead.url))) for _ in range(1_000)]
    done, begun = await asyncio.wait(waiting, return_when="FIRST_COMPLETED")
    assert all(isinstance(task.result(), Crowded) for task in done)
    assert len(done) + len(begun) == 1_000
    assert len(begun) < 20
    for _ in range(100):
        assert (await answered(outside, post(web.url))).status == 200
    never.set()
    assert {type(task.result()) for task in (await asyncio.wait(begun))[0]} == {HttpAnswer}
    assert outside.admission.held == 0
    await dead.close()


# --- who gets in


def fill(admission: Admission, lane: str) -> int:
    """Enter as often as one may; answers how often."""
    count = 0
    while not admission.enter(lane):
        count += 1
    return count


def test_an_endpoint_that_answers_gets_a_third_at_most() -> None:
    admission = Admission(VirtualClock())
    for lane in "abc":
        admission.enter(lane)
        admission.leave(lane, well=True, lasted_ms=10)
    assert fill(admission, "a") <= CALLS_MAX / 3
    shares = [fill(admission, lane) for lane in "bc"]
    assert all(share > 50 for share in shares)
    assert admission.held < CALLS_MAX


def test_any_number_of_dead_endpoints_leaves_half_to_the_living() -> None:
    admission = Admission(VirtualClock())
    for number in range(2_000):
        fill(admission, f"dead{number}")
    assert admission.held == UNKNOWN_MAX
    admission.leave("dead0", well=False, lasted_ms=15_000)
    admission.enter("alive")
    admission.leave("alive", well=True, lasted_ms=1)
    assert fill(admission, "alive") >= 100


def test_an_endpoint_that_stops_answering_loses_its_room() -> None:
    admission = Admission(VirtualClock())
    admission.enter("a")
    admission.enter("a")
    admission.leave("a", well=True, lasted_ms=10)
    held = fill(admission, "a") + 1
    assert held > 100
    admission.leave("a", well=False, lasted_ms=15_000)
    assert admission.enter("a")
    for _ in range(held - 1):
        admission.leave("a", well=False, lasted_ms=15_000)
    assert admission.held == 0
    assert 0 < fill(admission, "a") < 20


def test_what_is_sent_away_gets_turns_one_after_the_other() -> None:
    clock = VirtualClock()
    admission = Admission(clock)
    fill(admission, "a")
    turns = [admission.enter("a") for _ in range(100_000)]
    assert turns == sorted(turns)
    assert turns[0] == PAUSE_MS[0]
    assert turns[-1] == PAUSE_MS[1]
    clock.advance(PAUSE_MS[1])
    assert admission.enter("a") < PAUSE_MS[1]


# --- mail


def mail(recipient: str = "kay@example.com") -> SendMail:
    return SendMail("no-reply@example.com", recipient, b"From: me\r\nTo: you\r\nSubject: S\r\n\r\n.first\r\nlast\r\n")


async def test_a_mail_arrives() -> None:
    box = await MailBox().start()
    outside = Outside(VirtualClock(), mail=MailServer("smtp", "127.0.0.1", box.port))
    assert await outside.send_mail(mail()) == MailAnswer(250, "")
    (got,) = box.mails
    assert (got.sender, got.recipients, got.message["Subject"]) == ("no-reply@example.com", ["kay@example.com"], "S")
    assert got.message.get_content().splitlines() == [".first", "last"]
    await outside.close()
    await box.close()


async def test_mails_that_wait_share_a_connection() -> None:
    box = await MailBox().start()
    outside = Outside(VirtualClock(), mail=MailServer("smtp", "127.0.0.1", box.port))
    await outside.send_mail(mail())
    outcomes = await asyncio.gather(*(outside.send_mail(mail()) for _ in range(15)))
    assert outcomes == [MailAnswer(250, "")] * 15
    assert box.sessions < 12
    await outside.close()
    await box.close()


@pytest.mark.parametrize(("scheme", "starttls"), [("smtps", False), ("smtp+starttls", True), ("smtp", True)])
async def test_mail_is_encrypted_where_it_should_be(scheme: str, starttls: bool, tmp_path: Path) -> None:
    tls, trusted = certificate(tmp_path)
    box = MailBox(user="me", password="geheim")
    await (box.start(starttls=tls) if starttls else box.start(tls=tls))
    server = MailServer(scheme, "127.0.0.1", box.port, "me", "geheim")
    outside = Outside(VirtualClock(), mail=server, trusted_ca=str(trusted))
    assert await outside.send_mail(mail()) == MailAnswer(250, "")
    assert box.mails[0].user == "me"
    assert box.mails[0].encrypted or scheme == "smtps"
    suspicious = Outside(VirtualClock(), mail=server)
    outcome = await suspicious.send_mail(mail())
    assert isinstance(outcome, MailFailed)
    assert "certificate" in outcome.error.lower()
    for one in (outside, suspicious):
        await one.close()
    await box.close()


async def test_a_mail_server_without_encryption_is_not_given_what_wants_it() -> None:
    box = await MailBox().start()
    outside = Outside(VirtualClock(), mail=MailServer("smtp+starttls", "127.0.0.1", box.port))
    assert isinstance(await outside.send_mail(mail()), MailFailed)
    assert not box.mails
    await outside.close()
    await box.close()


async def test_a_wrong_password_is_our_failure_not_the_recipients() -> None:
    box = await MailBox(user="me", password="geheim").start()
    outside = Outside(VirtualClock(), mail=MailServer("smtp", "127.0.0.1", box.port, "me", "falsch"))
    outcome = await outside.send_mail(mail())
    assert isinstance(outcome, MailFailed)
    assert "password" in outcome.error
    await outside.close()
    await box.close()


@pytest.mark.parametrize("words", ["550 no such mailbox", "451 try later"])
async def test_what_the_mail_server_says_of_a_recipient_comes_back(words: str) -> None:
    box = await MailBox(refuse={"kay@example.com": words}).start()
    outside = Outside(VirtualClock(), mail=MailServer("smtp", "127.0.0.1", box.port))
    assert await outside.send_mail(mail()) == MailAnswer(int(words[:3]), words[4:])
    assert await outside.send_mail(mail("lou@example.com")) == MailAnswer(250, "")
    await outside.close()
    await box.close()


async def test_a_mail_server_that_is_away_is_a_failure() -> None:
    outside = Outside(VirtualClock(), mail=MailServer("smtp", "127.0.0.1", unused_port()))
    assert isinstance(await outside.send_mail(mail()), MailFailed)
    await outside.close()


async def test_without_a_mail_server_nothing_is_sent(outside: Outside) -> None:
    assert await outside.send_mail(mail()) == MailFailed("no mail server is configured")


def test_mail_servers_are_written_as_addresses() -> None:
    assert parse_mail_server("smtp://localhost") == ("smtp", "localhost", 25, "", "")
    assert parse_mail_server("smtp://me:pw@localhost:1025") == ("smtp", "localhost", 1025, "me", "pw")
    assert parse_mail_server("smtps://m%40x:p%2Fw@mail.example.com/") == (
        "smtps",
        "mail.example.com",
        465,
        "m@x",
        "p/w",
    )
    assert parse_mail_server("smtp+starttls://mail.example.com").port == 587


@pytest.mark.parametrize(
    "url",
    ["", "localhost:25", "http://localhost", "smtp://", "smtp://me:pw@mail.example.com", "smtp://h/path", "smtp://h:x"],
)
def test_other_addresses_are_refused(url: str) -> None:
    with pytest.raises(ValueError, match=r"."):
        parse_mail_server(url)
