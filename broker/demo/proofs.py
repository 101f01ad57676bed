"""Can what lies in the ledger and in the queue be read by whoever runs the exchange?

Looked at is what really lies there: the database's files, and the messages of RabbitMQ. The
search proves itself on the posted bytes, and opening on the desk's own key.
"""

import json
import sqlite3
from collections.abc import Mapping, Sequence
from contextlib import closing
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

from broker.demo.cast import Scene
from broker.demo.queues import look_into
from broker.demo.search import found_in, words_of
from broker.desk.client import EnlaceClient
from broker.desk.failures import ProblemError
from broker.errors import Code, ConfigurationError, UnsealError
from broker.model.events import DeliveryState, EventKind
from broker.model.message import Posting
from broker.model.names import DeskRef
from broker.sandbox.world import World
from broker.sealing.unseal import unseal
from broker.sealing.wire import without_entries
from keys import base64url
from keys.custody.bundle import read_bundle
from keys.custody.envelope import KdfCost
from keys.key import DecryptionKey
from keys.secret import Passphrase, SecretBytes
from schemas.vocabulary import AgencyFunction, Compartment, Kind, Urgency

WORDS_PER_CASE: Final = 5
NO_SECRETS: Final = frozenset(
    word
    for names in (Kind, Urgency, Compartment, AgencyFunction, DeliveryState, EventKind)
    for name in names
    for word in words_of(name.value, most=9)
)
"""Words of the route and of the log, which those who carry a message may read."""
READ_ONLY: Final = "file:{}?mode=ro"


@dataclass(frozen=True, slots=True, kw_only=True)
class Check:
    """One thing that must hold, and whether it does."""

    key: str
    """Of the text that says it."""
    holds: bool
    values: Mapping[str, object] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Ledger:
    """The ledger as a thief finds it: files."""

    file: Path

    def raw(self) -> bytes:
        """All bytes on the disk, the write-ahead log included."""
        return b"".join(path.read_bytes() for path in sorted(self.file.parent.glob("ledger.*")))

    def sealed(self) -> Mapping[str, bytes]:
        """The ``sealed`` column, by message id."""
        with closing(sqlite3.connect(READ_ONLY.format(self.file), uri=True)) as connection:
            return dict(connection.execute("SELECT message_id, sealed FROM messages"))


def ledger_of(world: World) -> Ledger:
    """Find the ledger of a world, which is SQLite in its folder."""
    return Ledger(world.folder.resolve() / "ledger.sqlite")


def prove_search(scenes: Sequence[Scene], before: bytes) -> Check:
    """Does the search find what can be read? It is tried on what was posted."""
    words = _secret_words(scenes, before)
    posted = b"".join(scene.body for scene in scenes)
    found = [found_in(words, form) for form in (posted, base64url.encode(posted).encode())]
    holds = bool(words) and found == [words, words]
    return Check(key="proof.search", holds=holds, values={"words": len(words)})


def prove_ledger_unreadable(ledger: Ledger, scenes: Sequence[Scene], before: bytes) -> Check:
    """Search all that lies on the disk for the words of these messages.

    Args:
        ledger: With these messages in it.
        scenes: What was posted.
        before: The ledger before: words of the public directory prove nothing.
    """
    raw, sealed = ledger.raw(), ledger.sealed()
    words = _secret_words(scenes, before)
    count = sum(scene.id in sealed for scene in scenes)
    return Check(
        key="proof.ledger",
        holds=count == len(scenes) and not found_in(words, raw),
        values={"words": len(words), "kib": len(raw) // 1024, "messages": count},
    )


async def prove_queue_unreadable(
    url: str, ledger: Ledger, scenes: Sequence[Scene], before: bytes
) -> Check:
    """Take each message out of its RabbitMQ queue, look at it, and put it back."""
    bodies = await look_into(url, [pair.queue for scene in scenes for pair in scene.pairs])
    sealed = ledger.sealed()
    expected = sorted(without_entries(sealed[scene.id]) for scene in scenes for _ in scene.desks)
    shown = found_in(_secret_words(scenes, before), b"\n".join(bodies))
    return Check(
        key="proof.queue",
        holds=sorted(bodies) == expected and not shown,
        values={"messages": len(bodies)},
    )


def prove_sealed(world: World, scene: Scene, *, minimum: KdfCost) -> list[Check]:
    """Try to open a message with everything that must not open it, and with what must."""
    sealed = ledger_of(world).sealed()[scene.id]
    desk = scene.desks[0]
    own = desk_key(world, desk)
    stranger = desk_key(world, next(each for each in _desks(world) if each not in scene.desks))
    secrets = _gateway_secrets(world, minimum)
    # Under the right name, so that each is really tried.
    as_own = [own.from_seed(each, algorithm=own.algorithm, kid=own.kid) for each in secrets]
    by_gateway = [_refusal(sealed, key) for key in as_own]
    by_stranger = [
        _refusal(sealed, stranger),
        _refusal(sealed, under_name_of(stranger, own)),
    ]
    one_text = {str(UnsealError())}
    return [
        Check(
            key="proof.gateway",
            holds=set(by_gateway) == one_text,
            values={"keys": len(secrets)},
        ),
        Check(key="proof.stranger", holds=set(by_stranger) == one_text),
        Check(
            key="proof.owner",
            holds=_refusal(sealed, own) is None
            and unseal(sealed, {own.kid: own}).body == scene.body,
            values={"desk": desk},
        ),
    ]


async def prove_signature_counts(sender: EnlaceClient, scene: Scene) -> Check:
    """Post a message that was changed after it was signed."""
    posting = sender.sign(scene.body)
    word = words_of(scene.document["body"], most=1)[0].encode()
    changed = posting.body.replace(word, word.swapcase(), 1)
    try:
        await sender.send(Posting(body=changed, signature=posting.signature))
    except ProblemError as error:
        refused = error.code == Code.SIGNATURE_INVALID.value
        return Check(key="proof.changed", holds=refused, values={"code": error.code})
    return Check(key="proof.changed", holds=False, values={"code": "-"})


def _secret_words(scenes: Sequence[Scene], before: bytes) -> list[str]:
    found = {
        word
        for scene in scenes
        for word in words_of(scene.document["body"], most=WORDS_PER_CASE)
        # What is public may be written there in either spelling: acts are base64url.
        if word not in NO_SECRETS and not found_in([word], before)
    }
    return sorted(found)


def _desks(world: World) -> list[DeskRef]:
    return [each for each in world.holdings if isinstance(each, DeskRef)]


def desk_key(world: World, desk: DeskRef) -> DecryptionKey:
    """The key with which a desk opens; in life nobody else has it."""
    key = world.holdings[desk].decryption
    if key is None:
        raise ConfigurationError(f"{desk} holds no key that opens messages")
    return key


def _gateway_secrets(world: World, minimum: KdfCost) -> list[bytes]:
    passphrase = Passphrase((world.folder / "gateway.passphrase").read_bytes())
    bundle = read_bundle(world.folder / "gateway.keys", passphrase, minimum=minimum)
    if bundle.decryption:
        raise ConfigurationError("the gateway holds a key that opens messages")
    keys = [_jwk(key.export())["d"] for key in bundle.signing.values()]
    return [
        *(base64url.decode(key) for key in keys),
        (world.folder / "gateway.secret").read_bytes(),
    ]


def under_name_of(key: DecryptionKey, named: DecryptionKey) -> DecryptionKey:
    """A key that calls itself like another one, so that it is really tried."""
    seed = base64url.decode(_jwk(key.export())["priv"])
    return named.from_seed(seed, algorithm=named.algorithm, kid=named.kid)


def opens(sealed: bytes, key: DecryptionKey) -> bool:
    """Whether a key opens a message."""
    return _refusal(sealed, key) is None


def _jwk(exported: SecretBytes) -> Mapping[str, str]:
    members: dict[str, str] = json.loads(exported.reveal())
    return members


def _refusal(sealed: bytes, key: DecryptionKey) -> str | None:
    """What opening with this key answers; None: it opened."""
    try:
        unseal(sealed, {key.kid: key})
    except UnsealError as error:
        return str(error)
    return None
