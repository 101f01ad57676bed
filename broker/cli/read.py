"""`enlace read`: show messages of an inbox, once the gateway has noted who reads and for what."""

import asyncio
import json
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from broker.cli.explain import CommandError
from broker.cli.options import ProfileOption
from broker.cli.readers import PurposeOption, ReaderOption, choose_reader
from broker.cli.session import open_client
from broker.cli.status import read_message_id
from broker.cli.terminal import Terminal, printable, terminal_of
from broker.errors import Code, RefusedError
from broker.model.names import MessageId

if TYPE_CHECKING:
    from broker.desk.client import EnlaceClient
    from broker.desk.reading import Reader
    from broker.desk.wire import ContentRef


def read(
    context: typer.Context,
    ids: Annotated[list[MessageId], typer.Argument(parser=read_message_id, metavar="ID")],
    inbox: Annotated[Path, typer.Option("--inbox", envvar="ENLACE_OUTPUT", metavar="PATH")],
    purpose: PurposeOption = None,
    reader: ReaderOption = None,
    profile: ProfileOption = Path(),
) -> None:
    """Show messages that this desk has received."""
    terminal = terminal_of(context)
    client = open_client(profile, terminal)
    chosen = choose_reader(client.profile, reader=reader, purpose=purpose)
    if chosen is None:
        raise CommandError(terminal.text("read.nobody"))
    lines = _find(inbox, ids)
    # First it is noted, then it is shown; without the gateway nobody reads.
    asyncio.run(_state(client, chosen, lines))
    for line in lines:
        if "superseded" in line:
            terminal.warn("read.superseded", id=line["id"], by=_correction(line))
        _show(line, terminal)


def _find(inbox: Path, ids: Sequence[MessageId]) -> list[dict[str, Any]]:
    from broker.desk.inbox import inbox_file, read_inbox  # noqa: PLC0415 - loads the client

    file = inbox_file(inbox)
    wanted = set(ids)
    lines = (_read_line(line) for line in read_inbox(file))
    found = [each for each in lines if each is not None and each["id"] in wanted]
    if wanted - {each["id"] for each in found}:
        raise RefusedError(Code.NOT_FOUND)
    return found


def _read_line(line: bytes) -> dict[str, Any] | None:
    from broker.desk.failures import StoreError  # noqa: PLC0415 - loads the client

    try:
        members: dict[str, Any] = json.loads(line)
        if "destroyed_at" in members:
            # A tombstone: of this message there is nothing left to read.
            return None
        # All that is asked of it later.
        _ = members["id"], members["content_hash"], members["message"]["purpose"]["code"]
    except (ValueError, TypeError, KeyError):
        raise StoreError("a line of the inbox is damaged") from None
    return members


async def _state(client: "EnlaceClient", reader: "Reader", lines: Sequence[dict[str, Any]]) -> None:
    from broker.desk.reading import state_all  # noqa: PLC0415 - loads the client

    uses = [
        (_ref(each), reader.purpose or str(each["message"]["purpose"]["code"])) for each in lines
    ]
    async with client:
        await state_all(client, uses, reader=reader.role)


def _correction(line: dict[str, Any]) -> str:
    mark = line["superseded"]
    return str(mark.get("replaced_by") or mark.get("rectification"))


def _ref(line: dict[str, Any]) -> "ContentRef":
    from broker.desk.wire import ContentRef  # noqa: PLC0415 - loads the client
    from broker.model.names import ContentHash  # noqa: PLC0415 - beside it

    return ContentRef(
        message_id=MessageId(line["id"]), content_hash=ContentHash(str(line["content_hash"]))
    )


def _show(line: dict[str, Any], terminal: Terminal) -> None:
    if terminal.json:
        terminal.line(line)
    else:
        text = json.dumps(line["message"], ensure_ascii=False, indent=2)
        sys.stdout.write(printable(text) + "\n")
