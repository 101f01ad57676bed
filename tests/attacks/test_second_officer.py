"""May one officer pass for two? Every way to spell a second signature that is none."""

from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

import pytest

from broker.desk.sign import sign_message
from broker.model.names import AgencyRef
from broker.sandbox.kits import STATED
from broker.storage.ledger import open_ledger
from keys.holder import Holder
from keys.key import KeyUse, SigningKey
from tests.attacks.attacker import JSON, Arena
from tests.flow.conftest import FISCALIA, MIGRACION, as_bytes, message

pytestmark = pytest.mark.asyncio(loop_scope="module")

Fields = list[str]
"""The values of ``Message-Signature``, one for each header line."""


@dataclass(frozen=True, kw_only=True)
class Signed:
    """What the author, his colleague and a stranger have signed; each as the spelling needs."""

    author: str
    second: str
    author_again: str
    foreign: str
    other_bytes: str
    stale: str


async def colleague(one: Arena) -> SigningKey:
    """A second officer of the fiscalia, whose key the country has stated."""
    kit = one.world.kits[FISCALIA.country]
    key = kit.signing(f"fgr-second-{len(kit.statements)}")
    holder = Holder.agency(FISCALIA.country, FISCALIA.agency)
    stated = kit.state(holder, KeyUse.MESSAGE_SIGNATURE, key.public)
    async with open_ledger(one.world.settings.database_url) as ledger:
        await ledger.directory.add_statements([stated], at=kit.now - STATED)
    await one.gateway.directory.refresh()
    return key


async def signed(one: Arena, body: bytes) -> Signed:
    """Sign a body in every way that is needed here."""
    second = await colleague(one)
    author = one.attacker(FISCALIA).holding.signature
    stranger = one.attacker(MIGRACION).holding.signature

    def sign(
        key: SigningKey, content: bytes = body, *, agency: AgencyRef = FISCALIA, **ago: float
    ) -> str:
        now = datetime.now(UTC) - timedelta(**ago)
        return sign_message(content, key, agency=agency, now=now).signature

    return Signed(
        author=sign(author),
        second=sign(second),
        author_again=sign(author, seconds=1),
        foreign=sign(stranger),
        other_bytes=sign(second, body + b" "),
        stale=sign(second, days=8),
    )


SPELLINGS: dict[str, tuple[Callable[[Signed], Fields], int, str]] = {
    "both": (lambda by: [f"{by.author},{by.second}"], 202, ""),
    "two header lines": (lambda by: [by.author, by.second], 403, "signature-invalid"),
    "a space between": (lambda by: [f"{by.author}, {by.second}"], 403, "signature-invalid"),
    "three": (lambda by: [f"{by.author},{by.second},{by.author}"], 403, "signature-invalid"),
    "nothing behind the comma": (lambda by: [f"{by.author},"], 403, "signature-invalid"),
    "nothing before it": (lambda by: [f",{by.author}"], 403, "signature-invalid"),
    "the author again": (lambda by: [f"{by.author},{by.author_again}"], 403, "signature-invalid"),
    "another agency": (lambda by: [f"{by.author},{by.foreign}"], 403, "signature-foreign"),
    "other bytes": (lambda by: [f"{by.author},{by.other_bytes}"], 403, "signature-invalid"),
    "stale": (lambda by: [f"{by.author},{by.stale}"], 422, "signature-stale"),
}


@pytest.mark.parametrize("name", SPELLINGS)
async def test_message_is_refused_when_its_second_signature_is_none(
    small: Arena, name: str
) -> None:
    """Refused as a whole, over the wire; it is never taken for a message of one officer."""
    spell, status, code = SPELLINGS[name]
    body = as_bytes(message())
    fields = spell(await signed(small, body))

    headers = [JSON, *(("Message-Signature", each) for each in fields)]
    answer = await small.attacker(FISCALIA).call("POST", "/v1/messages", headers=headers, body=body)

    assert (answer.status, answer.json.get("code", "")) == (status, code)
