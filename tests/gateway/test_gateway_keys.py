"""Does a gateway take up new keys without a restart, and drop a suspended one at once?"""

from collections.abc import Iterable
from datetime import UTC, datetime, timedelta

import pytest

from broker.desk.pins import Pins
from broker.directory import Directory, DirectoryRecord
from broker.errors import AuthenticationError, ConfigurationError, KeyUnavailableError
from broker.evidence.receipts import verify_receipt
from broker.gateway_keys import CurrentTokens, GatewayKeys
from broker.gateway_secrets import Secrets
from broker.model.events import Event, EventKind
from broker.model.names import AgencyRef, ContentHash, LogPosition, MessageId, Scope
from broker.sandbox.kits import ExchangeKit
from keys import jws
from keys.act_kind import ActKind
from keys.key import KeyUse, SigningKey
from keys.secret import SecretBytes
from schemas.vocabulary import Country

NOW = datetime(2026, 11, 23, 12, tzinfo=UTC)
ISSUER = "https://enlace.test"
SECOND = timedelta(seconds=1)
JKT = "A" * 43
EVENT = Event(
    kind=EventKind.ACCEPTED,
    at=NOW,
    message_id=MessageId("0193574e-0000-7000-8000-000000000001"),
    sender=AgencyRef(country=Country.MEXICO, agency="fiscalia"),
    content_hash=ContentHash("A" * 43),
    recipients={},
)


class Running:
    """A gateway's keys, and those who state and replace them while it runs."""

    def __init__(self) -> None:
        self.now = NOW
        self.kit = ExchangeKit(now=NOW)
        self.acts: list[str] = []
        self.keys = GatewayKeys(
            self.secrets([self.kit.receipt_key, self.kit.token_key]),
            self.directory,
            issuer=ISSUER,
            clock=lambda: self.now,
        )
        self.tokens = CurrentTokens(self.keys, issuer=ISSUER, clock=lambda: self.now)

    def directory(self) -> Directory:
        """Read the directory as it is now."""
        record = DirectoryRecord(version=1, statements=(*self.kit.statements, *self.acts))
        directory, rejected = Directory.verify(
            record, roots={self.kit.owner: self.kit.root}, now=self.now
        )
        assert rejected == ()
        return directory

    def secrets(self, keys: Iterable[SigningKey]) -> Secrets:
        """Lay these keys into the key file."""
        return Secrets(
            signing={key.kid: key for key in keys},
            nonce_secret=SecretBytes(bytes(32)),
            mac_key=SecretBytes(bytes(32)),
            pins=Pins(roots={self.kit.owner: self.kit.root}),
        )

    def hold(self, *more: SigningKey) -> None:
        """Replace the key file by one with more keys."""
        self.keys.secrets = self.secrets([*self.keys.secrets.signing.values(), *more])

    def receipt(self) -> str:
        """Sign a receipt."""
        return self.keys.sign_receipt(EVENT, LogPosition(1))

    def token(self) -> str:
        """Issue an access token."""
        return self.tokens.issue("mx-fiscalia", scopes=[Scope.MESSAGES_SEND], jkt=JKT, now=self.now)

    def next_token_key(self) -> SigningKey:
        """State the next token key, which counts from now on, and hold it."""
        key = self.kit.service("tokens", KeyUse.TOKEN_SIGNATURE, "token-2", stated=self.now)
        self.hold(key)
        return key


@pytest.fixture
def running() -> Running:
    """Give a gateway with its first receipt key and token key."""
    return Running()


def signer(token: str) -> str:
    """Name the key that signed."""
    return jws.read_header(token).kid


def test_receipt_key_rotates_when_it_is_stated_and_held(running: Running) -> None:
    """A statement alone changes nothing; with the key file the next receipt has the new key."""
    first = running.receipt()
    new = running.kit.service("receipts", KeyUse.RECEIPT_SIGNATURE, "receipt-2", stated=NOW)
    stated_only = running.receipt()

    running.hold(new)
    second = running.receipt()

    assert [signer(token) for token in (first, stated_only, second)] == [
        "GW-receipt-1",
        "GW-receipt-1",
        "GW-receipt-2",
    ]
    find_key = running.directory().receipt_keys.get
    assert {verify_receipt(token, find_key=find_key).issuer for token in (first, second)} == {
        ISSUER
    }
    assert {key.kid for key in running.keys.receipt_keys()} == {"GW-receipt-1", "GW-receipt-2"}


def test_receipt_key_waits_when_it_is_held_before_it_is_stated(running: Running) -> None:
    """The files may come first: a key that nobody states signs nothing."""
    running.hold(running.kit.signing("receipt-2"))

    assert signer(running.receipt()) == "GW-receipt-1"


def test_receipt_key_is_not_another_key_of_its_name(running: Running) -> None:
    """The file holds another key than the root states: that would show at the verifier's."""
    running.kit.service("receipts", KeyUse.RECEIPT_SIGNATURE, "receipt-2", stated=NOW)
    running.hold(running.kit.signing("receipt-2"))

    assert signer(running.receipt()) == "GW-receipt-1"


def test_receipt_key_is_the_one_of_the_event_when_the_next_began_meanwhile(
    running: Running,
) -> None:
    """An event waits for its place in the log; its receipt must count at the moment it names."""
    later = NOW + SECOND
    running.hold(
        running.kit.service("receipts", KeyUse.RECEIPT_SIGNATURE, "receipt-2", stated=later)
    )
    running.now = later

    receipt = running.receipt()

    assert signer(receipt) == "GW-receipt-1"
    assert running.directory().receipt_counts(running.kit.receipt_key.kid, EVENT.at)


def test_receipt_is_not_signed_when_its_key_was_taken_out_meanwhile(running: Running) -> None:
    """That it counted when the event happened does not help it."""
    running.now = NOW + SECOND
    running.acts.append(
        running.kit.alone(ActKind.SUSPEND, at=running.now, keys=[running.kit.receipt_key.kid])
    )

    with pytest.raises(KeyUnavailableError):
        running.receipt()


def test_token_key_rotates_and_old_tokens_stay_good(running: Running) -> None:
    """Nobody is logged out by a rotation."""
    old = running.token()
    running.next_token_key()
    new = running.token()

    assert [signer(old), signer(new)] == ["GW-token-1", "GW-token-2"]
    for token in (old, new):
        claims = running.tokens.verify(token, now=NOW + SECOND, jkt=JKT)
        assert claims.client_id == "mx-fiscalia"
    assert {key.kid for key in running.tokens.verification_keys} == {"GW-token-1", "GW-token-2"}


def test_token_is_refused_at_once_when_its_key_is_suspended(running: Running) -> None:
    """Also one that was verified a moment ago; the gateway goes on with the key before."""
    old = running.token()
    key = running.next_token_key()
    new = running.token()
    running.tokens.verify(new, now=NOW, jkt=JKT)

    running.now = NOW + SECOND
    running.acts.append(running.kit.alone(ActKind.SUSPEND, at=running.now, keys=[key.kid]))

    with pytest.raises(AuthenticationError):
        running.tokens.verify(new, now=running.now, jkt=JKT)
    assert running.tokens.verify(old, now=running.now, jkt=JKT).client_id == "mx-fiscalia"
    assert signer(running.token()) == "GW-token-1"


@pytest.mark.parametrize("whose", ["an administrator", "a holder of the root"])
def test_check_refuses_a_key_file_that_holds_the_key_of(running: Running, whose: str) -> None:
    """A gateway that is taken over gives away receipt and token keys, and nothing else."""
    kit = running.kit
    running.hold(kit.administrators["ana"] if whose == "an administrator" else kit.holders[0])

    with pytest.raises(ConfigurationError, match="keep those elsewhere"):
        running.keys.check()


def test_check_says_what_to_do_when_no_key_can_sign(running: Running) -> None:
    """A gateway whose only keys are taken out does not start, and signs nothing."""
    running.keys.check()
    keys = [running.kit.receipt_key.kid, running.kit.token_key.kid]
    running.acts.append(running.kit.alone(ActKind.SUSPEND, at=NOW, keys=keys))

    with pytest.raises(ConfigurationError, match="enlace admin statement add"):
        running.keys.check()
    with pytest.raises(KeyUnavailableError):
        running.receipt()
    with pytest.raises(KeyUnavailableError):
        running.token()
