"""The gateway as a country's programs see it: typed calls that know when to ask again.

Whatever is sent may be sent twice. So a lost connection, ``429`` and ``503`` are waited out
up to a deadline; any other refusal is raised at once, as :class:`ProblemError`.
"""

from collections.abc import Callable

from broker.desk import recalls, wire
from broker.desk.agency_calls import AgencyCalls
from broker.desk.asked import (
    AskedPage,
    AskedRequest,
    ConvenedAsked,
    Listed,
    read_asked,
    read_convened,
)
from broker.desk.desk_calls import DeskCalls
from broker.desk.failures import AnswerError
from broker.desk.notices import Noticed, read_notice
from broker.desk.session import Request
from broker.desk.values import rising
from broker.ports.recalls import Order
from broker.ports.requests import RequestState


class EnlaceClient(AgencyCalls, DeskCalls):
    """One gateway, one client; used as ``async with EnlaceClient.open(profile) as client``.

    Made with keys and pins, it keeps to them. Opened from a profile, it follows the files:
    new keys, another profile, passphrase, pins or authority count without a new start.

    An agency's calls come from :class:`AgencyCalls`, a desk's from :class:`DeskCalls`, opening
    and asking from :class:`~broker.desk.connection.Connection`; what both call is here.
    """

    async def orders(self, *, only_open: bool = True) -> tuple[Order, ...]:
        """What has this agency taken back, or must this desk answer? Oldest first.

        Raises:
            ProblemError, UnreachableError, AnswerError: As :meth:`send`.
        """
        found: list[Order] = []
        after = 0
        while True:
            query = (("state", "open" if only_open else "all"), ("after", str(after)))
            answer = await self._request(Request(method="GET", path="/v1/recalls", query=query))
            page = recalls.read_orders(answer.body)
            if not page:
                return tuple(found)
            after = rising((each.number for each in page), after=after)
            found += page

    async def notices(self, *, after: int = 0) -> tuple[Noticed, ...]:
        """What has the exchange told this country? Oldest first, each verified.

        Args:
            after: Only those with a higher number.

        Raises:
            EvidenceError: A notice is not signed by a receipt key of the exchange.
            ProblemError, UnreachableError, AnswerError: As :meth:`send`.
        """
        found: list[Noticed] = []
        cursor: int | None = after
        while cursor is not None:
            request = Request(method="GET", path="/v1/notices", query=(("after", str(cursor)),))
            page, following = wire.read_notices((await self._request(request)).body)
            after = rising((number for number, _ in page), after=after)
            for number, token in page:
                receipts = await self.receipts(token)
                found.append(read_notice(number, token, keys=receipts.keys, counts=receipts.counts))
            if following is not None and following <= cursor:
                # A gateway that goes round in circles would keep us for ever.
                raise AnswerError("the list of notices does not end")
            cursor = following
        return tuple(found)

    async def requests(
        self, *, received: bool, state: RequestState | None = None
    ) -> tuple[AskedRequest, ...]:
        """Which requests wait for an answer? Oldest first.

        Args:
            received: What this desk was asked; else what this agency's country has asked.
            state: Only those in it.

        Raises:
            ProblemError: Also if a desk asks for what was sent, or an agency for the other.
            UnreachableError, AnswerError: As :meth:`send`.
        """
        query = (
            ("direction", "received" if received else "sent"),
            ("state", "all" if state is None else state.value),
        )
        return await self._pages("/v1/requests", query, read_asked)

    async def convened(self, *, only_overdue: bool = False) -> tuple[ConvenedAsked, ...]:
        """What waits for an answer in the channels that this agency's country convenes?

        Raises:
            ProblemError: Also if a desk asks.
            UnreachableError, AnswerError: As :meth:`send`.
        """
        query = (("state", "overdue" if only_overdue else "all"),)
        return await self._pages("/v1/requests/convened", query, read_convened)

    async def _pages(
        self,
        path: str,
        query: tuple[tuple[str, str], ...],
        read: Callable[[bytes], AskedPage[Listed]],
    ) -> tuple[Listed, ...]:
        found: list[Listed] = []
        cursor: int | None = 0
        while cursor is not None:
            at = (*query, ("cursor", str(cursor)))
            page = read((await self._request(Request(method="GET", path=path, query=at))).body)
            found += page.requests
            if page.cursor is not None and page.cursor <= cursor:
                # A gateway that goes round in circles would keep us for ever.
                raise AnswerError("the list of requests does not end")
            cursor = page.cursor
        return tuple(found)
