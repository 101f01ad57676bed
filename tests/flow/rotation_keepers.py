"""The people who keep keys, and how they exchange each kind while messages flow.

Each works as the documents say: the private key first, then its statement, then, when every
gateway has read that, its use.
"""

import asyncio
import secrets
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path

from broker.model.names import AgencyRef, DeskRef
from broker.sandbox.countries import Holding
from broker.sandbox.kits import Kit
from keys.act_kind import ActKind
from keys.algorithms import EncryptionAlgorithm, SignatureAlgorithm
from keys.custody.bundle import PrivateKey
from keys.custody.envelope import INTERACTIVE_DEMO
from keys.custody.provider import KeyProvider, KeyWish, open_provider
from keys.holder import Holder
from keys.identifiers import KeyId
from keys.key import KeyUse, SigningKey
from keys.ring import KeyState
from keys.root import RootHolder, RootTerms, verify_next
from keys.root import sign as sign_root
from keys.secret import Passphrase
from tests.fakes.certificates import replace_file
from tests.flow.rotation_world import IN_FORCE, RotatingWorld

Subject = AgencyRef | DeskRef
PURPOSES = {
    "client": KeyUse.CLIENT_AUTHENTICATION,
    "sign": KeyUse.MESSAGE_SIGNATURE,
    "ack": KeyUse.DESK_SIGNATURE,
    "seal": KeyUse.DESK_ENCRYPTION,
}


@dataclass(frozen=True, kw_only=True)
class InUse:
    """The keys that a participant's profile names, and to which its messages are sealed."""

    authentication: KeyId
    signature: KeyId
    encryption: KeyId | None

    @classmethod
    def of(cls, holding: Holding) -> "InUse":
        """Those that it began with."""
        return cls(
            authentication=holding.authentication.kid,
            signature=holding.signature.kid,
            encryption=holding.decryption.kid if holding.decryption else None,
        )

    @classmethod
    def next(cls, subject: Subject, number: int) -> "InUse":
        """Those of a later generation."""
        is_desk = isinstance(subject, DeskRef)
        return cls(
            authentication=_kid(subject, "client", number),
            signature=_kid(subject, "ack" if is_desk else "sign", number),
            encryption=_kid(subject, "seal", number) if is_desk else None,
        )

    @property
    def wishes(self) -> list[KeyWish]:
        """What must be made for them."""
        signing = (self.authentication, self.signature)
        wishes = [KeyWish(kid=kid, algorithm=SignatureAlgorithm.ED25519) for kid in signing]
        if self.encryption is not None:
            wishes.append(sealing(self.encryption))
        return wishes


def sealing(kid: KeyId) -> KeyWish:
    """Wish for a key to which messages are sealed."""
    return KeyWish(kid=kid, algorithm=EncryptionAlgorithm.HPKE_9_KE)


def _kid(subject: Subject, purpose: str, number: int) -> KeyId:
    return KeyId(f"{subject.country}-{purpose}-{number}-{_name(subject)}")


def _name(subject: Subject) -> str:
    return subject.agency if isinstance(subject, AgencyRef) else str(subject.compartment)


@dataclass
class Keepers:
    """Everybody who keeps a key in this exchange."""

    rotating: RotatingWorld
    in_use: dict[Subject, InUse] = field(default_factory=dict)

    def __post_init__(self) -> None:
        holdings = self.rotating.world.holdings
        self.in_use |= {subject: InUse.of(each) for subject, each in holdings.items()}

    async def rotate_roots(self, number: int) -> None:
        """One holder of each root goes and another comes; the old and the new agree."""
        await self.rotating.publish(*(replace_holder(kit, number) for kit in self._kits))

    async def rotate_administrators(self, number: int) -> None:
        """Each administrator gets a new key, and decides with it from then on."""
        now, stated = datetime.now(UTC), []
        for kit in self._kits:
            for name in tuple(kit.administrators):
                key = kit.signing(f"admin-{name}-{number}")
                stated.append(
                    kit.state(
                        kit.administrator(name), KeyUse.ADMINISTRATION, key.public, stated=now
                    )
                )
                kit.administrators[name] = key
        await self.rotating.publish(*stated)

    async def rotate_gateways_keys(self, number: int, *, ahead: timedelta = IN_FORCE) -> None:
        """The keys of receipts and tokens; stated ahead, so that all know them when one signs."""
        folder, kit = self.rotating.world.folder, self.rotating.world.exchange
        begins, made, stated = datetime.now(UTC) + ahead, [], []
        for service, use, name in (
            ("receipts", KeyUse.RECEIPT_SIGNATURE, "receipt"),
            ("tokens", KeyUse.TOKEN_SIGNATURE, "token"),
        ):
            key = kit.signing(f"{name}-{number}")
            made.append(key)
            stated.append(kit.state(Holder.service(service), use, key.public, stated=begins))
        provider = provider_of(folder / "gateway.keys", folder / "gateway.passphrase")
        await asyncio.to_thread(provider.add, made)
        await self.rotating.publish(*stated)

    async def rotate_participants(self, number: int) -> None:
        """The keys of all agencies and desks; a desk's decryption key waits for two persons."""
        fresh = {subject: InUse.next(subject, number) for subject in self.in_use}
        made = {subject: await self._make(subject, keys.wishes) for subject, keys in fresh.items()}
        # Signed when all is made: what is dated long before it is published comes too late.
        tokens = [token for subject, keys in made.items() for token in self._state(subject, keys)]
        await self.rotating.publish(*tokens)
        await asyncio.sleep(IN_FORCE.total_seconds())
        for subject, keys in fresh.items():
            self._name_keys(subject, keys)
        await self.until_active([each.encryption for each in fresh.values() if each.encryption])

    async def replace_encryption(self, desk: DeskRef, number: int) -> datetime:
        """A successor for a key that was taken out; tells when it is active."""
        kid = _kid(desk, "seal", number)
        made = await self._make(desk, [sealing(kid)])
        await self.rotating.publish(*self._state(desk, made))
        await self.until_active([kid])
        return datetime.now(UTC)

    async def erase(self, subject: Subject, kid: KeyId) -> None:
        """Remove a private key from a participant's key file, for good."""
        folder = self.rotating.world.folder_of(subject)
        provider = provider_of(folder / "client.key", folder / "passphrase")
        await asyncio.to_thread(provider.erase, kid)

    async def until_active(self, kids: Iterable[KeyId]) -> None:
        """Wait until these keys are active."""
        wanted = frozenset(kids)
        async with asyncio.timeout(20):
            while True:
                entries = (await self.rotating.directory()).ring.entries
                if all(entries[kid].state is KeyState.ACTIVE for kid in wanted):
                    return
                await asyncio.sleep(0.5)

    async def change_passphrases(self, *subjects: Subject) -> None:
        """Of the gateways' key file, and of some participants'."""
        folders = [self.rotating.world.folder_of(subject) for subject in subjects]
        files = [(folder / "client.key", folder / "passphrase") for folder in folders]
        home = self.rotating.world.folder
        for keys, passphrase in [*files, (home / "gateway.keys", home / "gateway.passphrase")]:
            new = secrets.token_urlsafe(24)
            provider = provider_of(keys, passphrase)
            await asyncio.to_thread(provider.change_passphrase, Passphrase.from_text(new))
            replace_file(passphrase, new.encode())

    async def _make(self, subject: Subject, wishes: Sequence[KeyWish]) -> tuple[PrivateKey, ...]:
        folder = self.rotating.world.folder_of(subject)
        provider = provider_of(folder / "client.key", folder / "passphrase")
        return await asyncio.to_thread(provider.generate, wishes)

    def _state(self, subject: Subject, made: Sequence[PrivateKey]) -> list[str]:
        kit, now, tokens = self._kit(subject), datetime.now(UTC), []
        for key in made:
            use = PURPOSES[key.kid[3:].partition("-")[0]]
            holder = self._holder(subject, use)
            tokens.append(kit.state(holder, use, key.public, stated=now))
            if use is KeyUse.DESK_ENCRYPTION:
                tokens += kit.decide(ActKind.ACTIVATE, keys=[key.kid], at=(now, now))
        return tokens

    def _holder(self, subject: Subject, use: KeyUse) -> Holder:
        if use is KeyUse.CLIENT_AUTHENTICATION:
            client_id = self.rotating.world.holdings[subject].client_id
            return Holder.client(subject.country, client_id)
        if isinstance(subject, AgencyRef):
            return Holder.agency(subject.country, subject.agency)
        return Holder.desk(subject.country, subject.compartment)

    def _name_keys(self, subject: Subject, new: InUse) -> None:
        """Let the profile name the new keys, once their statements are with the gateways."""
        old, self.in_use[subject] = self.in_use[subject], new
        file = self.rotating.world.folder_of(subject) / "profile.toml"
        text = file.read_text()
        for before, after in (
            (old.authentication, new.authentication),
            (old.signature, new.signature),
        ):
            text = text.replace(f'"{before}"', f'"{after}"')
        replace_file(file, text.encode())

    def _kit(self, subject: Subject) -> Kit:
        return self.rotating.world.kits[subject.country]

    @property
    def _kits(self) -> list[Kit]:
        return [self.rotating.world.exchange, *self.rotating.world.kits.values()]


def replace_holder(kit: Kit, number: int) -> str:
    """Let one holder of a root go, and another come who signs from then on."""
    kid = KeyId(f"{kit.owner}-root-{number}")
    fresh = SigningKey.generate(SignatureAlgorithm.ED25519, kid)
    stays, _, third = kit.holders
    names = {holder.key.kid: holder.name for holder in kit.root.holders} | {kid: f"n-{number}"}
    terms = RootTerms(
        owner=kit.owner,
        version=kit.root.version + 1,
        threshold=kit.root.threshold,
        holders=tuple(
            RootHolder(name=names[key.kid], key=key.public) for key in (fresh, stays, third)
        ),
        first_serial=next(kit._serial),
        issued=datetime.now(UTC),
        expires=kit.root.expires + timedelta(days=1),
    )
    token = sign_root(terms, (*kit.signers, fresh))
    kit.root = verify_next(token, previous=kit.root)
    kit.holders = (fresh, stays, third)
    return token


def provider_of(keys: Path, passphrase: Path) -> KeyProvider:
    """The place where a party keeps its keys."""
    return open_provider(keys, Passphrase(passphrase.read_bytes()), cost=INTERACTIVE_DEMO)
