"""Does a country hear of every message that a compromised key concerns, and of each once?"""

from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import cast

from broker.model.events import DeliveryState, Notice
from broker.model.names import AgencyRef, DeliveryNumber, DeskRef, MessageId, Pair
from broker.notices import SETTLED, Notices
from broker.ports.keys import AffectedDelivery, KeyLedger
from keys import strict_json
from keys.act_kind import ActKind
from keys.identifiers import KeyId
from schemas.vocabulary import Compartment, Country
from tests.gateway.test_key_watch import NOW, Looking

DESK = DeskRef(country=Country.GUATEMALA, compartment=Compartment.INTELLIGENCE)
SOON = timedelta(seconds=5)


def affected(number: int) -> AffectedDelivery:
    """A message of Mexico's that the key could open."""
    return AffectedDelivery(
        number=DeliveryNumber(number),
        message_id=MessageId(f"message {number}"),
        origin=AgencyRef(country=Country.MEXICO, agency="fiscalia"),
        desk=DESK,
        queue=Pair(origin=Country.MEXICO, desk=DESK).queue,
        state=DeliveryState.DISPATCHED,
        accepted_at=NOW,
    )


@dataclass(kw_only=True)
class Telling(Looking):
    """A gateway process that tells of a compromise, and the ledger that it writes to."""

    concerned: list[AffectedDelivery] = field(default_factory=lambda: [affected(1)])
    written: dict[tuple[Country, bytes], Notice] = field(default_factory=dict)
    signed: list[bytes] = field(default_factory=list)
    readings: int = 0

    def __post_init__(self) -> None:
        super().__post_init__()
        self.restart()

    def restart(self) -> None:
        """Forget what this process has told."""
        self.watch.notices = Notices(
            ledger=cast("KeyLedger", self), sign=self._sign, issuer="https://enlace.test"
        )

    def compromise(self, *, at: datetime) -> None:
        """Have one of the exchange's keys declared compromised."""
        key = self.kit.token_key.kid
        self.acts.append(self.kit.alone(ActKind.COMPROMISE, at=at, keys=[key]))

    @property
    def told(self) -> list[list[str]]:
        """The messages that each notice names."""
        return [
            [each["mid"] for each in strict_json.parse_object(notice.token.encode())["deliveries"]]
            for notice in self.written.values()
        ]

    async def affected(
        self,
        kid: KeyId,
        *,
        since: datetime | None = None,
        after: DeliveryNumber | None = None,
        limit: int,
    ) -> Sequence[AffectedDelivery]:
        """List what is concerned."""
        assert (kid, since) == (self.kit.token_key.kid, None)
        self.readings += after is None
        return [one for one in self.concerned if one.number > (after or 0)][:limit]

    async def was_told(self, country: Country, subject: bytes) -> bool:
        """Look."""
        return (country, subject) in self.written

    async def add_notice(self, notice: Notice) -> bool:
        """Write once."""
        is_new = (notice.country, notice.subject) not in self.written
        self.written.setdefault((notice.country, notice.subject), notice)
        return is_new

    def _sign(self, payload: bytes) -> str:
        self.signed.append(payload)
        return payload.decode()


async def test_compromise_is_told_again_when_more_is_concerned() -> None:
    """What another gateway let through before it had read the act stands in a notice too."""
    telling = Telling()
    telling.compromise(at=NOW)
    await telling.look(NOW)

    telling.concerned.append(affected(2))
    await telling.look(NOW + SETTLED)

    assert telling.told == [["message 1"], ["message 1", "message 2"]]


async def test_compromise_is_told_again_when_its_act_came_late() -> None:
    """The act lay on somebody's desk for minutes; the other gateways have it no sooner for that."""
    telling = Telling()
    telling.compromise(at=NOW - 2 * SETTLED)
    await telling.look(NOW)

    telling.concerned.append(affected(2))
    await telling.look(NOW + SETTLED)

    assert len(telling.told) == 2


async def test_compromise_is_read_and_signed_no_more_than_it_must_be() -> None:
    """Twice a process reads the list; whoever comes after a restart signs nothing again."""
    telling = Telling()
    telling.compromise(at=NOW)

    for _ in range(2):
        for rounds in range(60):
            await telling.look(NOW + rounds * SOON)
        telling.restart()

    assert telling.told == [["message 1"]]
    assert len(telling.signed) == 1
    assert telling.readings == 4
