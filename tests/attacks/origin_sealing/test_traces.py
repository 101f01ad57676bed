"""What of a sealed message is left in a ledger, a log or a counter?"""

import re
from contextlib import AsyncExitStack
from pathlib import Path

import pytest

from tests.attacks.attacker import arena
from tests.attacks.origin_sealing.forged import MANY, MARK, forge, post
from tests.attacks.test_leaks import everything_logged
from tests.flow.conftest import GT_DESK, PLAN, Running, lines, message

pytestmark = pytest.mark.asyncio(loop_scope="module")


def everything_in(folder: Path, pattern: str) -> bytes:
    """All bytes of these files; the write-ahead log of a database is one."""
    return b"".join(each.read_bytes() for each in folder.rglob(pattern))


async def test_sealed_messages_leave_no_facts_behind(tmp_path: Path) -> None:
    """Not in the ledger, a log or a counter: neither where people come from nor what was said."""
    document = message(to=MANY)
    document["body"]["title"] = MARK
    with everything_logged() as written:
        async with arena(tmp_path / "exchange", PLAN) as one:
            lie = forge(one, document).stating(all_origins=["SV"])
            assert (await post(one, lie)).status == 202
            refused = forge(one, message(to=MANY)).stating(marked_origins=["HN"], has_marked=True)
            assert (await post(one, refused)).json["rule"] == "SG-01"
            async with AsyncExitStack() as stack:
                running = Running(world=one.world, gateway=one.gateway, stack=stack)
                assert await running.receive(GT_DESK) == []
            metrics = await one.metrics()
            ledger = everything_in(tmp_path, "ledger.sqlite*")
            folder = one.world.folder_of(GT_DESK)
            notes = (folder / "refused.jsonl").read_bytes()
            log = written.getvalue().encode()

    for text in (
        MARK,
        lie.seal(),
        lie.seal().split(".")[1],
        lie.said["salt"],
        "marked_origins",
        "all_origins",
        refused.said["mid"],
        str(document["case"]),
    ):
        for place in (ledger, notes, log, metrics):
            assert text.encode() not in place, text
    # Nobody took part for El Salvador here: only the facts name it.
    assert not re.search(rb"\bSV\b", log + notes + metrics)
    assert [each["reason"] for each in lines(folder / "refused.jsonl")] == ["facts-not-true"]
    assert b"facts-not-true" in log
