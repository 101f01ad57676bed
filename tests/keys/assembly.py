"""Five countries and the exchange decide on channels: a journal that is written as it happens.

``Life`` keeps a clock. Each document is signed and comes at its moment, unless a test says that
it is dated otherwise; what has become of the channel is read off all of them at any time.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any

from broker.sandbox.kits import ExchangeKit, Kit
from keys import act, statement, strict_json
from keys.act import ActTerms, act_id
from keys.act_kind import ActKind, ActReason
from keys.channel import Channel
from keys.charter import ChannelName, Charter, Sealing
from keys.decide import decide
from keys.decisions import Decisions
from keys.identifiers import Exchange, KeyId, Owner
from keys.key import KeyUse, SigningKey
from keys.policy import STANDARD_KEY_POLICY
from keys.root import RootChain
from keys.statement import KeyStatement
from schemas.vocabulary import Compartment, Country, HandlingCode, Kind

HOUR = timedelta(hours=1)
DAY = timedelta(days=1)
SECOND = timedelta(seconds=1)
REVIEW = 200 * DAY
LOCK = STANDARD_KEY_POLICY.time_lock
NAME = ChannelName("hlsg-mx-gt")
MX, GT, HN, SV, PA = (
    Country.MEXICO,
    Country.GUATEMALA,
    Country.HONDURAS,
    Country.EL_SALVADOR,
    Country.PANAMA,
)


def charter_of(*countries: Country, now: datetime, **changes: Any) -> Charter:
    """Write a charter of these countries; the first convenes it, unless told otherwise."""
    terms: dict[str, Any] = {
        "channel": NAME,
        "version": 1,
        "title": "High-Level Security Group",
        "purpose": "To act together against those who smuggle migrants",
        "legal_basis": "Smuggling of Migrants Protocol, Article 10",
        "compartment": Compartment.INTELLIGENCE,
        "kinds": frozenset({Kind.ROUTE_REPORT, Kind.RECALL}),
        "ceiling": HandlingCode.H2,
        "sealing": Sealing.GATEWAY,
        "shows_recipients": True,
        "review": now + REVIEW,
        "conveners": frozenset(countries[:1]),
        "members": dict.fromkeys(countries, ("police",)),
    }
    return Charter(**{**terms, **changes})


@dataclass(kw_only=True)
class Assembly:
    """The countries' administrators Ana and Luis, and those of the exchange, with their keys."""

    now: datetime
    countries: tuple[Country, ...] = (MX, GT, HN, SV, PA)
    kits: Mapping[Owner, Kit] = field(init=False)
    statements: dict[KeyId, KeyStatement] = field(default_factory=dict)

    def __post_init__(self) -> None:
        self.kits = {
            **{country: Kit(owner=country, now=self.now) for country in self.countries},
            Exchange.GATEWAY: ExchangeKit(now=self.now),
        }
        # One person who is an administrator of two countries, with one and the same key.
        ana, panama = self.kits[GT].administrators["ana"], self.kits[PA]
        secret = strict_json.parse_object(ana.export().reveal())
        twin = SigningKey.from_jwk({**secret, "kid": "PA-admin-eva-1"})
        panama.administrators["eva"] = twin
        panama.state(panama.administrator("eva"), KeyUse.ADMINISTRATION, twin.public)
        roots = {owner: RootChain((kit.root,)) for owner, kit in self.kits.items()}
        for kit in self.kits.values():
            for token in kit.statements:
                stated = statement.verify(token, roots=roots)
                self.statements[stated.kid] = stated

    def kit_of(self, who: str) -> tuple[Kit, str]:
        """Find ``GT ana``."""
        owner, name = who.split()
        return next(kit for kit in self.kits.values() if kit.owner.value == owner), name


@dataclass(kw_only=True)
class Life:
    """What was signed so far, and what time it is."""

    assembly: Assembly
    name: ChannelName = NAME
    clock: datetime = field(init=False)
    tokens: list[str] = field(default_factory=list)
    arrivals: dict[str, datetime] = field(default_factory=dict)

    def __post_init__(self) -> None:
        self.clock = self.assembly.now

    def wait(self, time: timedelta = LOCK) -> None:
        """Let time pass; without a number, the time-lock."""
        self.clock += time

    def sign(self, who: str, kind: ActKind, *, late: timedelta = HOUR * 0, **what: Any) -> str:
        """Sign an act, dated now or so much earlier, and send it nowhere."""
        kit, name = self.assembly.kit_of(who)
        terms = ActTerms(kind=kind, by=kit.administrator(name), at=self.clock - late, **what)
        return act.sign(terms, kit.administrators[name])

    def come(self, token: str) -> str:
        """Let a document come now."""
        self.tokens.append(token)
        self.arrivals[token] = self.clock
        return token

    def propose(self, who: str, *countries: Country, **changes: Any) -> str:
        """Propose a charter of these countries."""
        return self.bring(who, charter_of(*countries, now=self.clock, **changes))

    def bring(self, who: str, charter: Charter) -> str:
        """Propose this charter."""
        return self.come(self.sign(who, ActKind.CHARTER, charter=charter.to_json()))

    def consent(self, proposal: str, *who: str, late: timedelta = HOUR * 0) -> None:
        """Let these consent."""
        for one in who:
            self.come(self.sign(one, ActKind.CONSENT, late=late, of=act_id(proposal)))

    def answer(self, who: str, kind: ActKind, token: str) -> str:
        """Approve or cancel."""
        return self.come(self.sign(who, kind, of=act_id(token)))

    def do(self, who: str, kind: ActKind, *, late: timedelta = HOUR * 0) -> str:
        """Leave, suspend, resume or close the channel."""
        return self.come(self.sign(who, kind, late=late, channel=self.name))

    def take_key(self, who: str, kind: ActKind = ActKind.COMPROMISE) -> None:
        """The other administrator of a country takes this one's key out."""
        kit, name = self.assembly.kit_of(who)
        other = "luis" if name == "ana" else "ana"
        key = kit.administrators[name].kid
        self.come(self.sign(f"{kit.owner} {other}", kind, keys=(key,), reason=ActReason.STOLEN))

    def begin(self, *countries: Country, **changes: Any) -> str:
        """Propose, consent by every member, and wait for the time-lock."""
        proposal = self.propose(f"{countries[0]} ana", *countries, **changes)
        self.consent(proposal, *(f"{country} luis" for country in countries))
        self.wait()
        return proposal

    def resume(self, first: str, second: str) -> str:
        """Let two agree that it goes on."""
        proposal = self.do(first, ActKind.RESUME_CHANNEL)
        self.answer(second, ActKind.APPROVE, proposal)
        return proposal

    @property
    def decisions(self) -> Decisions:
        """What counts of all this."""
        return decide(self.tokens, self.assembly.statements, self.arrivals)

    @property
    def refused(self) -> list[str]:
        """Why documents count for nothing."""
        return [reason for _, reason in self.decisions.rejected]

    @property
    def channel(self) -> Channel:
        """The channel, as it was made so far."""
        return self.decisions.channels()[self.name]

    @property
    def state(self) -> str:
        """Where it stands now."""
        return self.channel.state(self.clock).value

    @property
    def members(self) -> str:
        """Who is in it now: ``GT MX``."""
        return " ".join(sorted(self.channel.members(self.clock)))

    @property
    def version(self) -> int:
        """Which version of the charter counts now; 0 before the first."""
        charter = self.channel.charter(self.clock)
        return 0 if charter is None else charter.version
