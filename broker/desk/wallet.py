"""As whom do we act, with which keys, and whom do we trust: now, not when we were started?

A subscription runs for months, and keys, passphrases and pins are exchanged meanwhile. Who
needs one asks the wallet each time, and keeps nothing of it. The files are looked at when
somebody asks, at most once a second; an idle program looks at nothing.

Several files belong together: the profile names keys of the bundle, and the passphrase opens
it. They count together or not at all, so they may be replaced in any order, with any pause.
"""

import os
import ssl
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, fields, replace
from datetime import timedelta
from pathlib import Path
from typing import Any, Final

from broker.desk.held_keys import HeldKeys
from broker.desk.pins import Pins
from broker.desk.profile import Profile
from broker.desk.tls import client_context
from broker.file_watch import FileWatch
from keys.custody.envelope import RECOMMENDED, KdfCost
from keys.secret import Passphrase

LOOK_EVERY: Final = timedelta(seconds=1)
"""A look costs some microseconds for each file, a reading a tenth of a second."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Held:
    """What a wallet holds at one moment."""

    profile: Profile
    keys: HeldKeys = field(repr=False)
    pins: Pins = field(repr=False)


class Wallet:
    """Holds what it was given; :class:`FileWallet` follows its files."""

    def __init__(self, profile: Profile, keys: HeldKeys, pins: Pins) -> None:
        self._current = Held(profile=profile, keys=keys, pins=pins)
        self._tls: ssl.SSLContext | None = None

    @property
    def current(self) -> Held:
        """What counts now. Who needs two things of it asks once for both."""
        return self._current

    @property
    def tls(self) -> ssl.SSLContext:
        """Whose certificates we take; the same value for as long as nothing changes.

        Raises:
            ConfigurationError: The file is missing or holds no certificate.
        """
        if self._tls is None:
            self._tls = client_context(self._current.profile.ca_file)
        return self._tls

    async def refresh(self) -> None:
        """Look whether a file has changed, unless that was done within the last second."""

    async def look(self) -> None:
        """Look now, because what we hold does not seem to do."""


class FileWallet(Wallet):
    """Follows its files; what does not open or fit changes nothing.

    Args:
        profile: One that was read from a file is read again; what was changed in it since
            stays changed.
        passphrase: As a person typed it, kept for the next reading; None means its file.
        environ: May name the passphrase file.
        minimum: A key file that is protected more cheaply is refused.
        monotonic: Seconds, for how long ago the last look was.

    Raises:
        ConfigurationError, CustodyError: A file is missing, malformed or readable by others,
            or the passphrase is wrong.
    """

    def __init__(
        self,
        profile: Profile,
        *,
        passphrase: Passphrase | None = None,
        environ: Mapping[str, str] = os.environ,
        minimum: KdfCost = RECOMMENDED,
        monotonic: Callable[[], float] = time.monotonic,
    ) -> None:
        self._given = self._in_force = profile
        self._typed = passphrase
        self._environ = environ
        self._minimum = minimum
        self._monotonic = monotonic
        self._looked_at = monotonic()
        self._changed = _changed_since_read(profile)
        # Before the first reading: a change between the two is found at the first look.
        self._watches = self._make_watches()
        keys = self._read_keys(profile)
        super().__init__(profile, keys, Pins.load(profile.roots_file))
        self._tls = client_context(profile.ca_file)

    async def refresh(self) -> None:
        """Look whether a file has changed, unless that was done within the last second."""
        if self._monotonic() - self._looked_at >= LOOK_EVERY.total_seconds():
            await self.look()

    async def look(self) -> None:
        """Look now, because what we hold does not seem to do."""
        # Before the reading, which others need not wait for: they go on with what is there.
        self._looked_at = self._monotonic()
        for watch in self._watches:
            await watch.check()

    def _make_watches(self) -> tuple[FileWatch[Any], ...]:
        # Three, because each is worth having without the others: pins must reach a desk
        # whose new key file still waits for its passphrase.
        return (
            FileWatch(
                "desk-keys",
                files=self._key_files,
                read=self._read_profile_and_keys,
                take=self._take_keys,
            ),
            FileWatch(
                "pinned-keys",
                files=lambda: (self._in_force.roots_file,),
                read=lambda: Pins.load(self._in_force.roots_file),
                take=self._take_pins,
            ),
            FileWatch(
                "trusted-authority",
                files=lambda: _present(self._in_force.ca_file),
                read=lambda: client_context(self._in_force.ca_file),
                take=self._take_tls,
            ),
        )

    def _key_files(self) -> tuple[Path, ...]:
        profile = self._in_force
        passphrase = profile.find_passphrase_file(self._environ) if self._typed is None else None
        return (profile.key_file, *_present(profile.source), *_present(passphrase))

    def _read_profile_and_keys(self) -> tuple[Profile, HeldKeys]:
        profile, source = self._given, self._given.source
        if source is not None:
            profile = replace(Profile.load(source), **self._changed)
        return profile, self._read_keys(profile)

    def _read_keys(self, profile: Profile) -> HeldKeys:
        passphrase = profile.passphrase(self._environ) if self._typed is None else self._typed
        return HeldKeys.load(profile, passphrase, minimum=self._minimum)

    def _take_keys(self, new: tuple[Profile, HeldKeys]) -> None:
        self._in_force, keys = new
        self._current = replace(self._current, profile=self._in_force, keys=keys)

    def _take_pins(self, new: Pins) -> None:
        self._current = replace(self._current, pins=new)

    def _take_tls(self, new: ssl.SSLContext) -> None:
        self._tls = new


def _changed_since_read(profile: Profile) -> Mapping[str, Any]:
    """What a caller set himself, such as the language of a person's terminal."""
    if profile.source is None:
        return {}
    read = Profile.load(profile.source)
    pairs = {each.name: getattr(profile, each.name) for each in fields(profile)}
    return {name: value for name, value in pairs.items() if value != getattr(read, name)}


def _present(file: Path | None) -> tuple[Path, ...]:
    return () if file is None else (file,)
