"""How a country's program reaches its gateway, whatever it asks.

A lost connection, ``429`` and ``503`` are waited out up to a deadline. The directory is asked
for anew and verified, and receipts are held against it.
"""

import os
from collections.abc import Mapping
from contextlib import AsyncExitStack
from dataclasses import dataclass
from datetime import timedelta
from types import TracebackType
from typing import Final, Self

import aiohttp

from broker.desk.held_keys import HeldKeys
from broker.desk.known_directory import BETWEEN_LOOKS, LOOKS, KnownDirectory
from broker.desk.pins import Pins
from broker.desk.profile import Profile
from broker.desk.receipts import ReceiptCheck
from broker.desk.retry import PATIENT, RetryPolicy, with_retries
from broker.desk.session import Answer, Request, Session
from broker.desk.stream import STEADY, StreamSettings
from broker.desk.timing import REAL_TIME, Timing
from broker.desk.wallet import FileWallet, Wallet
from broker.directory import Directory

JSON_TYPE: Final = {"Content-Type": "application/json"}


@dataclass(frozen=True, slots=True, kw_only=True)
class ClientSettings:
    """How patient the client is; each has a value that serves."""

    retries: RetryPolicy = PATIENT
    request_timeout: timedelta = timedelta(seconds=30)
    """For one attempt."""
    stream: StreamSettings = STEADY


DEFAULT_SETTINGS: Final = ClientSettings()


class Connection:
    """What every call needs: a session that is open, the wallet, the newest directory."""

    def __init__(
        self,
        profile: Profile,
        keys: HeldKeys,
        pins: Pins,
        *,
        settings: ClientSettings = DEFAULT_SETTINGS,
        timing: Timing = REAL_TIME,
    ) -> None:
        self.timing: Final = timing
        self._wallet = Wallet(profile, keys, pins)
        self._settings = settings
        self._closing = AsyncExitStack()
        self._session: Session | None = None
        self._directory = KnownDirectory(self._request, lambda: self.pins, timing)

    @classmethod
    def open(
        cls,
        profile: Profile,
        *,
        settings: ClientSettings = DEFAULT_SETTINGS,
        environ: Mapping[str, str] = os.environ,
    ) -> Self:
        """Make a client from a profile, which follows the files that the profile names.

        Raises:
            ConfigurationError, CustodyError: A file is missing, malformed or readable by
                others, or the passphrase is wrong.
        """
        return cls.of_wallet(FileWallet(profile, environ=environ), settings=settings)

    @classmethod
    def of_wallet(
        cls,
        wallet: Wallet,
        *,
        settings: ClientSettings = DEFAULT_SETTINGS,
        timing: Timing = REAL_TIME,
    ) -> Self:
        """Make a client that asks this wallet, each time, what counts now.

        Raises:
            ConfigurationError: What was seen of the directory cannot be read.
        """
        held = wallet.current
        client = cls(held.profile, held.keys, held.pins, settings=settings, timing=timing)
        client._wallet = wallet
        if held.profile.seen_file is not None:
            client._directory.remember_in(held.profile.seen_file)
        return client

    @property
    def wallet(self) -> Wallet:
        """As whom this client acts, and whom it trusts."""
        return self._wallet

    @property
    def profile(self) -> Profile:
        """The profile as it is now."""
        return self._wallet.current.profile

    @property
    def keys(self) -> HeldKeys:
        """The private keys as they are now."""
        return self._wallet.current.keys

    @property
    def pins(self) -> Pins:
        """The pinned keys as they are now."""
        return self._wallet.current.pins

    async def __aenter__(self) -> Self:
        # A file that cannot be used is told here, before anything is sent.
        connector = aiohttp.TCPConnector(ssl=self._wallet.tls)
        http = aiohttp.ClientSession(connector=connector, cookie_jar=aiohttp.DummyCookieJar())
        await self._closing.enter_async_context(http)
        self._session = Session(http, self._wallet, timing=self.timing)
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._session = None
        await self._closing.aclose()

    async def directory(self) -> Directory:
        """Who takes part, with the keys that the pinned roots vouch for.

        Asked anew each time; an unchanged one is neither sent nor verified again. A key
        whose statement does not verify is left out.

        Raises:
            TakenBackError: Documents that this client has seen are no longer served, and it
                was started since; a client that runs goes on by what it has seen.
        """
        await self._wallet.refresh()
        return await self._directory.look()

    async def _require_directory(self) -> Directory:
        """Give the directory that is known, or the first one."""
        return self._directory.current or await self.directory()

    async def receipts(self, token: str) -> ReceiptCheck:
        """Hold receipts against the directory.

        Looks again when the key of this one is new here, or does not count as it seems: a gateway
        signs by what it knows already.
        """
        receipts = self._receipts_by(await self._require_directory())
        for look in range(LOOKS):
            if not receipts.may_be_out_of_date(token):
                break
            if look:
                await self.timing.sleep(BETWEEN_LOOKS.total_seconds())
            receipts = self._receipts_by(await self.directory())
        return receipts

    def _receipts_by(self, directory: Directory) -> ReceiptCheck:
        return ReceiptCheck(
            keys=directory.receipt_keys,
            issuer=self.profile.issuer,
            counts=directory.receipt_counts,
        )

    async def _request(self, request: Request, *, extra: timedelta = timedelta()) -> Answer:
        timeout = self._settings.request_timeout + extra

        async def attempt() -> Answer:
            return await self._opened().request(request, timeout=timeout)

        return await with_retries(attempt, self._settings.retries, self.timing)

    def _opened(self) -> Session:
        if self._session is None:
            raise RuntimeError("the client is used inside `async with` only")
        return self._session
