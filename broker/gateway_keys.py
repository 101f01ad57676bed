"""Edge. Which of its keys does this gateway sign with now?

The root of the exchange states receipt and token keys, with their times; the gateway signs with
the newest that counts and whose private half it holds. So a rotation is a statement and a key
file, and no restart.
"""

from collections.abc import Callable, Collection, Iterable
from dataclasses import replace
from datetime import datetime
from typing import Final

from broker.admission.access_token import AccessTokens, Claims
from broker.directory import RECEIPTS, TOKENS, Directory
from broker.errors import Code, ConfigurationError, KeyUnavailableError
from broker.evidence.receipts import ReceiptIssuer
from broker.gateway_secrets import Secrets
from broker.model.events import Event
from broker.model.names import LogPosition, Scope
from broker.notices import NOTICE_TYP
from broker.ports.clock import Clock
from keys import jws
from keys.holder import Holder
from keys.key import KeyUse, SigningKey, VerificationKey

OWN_USES: Final = frozenset({KeyUse.RECEIPT_SIGNATURE, KeyUse.TOKEN_SIGNATURE})
"""All that a gateway's process may hold."""


class GatewayKeys:
    """The gateway's own signing keys; what a change brings counts with the next signature."""

    def __init__(
        self,
        secrets: Secrets,
        directory: Callable[[], Directory],
        *,
        issuer: str,
        clock: Clock,
    ) -> None:
        self.secrets = secrets
        """Replaced as a whole when the files have changed."""
        self._directory = directory
        self._issuer: Final = issuer
        self._clock = clock

    def use(self, secrets: Secrets) -> None:
        """Go by what the files hold now.

        The shared secret stays: it is not a key that rotates, and what was derived from it is
        under way (nonces) or remembered in the ledger (MACs of bodies).
        """
        self.secrets = replace(
            secrets, nonce_secret=self.secrets.nonce_secret, mac_key=self.secrets.mac_key
        )

    def sign_receipt(self, event: Event, position: LogPosition) -> str:
        """Sign an event; a ``ports.receipts.SignReceipt``.

        Raises:
            KeyUnavailableError: No receipt key that counts now is held here.
        """
        # An event waits for its place in the log: a key that began meanwhile would sign for a
        # moment at which it did not count, and one that was taken out signs nothing more.
        key = self.signing_key(RECEIPTS, KeyUse.RECEIPT_SIGNATURE, event.at, self._clock())
        return ReceiptIssuer(key, issuer=self._issuer)(event, position)

    def sign_notice(self, payload: bytes) -> str:
        """Sign a notice to a country; see ``notices``.

        Raises:
            KeyUnavailableError: No receipt key that counts now is held here.
        """
        key = self.signing_key(RECEIPTS, KeyUse.RECEIPT_SIGNATURE, self._clock())
        return jws.sign_compact(payload, key, typ=NOTICE_TYP)

    def signing_key(self, service: Holder, use: KeyUse, *moments: datetime) -> SigningKey:
        """Find the newest key of a service that counts at all these moments, and is held here.

        Raises:
            KeyUnavailableError: There is none.
        """
        held, directory = self.secrets.signing, self._directory()
        newest_first, *others = [directory.service_keys(service, use, at) for at in moments]
        for public in newest_first:
            found = held.get(public.kid)
            # Two keys of one name would be a mistake that shows only at the verifier's.
            if (
                found is not None
                and found.public == public
                and all(public in one for one in others)
            ):
                return found
        raise KeyUnavailableError(Code.GATEWAY_KEY_UNAVAILABLE)

    def receipt_keys(self) -> Iterable[VerificationKey]:
        """The receipt keys to publish, old ones among them."""
        return self._directory().receipt_keys.values()

    def token_keys(self, now: datetime) -> tuple[VerificationKey, ...]:
        """The keys that access tokens count by now."""
        return self._directory().service_keys(TOKENS, KeyUse.TOKEN_SIGNATURE, now)

    def check(self) -> None:
        """Return if this gateway can sign, and holds no other key.

        Raises:
            ConfigurationError: It cannot, or does; the text says what to do.
        """
        self._require_no_other()
        now = self._clock()
        try:
            self.signing_key(RECEIPTS, KeyUse.RECEIPT_SIGNATURE, now)
            self.signing_key(TOKENS, KeyUse.TOKEN_SIGNATURE, now)
        except KeyUnavailableError:
            raise ConfigurationError(
                "ENLACE_KEYS: holds no receipt key, or no token key, that the root of the exchange "
                "(GW in roots.json) states for today: have the holders state the key, and add the "
                "statement with `enlace admin statement add`"
            ) from None

    def _require_no_other(self) -> None:
        """Whoever takes a gateway over shall find nothing that states or decides."""
        directory = self._directory()
        others = {
            kid
            for kid, entry in directory.ring.entries.items()
            if entry.statement.use not in OWN_USES
        }
        for chain in directory.roots.values():
            others.update(holder.key.kid for root in chain.versions for holder in root.holders)
        if not others.isdisjoint(self.secrets.signing):
            raise ConfigurationError(
                "ENLACE_KEYS: holds a key of an administrator, or of a root's holder; keep "
                "those elsewhere"
            )


class CurrentTokens:
    """Access tokens by the keys of the moment; the same to callers as ``AccessTokens``."""

    def __init__(self, keys: GatewayKeys, *, issuer: str, clock: Clock) -> None:
        self._keys = keys
        self._issuer = issuer
        self._clock = clock
        self._made: tuple[SigningKey, tuple[VerificationKey, ...], AccessTokens] | None = None

    @property
    def verification_keys(self) -> tuple[VerificationKey, ...]:
        """See ``AccessTokens.verification_keys``."""
        return self._keys.token_keys(self._clock())

    def issue(self, client_id: str, *, scopes: Collection[Scope], jkt: str, now: datetime) -> str:
        """See ``AccessTokens.issue``."""
        return self._current(now).issue(client_id, scopes=scopes, jkt=jkt, now=now)

    def verify(self, token: str, *, now: datetime, jkt: str) -> Claims:
        """See ``AccessTokens.verify``."""
        return self._current(now).verify(token, now=now, jkt=jkt)

    def _current(self, now: datetime) -> AccessTokens:
        key = self._keys.signing_key(TOKENS, KeyUse.TOKEN_SIGNATURE, now)
        counting = self._keys.token_keys(now)
        if self._made is None or self._made[:2] != (key, counting):
            # Anew, so that nothing is remembered that a key signed which no longer counts.
            tokens = AccessTokens(issuer=self._issuer, signing_key=key, verification_keys=counting)
            self._made = (key, counting, tokens)
        return self._made[2]
