"""What an insider has: the ledger's database, and nothing of what others keep to themselves."""

import json
import sqlite3
from collections.abc import Iterator, Mapping
from contextlib import closing, contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from hashlib import sha256
from typing import Any

from broker.desk.sign import sign_message
from broker.sandbox.countries import CountryKit
from keys.key import SigningKey
from schemas.vocabulary import Country
from tests.attacks.attacker import JSON, Answer, Arena
from tests.flow.conftest import FISCALIA, GT_DESK, Document, as_bytes, message


@dataclass(slots=True, kw_only=True)
class Ground:
    """An exchange, the countries' true holders, and the database's file."""

    arena: Arena

    @property
    def kits(self) -> Mapping[Country, CountryKit]:
        """What each country keeps to itself."""
        return self.arena.world.kits

    @contextmanager
    def database(self) -> Iterator[sqlite3.Connection]:
        """The database, as whoever holds its password has it."""
        with closing(sqlite3.connect(self.arena.ledger, timeout=10)) as connection, connection:
            yield connection

    def write(self, sql: str, *values: object) -> None:
        """Change rows behind the gateway's back."""
        with self.database() as connection:
            assert connection.execute(sql, values).rowcount > 0

    def read(self, sql: str, *values: object) -> Any:
        """Read one row's first column."""
        with self.database() as connection:
            return connection.execute(sql, values).fetchone()[0]

    async def publish(self) -> None:
        """Raise the directory's version, so that the gateway reads it again."""
        self.write("UPDATE heads SET directory = directory + 1")
        await self.arena.gateway.directory.refresh()

    async def add_statement(self, token: str) -> None:
        """Slip in a statement."""
        self.write(
            "INSERT INTO statements (number, digest, token) "
            "VALUES ((SELECT max(number) + 1 FROM statements) + 100000, ?, ?)",
            sha256(token.encode()).digest(),
            token,
        )
        await self.publish()

    async def remove_statement(self, token: str) -> None:
        """Take it out again."""
        self.write("DELETE FROM statements WHERE token = ?", token)
        await self.publish()


async def post(ground: Ground, key: SigningKey | None = None) -> tuple[str, Answer]:
    """Post a message from Mexico to Guatemala, signed with a key of the caller or another one."""
    attacker = ground.arena.attacker(FISCALIA)
    document = message()
    signer = attacker.holding.signature if key is None else key
    posting = sign_message(as_bytes(document), signer, agency=FISCALIA, now=datetime.now(UTC))
    headers = [JSON, ("Message-Signature", posting.signature)]
    answer = await attacker.call("POST", "/v1/messages", headers=headers, body=posting.body)
    return document["id"], answer


def sealed_of(ground: Ground, message_id: str) -> Document:
    """The sealed form as it lies in the ledger."""
    document: Document = json.loads(
        ground.read("SELECT sealed FROM messages WHERE message_id = ?", message_id)
    )
    return document


def kids_of(sealed: Document) -> list[str]:
    """To which keys it is sealed."""
    return [each["header"]["kid"] for each in sealed["recipients"]]


def true_kid(ground: Ground) -> str:
    """Guatemala's own encryption key."""
    decryption = ground.arena.world.holdings[GT_DESK].decryption
    assert decryption is not None
    return decryption.kid
