"""Members see channels in the directory: as the gateway tells them, and as they find themselves."""

import json
from datetime import UTC, datetime
from importlib import resources
from pathlib import Path
from typing import Any

import yaml

from broker.channel_view import channel_view
from broker.desk.client import EnlaceClient
from broker.desk.session import Request
from keys.act_kind import ActKind
from keys.channel import Channel
from keys.charter import ChannelName
from tests.flow.channel_world import FISCALIA, GT, HN, HN_DESK, act, with_channels


async def asked(client: EnlaceClient) -> tuple[dict[str, Any], str]:
    """Ask the gateway; give the channels by name, and the ETag."""
    answer = await client._request(Request(method="GET", path="/v1/directory", headers={}))
    found = json.loads(answer.body)["channels"]
    return {each["channel"]: each for each in found}, answer.headers["ETag"]


async def test_directory_shows_every_channel_to_every_member(tmp_path: Path) -> None:
    """Also to who is in none of them: charters are signed in the public list, and no secret."""
    described = yaml.safe_load(
        resources.files("broker.gateway").joinpath("openapi.yaml").read_text("utf-8")
    )["components"]["schemas"]["Channel"]

    async with with_channels(tmp_path / "world") as exchange:
        by_agency, _ = await asked(await exchange.client(FISCALIA))
        by_desk, _ = await asked(await exchange.client(HN_DESK))
        own = await (await exchange.client(HN_DESK)).directory()

    assert by_agency == by_desk
    assert by_agency.keys() == {"trio", "quiet", "care"}
    for each in by_agency.values():
        assert each.keys() == set(described["required"]) == described["properties"].keys()
    assert by_agency["trio"]["members"] == {"GT": ["mp"], "HN": ["mp"], "MX": ["fgr"]}
    assert by_agency["trio"]["state"] == "active"
    # What the client found in the signed documents by itself.
    assert {one.name: channel_view(one, own.at) for one in own.channels} == by_agency


async def test_directory_changes_its_etag_when_a_channel_changes(tmp_path: Path) -> None:
    """A member that left is gone from the members, and a client that asks again learns it."""
    async with with_channels(tmp_path / "world") as exchange:
        client = await exchange.client(FISCALIA)
        _, before = await asked(client)
        _, again = await asked(client)
        await act(exchange, ActKind.LEAVE_CHANNEL, HN)
        after, changed = await asked(client)
        await act(exchange, ActKind.SUSPEND_CHANNEL, GT)
        suspended, _ = await asked(client)
        directory = exchange.gateway.directory.current
        due = directory.stepped(directory.channels[0].terms[0].charter.review)

    assert before == again != changed
    assert after["trio"]["members"].keys() == {"GT", "MX"}
    assert after["quiet"]["members"].keys() == {"GT", "HN", "MX"}
    assert suspended["trio"]["state"] == "suspended"
    # Time alone changes it, too: a review becomes due.
    assert due.version == directory.version
    assert due.standing != directory.standing


def test_view_is_nothing_for_a_channel_that_nobody_proposed() -> None:
    """No charter, nothing to show."""
    empty = Channel(name=ChannelName("nobody"))

    assert empty.outline(datetime.now(UTC)) is None
    assert channel_view(empty, datetime.now(UTC)) is None
