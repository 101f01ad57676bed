"""An owner of keys for the sandbox: a root with three holders, two administrators, statements.

In life no machine holds all of these. What is stated here was stated three days ago and decided
a day ago, so that announcements and time-locks are over when the exchange is opened.
"""

from collections.abc import Iterable
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from itertools import count
from typing import Final

from keys.act import ActTerms, act_id
from keys.act import sign as sign_act
from keys.act_kind import ActKind, ActReason
from keys.algorithms import SignatureAlgorithm
from keys.charter import ChannelName, Charter
from keys.holder import Holder
from keys.identifiers import Exchange, KeyId, Owner
from keys.key import EncryptionKey, KeyUse, SigningKey, VerificationKey
from keys.root import Root, RootHolder, RootTerms, verify_first
from keys.root import sign as sign_root
from keys.statement import StatementTerms, issue
from keys.strict_json import JsonObject

KEY_LIFE: Final = timedelta(days=365)
ROOT_LIFE: Final = timedelta(days=1000)
STATED: Final = timedelta(days=3)
"""So long ago everything was stated: longer than any announcement."""
PROPOSED: Final = timedelta(hours=50)
APPROVED: Final = timedelta(hours=49)
"""So long ago everything was decided: longer than the time-lock."""
HOLDERS: Final = ("uno", "dos", "tres")
THRESHOLD: Final = 2
ADMINISTRATORS: Final = ("ana", "luis")


@dataclass(slots=True, kw_only=True)
class Kit:
    """Makes keys, signs their statements with the root, and decides as both administrators."""

    owner: Owner
    now: datetime
    algorithm: SignatureAlgorithm = SignatureAlgorithm.ED25519
    holders: tuple[SigningKey, ...] = field(init=False)
    root: Root = field(init=False)
    administrators: dict[str, SigningKey] = field(init=False)
    statements: list[str] = field(default_factory=list)
    _serial: "count[int]" = field(default_factory=lambda: count(1))

    def __post_init__(self) -> None:
        self.holders = tuple(
            SigningKey.generate(SignatureAlgorithm.ED25519, KeyId(f"{self.owner}-root-{name}"))
            for name in HOLDERS
        )
        terms = RootTerms(
            owner=self.owner,
            version=1,
            threshold=THRESHOLD,
            holders=tuple(
                RootHolder(name=name, key=key.public)
                for name, key in zip(HOLDERS, self.holders, strict=True)
            ),
            first_serial=1,
            issued=self.now - STATED,
            expires=self.now + ROOT_LIFE,
        )
        self.root = verify_first(sign_root(terms, self.signers))
        self.administrators = {name: self.signing(f"admin-{name}-1") for name in ADMINISTRATORS}
        for name, key in self.administrators.items():
            self.state(self.administrator(name), KeyUse.ADMINISTRATION, key.public)

    @property
    def signers(self) -> tuple[SigningKey, ...]:
        """As many holders as it takes."""
        return self.holders[:THRESHOLD]

    def administrator(self, name: str) -> Holder:
        """Name an administrator."""
        return Holder.administrator(self.owner, name)

    def signing(self, name: str) -> SigningKey:
        """Make a signing key of this owner."""
        return SigningKey.generate(self.algorithm, KeyId(f"{self.owner}-{name}"))

    def state(
        self,
        holder: Holder,
        use: KeyUse,
        key: VerificationKey | EncryptionKey,
        *,
        stated: datetime | None = None,
    ) -> str:
        """State a key, and keep the statement."""
        issued = stated or self.now - STATED
        terms = StatementTerms(
            holder=holder,
            use=use,
            key=key,
            not_before=issued,
            not_after=self.now + KEY_LIFE,
            serial=next(self._serial),
            issued=issued,
        )
        self.statements.append(issue(terms, signers=self.signers))
        return self.statements[-1]

    def decide(
        self,
        kind: ActKind,
        *,
        keys: Iterable[KeyId] = (),
        pairs: Iterable[str] = (),
        policy: JsonObject | None = None,
        channel: ChannelName | None = None,
        at: tuple[datetime, datetime] | None = None,
    ) -> tuple[str, str]:
        """Propose as the first administrator, approve as the second."""
        proposed, approved = at or (self.now - PROPOSED, self.now - APPROVED)
        first, second = ADMINISTRATORS
        proposal = sign_act(
            ActTerms(
                kind=kind,
                by=self.administrator(first),
                at=proposed,
                keys=tuple(keys),
                pairs=tuple(pairs),
                policy=policy,
                channel=channel,
            ),
            self.administrators[first],
        )
        return proposal, self.approve(proposal, by=second, at=approved)

    def approve(self, proposal: str, *, by: str, at: datetime) -> str:
        """Agree with somebody's act."""
        terms = ActTerms(
            kind=ActKind.APPROVE, by=self.administrator(by), at=at, of=act_id(proposal)
        )
        return sign_act(terms, self.administrators[by])

    def propose(self, charter: Charter, *, by: str = ADMINISTRATORS[0], at: datetime) -> str:
        """Propose a charter, as an administrator of a convener."""
        terms = ActTerms(
            kind=ActKind.CHARTER, by=self.administrator(by), at=at, charter=charter.to_json()
        )
        return sign_act(terms, self.administrators[by])

    def consent(self, proposal: str, *, by: str = ADMINISTRATORS[1], at: datetime) -> str:
        """Consent to a charter for this country."""
        terms = ActTerms(
            kind=ActKind.CONSENT, by=self.administrator(by), at=at, of=act_id(proposal)
        )
        return sign_act(terms, self.administrators[by])

    def alone(  # noqa: PLR0913 - what one may do alone is about one of these
        self,
        kind: ActKind,
        *,
        at: datetime,
        by: str = ADMINISTRATORS[0],
        keys: Iterable[KeyId] = (),
        pairs: Iterable[str] = (),
        channel: ChannelName | None = None,
        since: datetime | None = None,
    ) -> str:
        """Do what one person may do."""
        terms = ActTerms(
            kind=kind,
            by=self.administrator(by),
            at=at,
            reason=ActReason.SUSPECTED,
            keys=tuple(keys),
            pairs=tuple(pairs),
            channel=channel,
            since=since,
        )
        return sign_act(terms, self.administrators[by])


@dataclass(slots=True, kw_only=True)
class ExchangeKit(Kit):
    """The exchange itself: its receipt key and token key."""

    owner: Owner = Exchange.GATEWAY
    receipt_key: SigningKey = field(init=False)
    token_key: SigningKey = field(init=False)

    def __post_init__(self) -> None:
        # Not ``super()``: a dataclass with slots is made twice, and ``super()`` finds the first.
        Kit.__post_init__(self)
        self.receipt_key = self.service("receipts", KeyUse.RECEIPT_SIGNATURE, "receipt-1")
        self.token_key = self.service("tokens", KeyUse.TOKEN_SIGNATURE, "token-1")

    def service(
        self, service: str, use: KeyUse, name: str, *, stated: datetime | None = None
    ) -> SigningKey:
        """Make a key of a service, and state it."""
        key = self.signing(name)
        self.state(Holder.service(service), use, key.public, stated=stated)
        return key
