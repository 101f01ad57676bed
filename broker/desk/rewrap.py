"""From the old key to the next one: a desk re-wraps what waits for it, batch by batch.

What is done is no longer listed. So a run that was interrupted is continued by another run,
and nothing is kept here about how far it came.
"""

import asyncio
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Final, TypeAlias

import structlog

from broker.desk.client import EnlaceClient
from broker.desk.sign import sign_rewrap
from broker.desk.values import rising
from broker.desk.wire import ContentRef, NotSettled
from broker.desk.wraps import WaitingEntry
from broker.errors import ConfigurationError, UnsealError
from broker.model.names import DeliveryNumber
from broker.sealing.rewrap import rewrap
from broker.sealing.wire import Recipient
from keys.identifiers import KeyId
from keys.key import DecryptionKey

BATCH: Final = 50
"""Entries in one request: 200 KiB of the largest, below what a body may have."""

log = structlog.get_logger()


@dataclass(frozen=True, slots=True, kw_only=True)
class NotRewrapped:
    """A delivery that stays with the old key, and why."""

    ref: ContentRef
    code: str
    """``cannot-open``, or what the gateway said."""


@dataclass(slots=True, kw_only=True)
class RewrapTotals:
    """How far a run has come."""

    old: KeyId
    new: KeyId
    waiting: int
    """What waited when it began."""
    rewrapped: int = 0
    left: list[NotRewrapped] = field(default_factory=list)
    """They stay with the old key, which must be kept for them."""


OnProgress: TypeAlias = Callable[[RewrapTotals], None]
Wrapped: TypeAlias = tuple[WaitingEntry, Recipient | None]


class Rewrapper:
    """Re-wraps for one desk, by the client that it is given."""

    def __init__(self, client: EnlaceClient) -> None:
        self._client = client

    async def run(
        self, old: KeyId, new: KeyId | None = None, *, on_progress: OnProgress | None = None
    ) -> RewrapTotals:
        """Take all that waits from one key to another; lost lines are waited out.

        Args:
            old: A key of this desk.
            new: None takes the one that the directory says is active.
            on_progress: Called after each batch.

        Raises:
            ConfigurationError: One of the keys is not held here, or both are the same.
            ProblemError, UnreachableError, AnswerError, EvidenceError: As
                :meth:`EnlaceClient.acknowledge`. What was done until then stays done.
        """
        new_key = self._held(await self._active() if new is None else new)
        old_key = self._held(old)
        if old_key.kid == new_key.kid:
            raise ConfigurationError(f"{old} is the active key: there is nothing to leave it for")
        totals = RewrapTotals(old=old, new=new_key.kid, waiting=0)
        after = DeliveryNumber(0)
        while True:
            page = await self._client.waiting_wraps(old, after=after, limit=BATCH)
            totals.waiting = page.total if page.total is not None else totals.waiting
            if not page.entries:
                return totals
            last = rising((each.number for each in page.entries), after=after)
            wrapped = await asyncio.to_thread(_wrap_all, page.entries, old_key, new_key)
            await self._send(wrapped, totals)
            after = DeliveryNumber(last)
            if on_progress is not None:
                on_progress(totals)

    async def _send(self, wrapped: Sequence[Wrapped], totals: RewrapTotals) -> None:
        good = [(entry, new) for entry, new in wrapped if new is not None]
        totals.left += [
            NotRewrapped(ref=entry.ref, code="cannot-open") for entry, new in wrapped if new is None
        ]
        client = self._client
        now, desk, key = client.timing.clock(), client.profile.desk, client.keys.signature
        tokens = [
            sign_rewrap(entry.ref, new, key, old=totals.old, desk=desk, now=now)
            for entry, new in good
        ]
        refs = [entry.ref for entry, _ in good]
        results = await client.rewrap(tokens, refs, new=totals.new)
        for ref, result in zip(refs, results, strict=True):
            if isinstance(result, NotSettled):
                totals.left.append(NotRewrapped(ref=ref, code=result.code))
            else:
                totals.rewrapped += 1
        log.info("wraps:sent", rewrapped=totals.rewrapped, left=len(totals.left))

    async def _active(self) -> KeyId:
        client = self._client
        directory = await client.directory()
        return directory.encryption_key(client.profile.desk, client.timing.clock()).kid

    def _held(self, kid: KeyId) -> DecryptionKey:
        key = self._client.keys.decryption.get(kid)
        if key is None:
            raise ConfigurationError(f"{kid} is not in the key file here")
        return key


def _wrap_all(
    entries: Sequence[WaitingEntry], old: DecryptionKey, new: DecryptionKey
) -> list[Wrapped]:
    return [(entry, _wrap(entry, old, new)) for entry in entries]


def _wrap(entry: WaitingEntry, old: DecryptionKey, new: DecryptionKey) -> Recipient | None:
    if entry.recipient is None:
        return None
    try:
        return rewrap(entry.protected, entry.recipient, old, new)
    except UnsealError:
        return None
