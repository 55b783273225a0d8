"""What devices and phones decide by what they read, raced from two nodes."""

from collections.abc import AsyncIterator
from typing import Any

import pytest
from tests.store.racing import code_of, only, race, take_locks_out
from tests.store.two_nodes import ACCOUNT, REGION, World
from tests.stores import sql

from waypost.service import Service
from waypost.work.perform import Nothing

APP = f"arn:aws:sns:{REGION}:{ACCOUNT}:app/GCM/app"
CHANNELS = {"email": "", "sms": "inbox", "application": "inbox", "sender": "a@b", "sandbox": True}


async def nothing(_call: Nothing) -> None:
    pass


@pytest.fixture
async def world() -> AsyncIterator[World]:
    made = World()
    for node in made.nodes:
        outside = Service("outside", "", {"waypost:Channels": lambda _tx, _ctx, _request: CHANNELS})
        node.registry.services["outside"] = outside
        node.engine.performers = {Nothing: nothing}
    await made.nodes[0].call(
        "sns", "CreatePlatformApplication", Name="app", Platform="GCM", Attributes={"PlatformCredential": "c"}
    )
    yield made
    await made.close()


async def endpoint(world: World, token: str) -> str:
    answer = await world.nodes[0].call("sns", "CreatePlatformEndpoint", PlatformApplicationArn=APP, Token=token)
    return str(answer["EndpointArn"])


async def attributes(world: World, arn: str) -> dict[str, str]:
    answer = await world.nodes[1].call("sns", "GetEndpointAttributes", EndpointArn=arn)
    return dict(answer["Attributes"])


def change(arn: str, **given: str) -> tuple[str, str, dict[str, Any]]:
    return "sns", "SetEndpointAttributes", {"EndpointArn": arn, "Attributes": given}


async def test_a_token_gets_one_endpoint(world: World) -> None:
    asked = ("sns", "CreatePlatformEndpoint", {"PlatformApplicationArn": APP, "Token": "t"})
    first, second = await race(world, asked, "insert_endpoint", asked)
    assert only(first) == only(second)
    answers = await world.each(*asked[:2], [{"PlatformApplicationArn": APP, "Token": "u"}] * 8)
    assert len({answer["EndpointArn"] for answer in answers}) == 1
    assert sql(world.nodes[0].store, "SELECT COUNT(*) FROM sns_endpoint") == [(2,)]


async def test_a_token_is_moved_to_one_endpoint(world: World) -> None:
    old = await endpoint(world, "old")
    made = ("sns", "CreatePlatformEndpoint", {"PlatformApplicationArn": APP, "Token": "new"})
    first, second = await race(world, change(old, Token="new"), "find_token", made)
    assert sorted((code_of(first), code_of(second))) == ["", "InvalidParameter"]
    assert sql(world.nodes[0].store, "SELECT COUNT(*) FROM sns_endpoint WHERE token = 'new'") == [(1,)]
    assert (await attributes(world, old))["Token"] == ("old" if code_of(first) else "new")


async def test_changes_of_an_endpoint_add_up(world: World) -> None:
    arn = await endpoint(world, "t")
    first, second = await race(world, change(arn, CustomUserData="kay"), "lock_endpoint", change(arn, Enabled="false"))
    assert (only(first), only(second)) == ({}, {})
    assert await attributes(world, arn) == {"Enabled": "false", "Token": "t", "CustomUserData": "kay"}


async def test_changes_of_an_application_add_up(world: World) -> None:
    def change(**given: str) -> tuple[str, str, dict[str, Any]]:
        return "sns", "SetPlatformApplicationAttributes", {"PlatformApplicationArn": APP, "Attributes": given}

    await race(world, change(Enabled="false"), "lock_application", change(ApplePlatformTeamID="T"))
    shown = await world.nodes[0].call("sns", "GetPlatformApplicationAttributes", PlatformApplicationArn=APP)
    assert shown["Attributes"] == {"Enabled": "false", "ApplePlatformTeamID": "T", "AuthenticationMethod": "key"}


async def test_changes_of_an_accounts_texts_add_up(world: World) -> None:
    def change(**given: str) -> tuple[str, str, dict[str, Any]]:
        return "sns", "SetSMSAttributes", {"attributes": given}

    await race(world, change(DefaultSenderID="Mine"), "lock_sms_settings", change(DefaultSMSType="Transactional"))
    shown = await world.nodes[0].call("sns", "GetSMSAttributes")
    assert shown["attributes"] == {
        "MonthlySpendLimit": "1", "DefaultSenderID": "Mine", "DefaultSMSType": "Transactional",
    }  # fmt: skip


async def codes(world: World, count: int) -> list[tuple[str, str]]:
    """Phones, and the passwords that were sent to them."""
    for number in range(count):
        await world.nodes[0].call("sns", "CreateSMSSandboxPhoneNumber", PhoneNumber=f"+1555000{number:04d}")
    return [tuple(row) for row in sql(world.nodes[0].store, "SELECT phone, code FROM sns_sandbox_phone ORDER BY phone")]


def verify(phone: str, code: str) -> tuple[str, str, dict[str, Any]]:
    return "sns", "VerifySMSSandboxPhoneNumber", {"PhoneNumber": phone, "OneTimePassword": code}


async def verified(world: World) -> int:
    listed = await world.nodes[0].call("sns", "ListSMSSandboxPhoneNumbers")
    return sum(one["Status"] == "Verified" for one in listed["PhoneNumbers"])


async def test_no_more_than_ten_phones_are_verified(world: World) -> None:
    found = await codes(world, 11)
    for one in found[:9]:
        _, operation, request = verify(*one)
        await world.nodes[0].call("sns", operation, **request)
    first, second = await race(world, verify(*found[9]), "count_verified", verify(*found[10]))
    assert [code_of(first), code_of(second)] == ["", "UserError"]
    assert await verified(world) == 10


async def test_without_its_lock_the_quota_is_exceeded(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    found = await codes(world, 11)
    for one in found[:9]:
        _, operation, request = verify(*one)
        await world.nodes[0].call("sns", operation, **request)
    take_locks_out(monkeypatch)
    await race(world, verify(*found[9]), "count_verified", verify(*found[10]))
    assert await verified(world) == 11
