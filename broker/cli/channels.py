"""`enlace channels`: in which channels is my country, and what may I send over them?"""

import asyncio
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Final

import typer

from broker.cli.options import ProfileOption
from broker.cli.session import open_client
from broker.cli.terminal import Record, terminal_of
from broker.model.names import AgencyRef, DeskRef

if TYPE_CHECKING:
    from broker.desk.client import EnlaceClient
    from broker.directory import Directory
    from keys.channel import Channel
    from schemas.vocabulary import Country

COLUMNS: Final = (
    *("channel", "state", "compartment", "countries", "kinds", "ceiling", "sealing", "review"),
    *("may_send", "title"),
)


def channels(context: typer.Context, profile: ProfileOption = Path()) -> None:
    """List the channels that the own country is, was or will be in, and what they carry."""
    terminal = terminal_of(context)
    rows = asyncio.run(_ask(open_client(profile, terminal)))
    terminal.rows(rows, COLUMNS)


async def _ask(client: "EnlaceClient") -> list[Record]:
    async with client:
        directory = await client.directory()
        return [*_rows(directory, client.profile.subject)]


def _rows(directory: "Directory", subject: AgencyRef | DeskRef) -> Iterator[Record]:
    from broker.channel_view import channel_view  # noqa: PLC0415 - loaded already

    for channel in directory.channels:
        view = channel_view(channel, directory.at)
        if view is not None and subject.country in _countries(channel, directory):
            yield {
                **view,
                "countries": [*sorted(channel.members(directory.at))],
                "may_send": _may_send(channel, directory, subject),
            }


def _countries(channel: "Channel", directory: "Directory") -> "frozenset[Country]":
    """Who has to do with it: also whoever is asked to consent."""
    charter = channel.outline(directory.at)
    return channel.countries | (frozenset() if charter is None else charter.members.keys())


def _may_send(channel: "Channel", directory: "Directory", subject: AgencyRef | DeskRef) -> bool:
    """Does the charter let this agency write now? What its function may do is another rule."""
    from keys.channel import ChannelState  # noqa: PLC0415 - loaded already

    if not isinstance(subject, AgencyRef):
        return False
    agencies = channel.members(directory.at).get(subject.country, ())
    return channel.state(directory.at) is ChannelState.ACTIVE and subject.agency in agencies
