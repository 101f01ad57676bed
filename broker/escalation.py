"""Tell those who can do something when a request is not answered in time (SG-13).

A request that came over a channel is the business of its conveners, one between two countries
of both. Each gets a signed notice, which names the message, who asked and who was asked, and
nothing of what it says. Where the charter hides recipients, a convener reads how many were asked
in vain, and not who.
"""

import asyncio
import hashlib
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Final

import structlog

from broker.attempt import attempt
from broker.convening import conveners, hides_desks, may_know
from broker.directory import Directory
from broker.model.events import Notice
from broker.notices import SignNotice
from broker.ports.clock import Clock
from broker.ports.requests import Request, RequestLedger
from keys import strict_json
from keys.strict_json import JsonObject
from schemas.vocabulary import Country

INTERVAL: Final = timedelta(seconds=15)
"""How late a convener may learn of it; the shortest time to answer is eight hours."""
PAGE: Final = 100
OVERDUE: Final = "request-overdue"

log = structlog.get_logger()


@dataclass(frozen=True, slots=True, kw_only=True)
class Escalations:
    """Looks for what is overdue; any number of gateways may do so at once."""

    ledger: RequestLedger
    directory: Callable[[], Directory]
    """The one of the moment: it knows who convenes a channel."""
    sign: SignNotice
    issuer: str
    clock: Clock
    every: timedelta | None = None
    """How often it looks; None means :data:`INTERVAL`."""

    async def run(self) -> None:
        """Look until cancelled."""
        while True:
            await attempt("escalation", self.look)
            await asyncio.sleep((self.every or INTERVAL).total_seconds())

    async def look(self) -> int:
        """Escalate all that is overdue and was not yet; say how much this process did.

        Raises:
            LedgerUnavailableError: What was not done is done at the next look.
        """
        now, told = self.clock(), 0
        after: Request | None = None
        # Behind the last of a page, so that what fails keeps no other back: it waits for the
        # next look.
        while page := await self.ledger.to_escalate(now=now, after=after, limit=PAGE):
            told += [await self._try(request, now) for request in page].count(True)
            after = page[-1]
        return told

    async def _try(self, request: Request, now: datetime) -> bool:
        """Escalate one; False if another process did, or if that failed."""
        done: list[bool] = []

        async def step() -> None:
            done.append(await self._escalate(request, now))

        return await attempt("escalation", step) and done[0]

    async def _escalate(self, request: Request, now: datetime) -> bool:
        notices = [
            await self._notice(request, country, now)
            for country in sorted(whom_to_tell(request, self.directory(), now))
        ]
        # A crash before this line costs nothing: nobody was told, and the next look tells. One
        # after it neither: note and notices are one transaction.
        is_new = await self.ledger.escalate(request.delivery, notices, at=now)
        if is_new:
            log.warning("request:overdue", delivery=request.delivery, road=request.road)
        return is_new

    async def _notice(self, request: Request, country: Country, now: datetime) -> Notice:
        named = _may_be_named(request, country, self.directory(), now)
        payload: JsonObject = {
            "iss": self.issuer,
            "event": OVERDUE,
            "country": country.value,
            "at": _seconds(now),
            "mid": request.message_id,
            "org": str(request.origin),
            "due": _seconds(request.due),
        }
        if request.channel is not None:
            payload["channel"] = request.channel
        if named:
            payload["desk"] = str(request.desk)
            about = str(request.delivery)
        else:
            payload["compartment"] = request.desk.compartment.value
            payload["late"] = await self.ledger.late(request.delivery, now=now)
            # Its copies are due at one moment: one notice for all of them, which tells none apart.
            about = f"{request.origin}\0{request.message_id}"
        subject = hashlib.sha256(f"{OVERDUE}\0{about}\0{country}".encode()).digest()
        return Notice(
            country=country,
            at=now,
            event=OVERDUE,
            subject=subject,
            token=self.sign(strict_json.write(payload)),
        )


def whom_to_tell(request: Request, directory: Directory, now: datetime) -> frozenset[Country]:
    """Whose business is it that this request was not answered?

    The conveners of its channel who are still members, whatever state the channel is in: a
    channel that was suspended is no excuse. Where none is left, and on a pair: both sides.
    """
    both = frozenset({request.origin.country, request.desk.country})
    channel = None if request.channel is None else directory.channel(request.channel)
    return both if channel is None else conveners(channel, now) or both


def _may_be_named(request: Request, country: Country, directory: Directory, now: datetime) -> bool:
    """Whether a country may read which desk is late."""
    channel = None if request.channel is None else directory.channel(request.channel)
    if channel is None or may_know(country, request.desk, asker=request.origin.country):
        return True
    return not hides_desks(channel, asked_at=request.asked_at, now=now)


def _seconds(moment: datetime) -> int:
    return int(moment.timestamp())
