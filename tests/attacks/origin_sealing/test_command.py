"""What does the command say of what it seals?"""

import asyncio
import json
import sys
from pathlib import Path

import pytest

from keys.custody.bundle import write_bundle
from keys.custody.envelope import RECOMMENDED
from keys.secret import Passphrase
from tests.attacks.attacker import Arena
from tests.attacks.origin_sealing.forged import MARK, Document
from tests.flow.conftest import FISCALIA, as_bytes, message

pytestmark = pytest.mark.asyncio(loop_scope="module")


async def enlace(one: Arena, *arguments: str, language: str = "en") -> dict[str, Document]:
    """Run `enlace` as the prosecution's machine does; its lines by the file they are about."""
    profile = str(one.world.folder_of(FISCALIA))
    ran = await asyncio.create_subprocess_exec(
        sys.executable,
        *("-m", "broker.cli.main", "--json", "--lang", language),
        *arguments,
        *("--profile", profile),
        stdout=asyncio.subprocess.PIPE,
    )
    out, _ = await ran.communicate()
    return {Path(each["file"]).stem: each for each in map(json.loads, out.splitlines())}


def protect_well(one: Arena) -> None:
    """Let the command take the key file: those of tests are protected too cheaply for it."""
    folder, holding = one.world.folder_of(FISCALIA), one.world.holdings[FISCALIA]
    passphrase = Passphrase.from_text((folder / "passphrase").read_text().strip())
    write_bundle(folder / "client.key.new", holding.bundle, passphrase, cost=RECOMMENDED)
    (folder / "client.key.new").replace(folder / "client.key")


async def test_send_seals_here_and_explains_what_is_refused(small: Arena, tmp_path: Path) -> None:
    """The road, the message and the id: in the reader's language, with what to do next."""
    protect_well(small)
    good, closed, bad = (tmp_path / f"{name}.json" for name in ("good", "closed", "bad"))
    good.write_bytes(as_bytes(message()))
    closed.write_bytes(as_bytes(message(to={"countries": ["CR"], "compartment": "intelligence"})))
    bad.write_bytes(as_bytes(message(purpose={"code": "because", "text": MARK})))

    asked = await enlace(small, "send", "--seal", "--dry-run", str(good))
    sent = await enlace(small, "send", "--seal", str(good), str(closed))
    again = await enlace(small, "send", "--seal", str(good), str(bad), language="es")

    assert (asked["good"]["status"], sent["good"]["status"]) == ("dry-run", "accepted")
    assert sent["closed"]["error"]["code"] in {"recipient-unknown", "pair-closed"}
    assert again["good"]["error"]["code"] == "id-reused"
    assert "sellado de nuevo" in again["good"]["error"]["detail"]
    assert again["bad"]["error"]["code"] == "schema-violation"
    assert MARK not in json.dumps(again)
